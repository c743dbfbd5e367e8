"""The kinds of parts that plugins can add, and the checks that each part must pass.

A mistake of an extension's author is one line: which hook of which file, which part, what is wrong and
what is allowed.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, get_args

from pytest_execgo.adapter.base import Adapter
from pytest_execgo.benchmark.reports.base import ReportFormat
from pytest_execgo.chaos.action import SERVICES, Action, PlanAction, ServiceAction
from pytest_execgo.chaos.model_fault import MODEL
from pytest_execgo.errors import UsageError, choice
from pytest_execgo.harness.service import SERVICE_NAMES, Launcher
from pytest_execgo.models.cause import Layer
from pytest_execgo.models.chaos import Phase
from pytest_execgo.models.plan import Mode
from pytest_execgo.verdict.suspicion import Rule

Problems = Iterator[str]
LONGEST_NAME = 40
"""The name of a framework is part of the names of folders."""


@dataclass(frozen=True)
class PartKind:
    """One kind of part. ``key`` is the attribute that names a part, ``pattern`` what names look like.
    ``classes``: the hook returns classes instead of instances."""

    hook: str
    title: str
    base: type
    key: str
    pattern: str
    classes: bool
    problems: Callable[[Any], Problems]

    def check(self, part: Any, where: str) -> str:
        """The name of a part; raises :class:`UsageError` for the first thing that is wrong with it."""
        found = part if isinstance(part, type) else type(part)
        problem = next(self._all_problems(part, found), None)
        if problem:
            name = found.__name__ if issubclass(found, self.base) or self.classes else repr(part)
            raise UsageError(f"{where}: {self.title} {name}: {problem}")
        return str(getattr(part, self.key))

    def _all_problems(self, part: Any, found: type) -> Problems:
        base = f"{self.base.__module__}.{self.base.__qualname__}"
        if not issubclass(found, self.base):
            yield f"does not derive from {base}"
        if self.classes and not isinstance(part, type):
            yield f"the hook returned an instance; return the class {found.__name__}"
        if not self.classes and isinstance(part, type):
            yield f"the hook returned the class; return an instance: {found.__name__}()"
        missing = sorted(getattr(found, "__abstractmethods__", ()))
        if missing:
            yield f"does not define {', '.join(f'{name}()' for name in missing)}"
        yield from self._name_problems(getattr(part, self.key, None))
        yield from self.problems(part)

    def _name_problems(self, name: object) -> Problems:
        if not isinstance(name, str):
            shown = "missing" if name is None else f"{name!r}, which is not a string"
            yield f"its {self.key} is {shown}"
        elif not re.fullmatch(self.pattern, name):
            yield f"its {self.key} {name!r} does not match {self.pattern}"
        elif len(name) > LONGEST_NAME:
            yield f"its {self.key} has {len(name)} characters; at most {LONGEST_NAME} are allowed"


def _names(part: Any, attribute: str, allowed: frozenset[str]) -> Problems:
    """Problems of an attribute that must hold names out of ``allowed``."""
    found = getattr(part, attribute, None)
    if not isinstance(found, (frozenset, set, tuple, list)) or not found:
        yield (
            f"its {attribute} is {found!r}; give a frozenset of some of: {', '.join(sorted(allowed))}"
        )
        return
    for name in found:
        if name not in allowed:
            yield f"its {attribute} has {name!r}{choice(str(name), sorted(allowed))}"


def _signature(part: Any, method: str, base: type) -> Problems:
    """A method that cannot be called with the arguments that its base class takes."""
    expected = list(inspect.signature(getattr(base, method)).parameters)[1:]
    own = inspect.signature(getattr(part if isinstance(part, type) else type(part), method))
    try:
        own.bind(None, *expected)
    except TypeError:
        yield f"{method}{own} cannot be called as {method}({', '.join(expected)})"


def _adapter(part: Any) -> Problems:
    yield from _names(part, "modes", frozenset(get_args(Mode)))
    yield from _signature(part, "plan", Adapter)
    yield from _signature(part, "missing", Adapter)


def _action(part: Any) -> Problems:
    if not issubclass(part, (PlanAction, ServiceAction)):
        yield "derives from Action itself; derive it from PlanAction or ServiceAction"
        return
    yield from _names(part, "targets", SERVICES | {"plan", MODEL})
    yield from _names(part, "phases", frozenset(get_args(Phase)))
    if issubclass(part, PlanAction):
        yield from _signature(part, "change", PlanAction)
    else:
        yield from _signature(part, "inject", ServiceAction)
    yield from _signature(part, "not_applicable", Action)


def _launcher(part: Any) -> Problems:
    yield from _names(part, "services", frozenset(SERVICE_NAMES))
    yield from _signature(part, "launch", Launcher)
    yield from _signature(part, "check", Launcher)


def _report_format(part: Any) -> Problems:
    yield from _signature(part, "render", ReportFormat)


def _rule(part: Any) -> Problems:
    layers = get_args(Layer)
    codes = part.codes
    if not isinstance(codes, dict) or not codes:
        yield f"its codes are {codes!r}; give a dictionary of layers and tuples of codes"
        return
    for layer, names in codes.items():
        if layer not in layers:
            yield f"its codes have the layer {layer!r}{choice(str(layer), layers)}"
        elif not isinstance(names, (tuple, list)) or not all(isinstance(n, str) for n in names):
            yield f"its codes of {layer} are {names!r}; give a tuple of strings"
    if not callable(part.suspect):
        yield f"its suspect is {part.suspect!r}; give a function of the evidence"
        return
    try:
        inspect.signature(part.suspect).bind(None)
    except TypeError:
        yield f"suspect{inspect.signature(part.suspect)} cannot be called as suspect(evidence)"


ADAPTERS = PartKind(
    "pytest_execgo_adapters", "adapter", Adapter, "name", "[a-z0-9]+(-[a-z0-9]+)*", False, _adapter
)
ACTIONS = PartKind(
    "pytest_execgo_chaos_actions", "chaos action", Action, "name", "[a-z0-9_]+", True, _action
)
LAUNCHERS = PartKind(
    "pytest_execgo_launchers",
    "launcher",
    Launcher,
    "kind",
    "[a-z0-9]+(-[a-z0-9]+)*",
    False,
    _launcher,
)
REPORT_FORMATS = PartKind(
    "pytest_execgo_report_formats",
    "report format",
    ReportFormat,
    "filename",
    "[A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)*",
    False,
    _report_format,
)
RULES = PartKind(
    "pytest_execgo_attribution_rules",
    "attribution rule",
    Rule,
    "name",
    "[a-z0-9_]+",
    False,
    _rule,
)
KINDS = (ADAPTERS, ACTIONS, LAUNCHERS, REPORT_FORMATS, RULES)
