"""The registered parts: adapters, chaos actions, launchers, report formats and attribution rules, by
name."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pluggy

from pytest_execgo.adapter.base import Adapter
from pytest_execgo.benchmark.reports.base import ReportFormat
from pytest_execgo.chaos.action import Action
from pytest_execgo.chaos.loaded_profile import LoadedFault, LoadedProfile
from pytest_execgo.errors import UsageError, unknown_name
from pytest_execgo.extensions import builtin_parts, hookspecs
from pytest_execgo.extensions.parts import (
    ACTIONS,
    ADAPTERS,
    KINDS,
    LAUNCHERS,
    REPORT_FORMATS,
    RULES,
    PartKind,
)
from pytest_execgo.harness.service import Launcher
from pytest_execgo.models.chaos import ChaosProfile, Fault
from pytest_execgo.models.document import load, parse, read_source, shown
from pytest_execgo.models.messages import Source
from pytest_execgo.verdict.codes import check_causes
from pytest_execgo.verdict.suspicion import Rule

ENTRY_POINTS = "pytest_execgo"


@dataclass(frozen=True)
class Registry:
    """Everything that can be extended, by name."""

    adapters: dict[str, Adapter]
    actions: dict[str, type[Action]]
    launchers: dict[str, Launcher]
    report_formats: dict[str, ReportFormat]
    rules: dict[str, Rule]

    @classmethod
    def build(cls, plugins: Iterable[Any] = ()) -> Registry:
        """Built-in parts, those of entry points ``pytest_execgo``, and those of ``plugins``."""
        manager = pluggy.PluginManager("pytest")
        manager.add_hookspecs(hookspecs)
        manager.register(builtin_parts)
        manager.load_setuptools_entrypoints(ENTRY_POINTS)
        for plugin in plugins:
            if not manager.is_registered(plugin):
                manager.register(plugin)
        return cls.from_hook(manager.hook)

    @classmethod
    def from_hook(cls, hook: Any) -> Registry:
        """Ask every registered plugin, the built-in parts first; raises :class:`UsageError` for a part
        that is wrong, and for two parts of one name."""
        found = {kind.hook: _collect(kind, getattr(hook, kind.hook)) for kind in KINDS}
        return cls(
            adapters=found[ADAPTERS.hook],
            actions=found[ACTIONS.hook],
            launchers=found[LAUNCHERS.hook],
            report_formats=found[REPORT_FORMATS.hook],
            rules=found[RULES.hook],
        )

    def adapter(self, name: str) -> Adapter:
        """The adapter of a framework; raises :class:`UsageError`."""
        if name not in self.adapters:
            raise UsageError(unknown_name("framework", name, self.adapters))
        return self.adapters[name]

    def load_profile(self, path: Path) -> LoadedProfile:
        """Read a profile; a misspelt action or parameter is found here, not at run time."""
        profile, source = load(ChaosProfile, path), read_source(path)
        if profile.id != path.stem:
            raise source.mistake(
                f"{profile.id!r} must equal the name of its file, {path.stem!r}; "
                "rename one of them",
                ["id"],
            )
        return self.loaded(profile, source)

    def loaded(self, profile: ChaosProfile, source: Source) -> LoadedProfile:
        """A profile with its actions; ``source`` names it in the :class:`UsageError` about a mistake."""
        faults = [
            self._load_fault(fault, index, source.part("faults", index))
            for index, fault in enumerate(profile.faults)
        ]
        check_causes(profile.causes, source.part("expected_cause"), self.rules.values())
        return LoadedProfile(profile, tuple(faults))

    def _load_fault(self, fault: Fault, position: int, source: Source) -> LoadedFault:
        action = self.actions.get(fault.action)
        if action is None:
            message = unknown_name("chaos action", fault.action, self.actions)
            raise source.mistake(message, ["action"])
        for keys, value, allowed in (
            (["target"], fault.target, action.targets),
            (["when", "phase"], fault.when.phase, action.phases),
        ):
            if value not in allowed:
                message = unknown_name(f"{'.'.join(keys)} of {fault.action}", value, allowed)
                raise source.mistake(message, keys)
        wrong = action.misplaced(fault.when)
        if wrong:
            raise source.mistake(wrong, ["when"])
        return LoadedFault(fault, parse(action, fault.params, source.part("params")), position)


def _collect(kind: PartKind, hook: pluggy.HookCaller) -> dict[str, Any]:
    """The parts of one kind by name."""
    found: dict[str, Any] = {}
    origin: dict[str, str] = {}
    implementations = sorted(hook.get_hookimpls(), key=lambda one: one.plugin is not builtin_parts)
    for implementation in implementations:
        where = f"{_place(implementation)}: {kind.hook}"
        for part in _ask(kind, implementation, where):
            name = kind.check(part, where)
            if name in found and origin[name] != where:
                raise UsageError(
                    f"{where}: the {kind.title} {name!r} exists already, from {origin[name]}; "
                    "rename one of them"
                )
            found[name], origin[name] = part, where
    return found


def _ask(kind: PartKind, implementation: pluggy.HookImpl, where: str) -> list[Any]:
    """What one hook function returns."""
    try:
        parts = implementation.function()
    except Exception as error:
        # It is code of an extension's author: whatever it raises is a mistake to report in one line.
        raise UsageError(f"{where}: raised {type(error).__name__}: {error}") from None
    if not isinstance(parts, (list, tuple)):
        what = "classes" if kind.classes else "instances"
        raise UsageError(f"{where}: returned {parts!r}; return a list of {what}")
    return list(parts)


def _place(implementation: pluggy.HookImpl) -> str:
    """The file of a hook function, for messages."""
    file = inspect.getsourcefile(implementation.function)
    return shown(Path(file)) if file else str(implementation.plugin_name)
