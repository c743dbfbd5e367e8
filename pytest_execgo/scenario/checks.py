"""Evaluates the checks of a scenario on the results of a trial."""

from __future__ import annotations

import copy
import hashlib
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pytest_execgo.files.reading import FileProblem, read_bounded
from pytest_execgo.files.workspace import LARGEST_FILE, open_inside, sha256_inside
from pytest_execgo.models.document import read_data
from pytest_execgo.models.events import CheckEvaluated
from pytest_execgo.models.path import NoJson, PathError, search
from pytest_execgo.models.plan import StandardPlan
from pytest_execgo.models.shorten import shortened
from pytest_execgo.scenario import differences
from pytest_execgo.scenario.conformity import SchemaFailure, nonconformity
from pytest_execgo.scenario.manifest import (
    FileCheck,
    JsonSchemaCheck,
    PythonCheck,
    Scenario,
    TaskCheck,
    ValueCheck,
)
from pytest_execgo.scenario.matching import Matcher, MatchProblem

# Of each value in the record of a check, in characters of its JSON text.
_LONGEST_VALUE = 20_000


@dataclass(frozen=True)
class TrialView:
    """The results of a trial, as checks see them.

    ``tasks`` maps task ids of the plan to the last task objects of ExecGo; a task that was never
    submitted is absent. ``workspace`` is the trial's copy of the workspace, after the tasks.
    """

    plan: StandardPlan
    tasks: Mapping[str, Mapping[str, Any]]
    workspace: Path
    input: Mapping[str, Any] = field(default_factory=dict)

    def value(self, task: str, path: str) -> Any:
        """The value at a source path (JMESPath) in a task; ``None`` if there is none."""
        return search(path, self.tasks.get(task))

    def started(self, task: str) -> datetime:
        """When the task started, as ExecGo reports it (``runtime.started_at``)."""
        return self._time(task, "started_at")

    def finished(self, task: str) -> datetime:
        """When the task ended, as ExecGo reports it (``runtime.finished_at``)."""
        return self._time(task, "finished_at")

    def _time(self, task: str, member: str) -> datetime:
        text = (self.tasks.get(task) or {}).get("runtime", {}).get(member)
        if text is None:
            raise AssertionError(f"task {task} has no runtime.{member}")
        return datetime.fromisoformat(text)


@dataclass(frozen=True)
class _Finding:
    ok: bool
    message: str
    expected: Any = None
    got: Any = None
    raised: bool = False
    diff: tuple[str, ...] = ()


def evaluate(scenario: Scenario, view: TrialView) -> Iterator[CheckEvaluated]:
    """One event per check, in order. An exception in a check becomes an event with ``raised``."""
    for index, check in enumerate(scenario.manifest.checks):
        try:
            finding = _EVALUATORS[type(check)](check, scenario, view)
        except PathError as error:
            assert isinstance(check, (ValueCheck, JsonSchemaCheck, PythonCheck))
            finding = _Finding(False, _no_value(check, view, error))
        except MatchProblem as error:
            assert isinstance(check, (ValueCheck, JsonSchemaCheck))
            finding = _Finding(False, f"task {check.task}: {check.path}: {error}")
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            # A check of the user may raise anything, also SystemExit and pytest.skip(), which do not
            # derive from Exception. The record of the trial must survive it.
            where = _line_in(scenario.folder, error)
            finding = _Finding(False, f"raised {_described(error)}{where}", raised=True)
        yield CheckEvaluated(
            index=index,
            kind=check.kind,
            ok=finding.ok,
            message=shortened(finding.message, _LONGEST_VALUE),
            expected=shortened(finding.expected, _LONGEST_VALUE),
            got=shortened(finding.got, _LONGEST_VALUE),
            task=getattr(check, "task", None),
            raised=finding.raised,
            diff=finding.diff,
        )


def _no_value(
    check: ValueCheck | JsonSchemaCheck | PythonCheck, view: TrialView, error: PathError
) -> str:
    """Why a check has no value to look at."""
    if isinstance(check, PythonCheck):
        return f"{check.callable}: {error}"
    status = view.tasks[check.task].get("status")
    if status != "success":
        return f"task {check.task} has no output: it ended as {status}"
    if isinstance(error, NoJson):
        return error.of_task(check.task, check.path)
    return f"task {check.task}: {error}"


def _line_in(folder: Path, error: BaseException) -> str:
    """Where in the user's files an exception was raised, as `` (checks.py:4)``; empty if elsewhere."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(folder)]
    return f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""


def _task(check: TaskCheck, scenario: Scenario, view: TrialView) -> _Finding:
    task = view.tasks.get(check.task)
    got = task.get("status") if task else "never submitted"
    message = f"task {check.task}: expected {check.status}, got {got}"
    return _Finding(got == check.status, message, check.status, got)


def _value(check: ValueCheck, scenario: Scenario, view: TrialView) -> _Finding:
    if check.task not in view.tasks:
        return _Finding(False, f"task {check.task} has no result: it was never submitted")
    got = view.value(check.task, check.path)
    for name in check.model_fields_set & set(_COMPARE):
        expected = getattr(check, name)
        if name == "equals_file":
            expected = read_data(scenario.folder / expected)
        if not _COMPARE[name](got, expected):
            where = f"task {check.task}: {check.path}"
            message = f"{where}: expected {_WORDS[name]}{_short(expected)}, got {_short(got)}"
            equal = _COMPARE[name] is _same
            diff = differences.of_values(expected, got) if equal else ()
            if diff:
                source = check.equals_file if name == "equals_file" else "the expected value"
                message = f"{where} differs from {source}"
            return _Finding(False, message, expected, got, diff=diff)
    return _Finding(True, f"task {check.task}: {check.path} is as expected", got=got)


def _contains(got: Any, expected: Any) -> bool:
    if isinstance(got, str):
        return isinstance(expected, str) and expected in got
    if isinstance(got, dict):
        return isinstance(expected, str) and expected in got
    return isinstance(got, list) and any(_same(item, expected) for item in got)


def _matches(pattern: str, text: str) -> bool:
    with Matcher() as matcher:
        return matcher.found(pattern, text)


def _number(got: Any) -> bool:
    return isinstance(got, (int, float)) and not isinstance(got, bool)


def _same(got: Any, expected: Any) -> bool:
    """Whether the values are equal; ``true`` and ``1`` are not."""
    if isinstance(got, bool) or isinstance(expected, bool):
        return got is expected
    if isinstance(got, dict) and isinstance(expected, dict):
        return got.keys() == expected.keys() and all(_same(got[k], expected[k]) for k in got)
    if isinstance(got, list) and isinstance(expected, list):
        return len(got) == len(expected) and all(map(_same, got, expected))
    return bool(got == expected)


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "equals": _same,
    "equals_file": _same,
    "at_least": lambda got, expected: _number(got) and got >= expected,
    "at_most": lambda got, expected: _number(got) and got <= expected,
    "contains": _contains,
    "matches": lambda got, expected: isinstance(got, str) and _matches(expected, got),
}
_WORDS = {
    "equals": "",
    "equals_file": "",
    "at_least": "at least ",
    "at_most": "at most ",
    "contains": "to contain ",
    "matches": "to match ",
}


def _json_schema(check: JsonSchemaCheck, scenario: Scenario, view: TrialView) -> _Finding:
    if check.task not in view.tasks:
        return _Finding(False, f"task {check.task} has no result: it was never submitted")
    got = view.value(check.task, check.path)
    schema = read_data(scenario.folder / check.schema_file)
    try:
        error = nonconformity(schema, got)
    except SchemaFailure as failure:
        return _Finding(False, f"{check.schema_file} cannot be used: {failure}", raised=True)
    if error is None:
        return _Finding(True, f"task {check.task}: {check.path} matches {check.schema_file}")
    message = f"task {check.task}: {check.path}: at {error.path}: {error.message}"
    return _Finding(False, message, check.schema_file, got)


def _file(check: FileCheck, scenario: Scenario, view: TrialView) -> _Finding:
    if check.absent:
        absent = not os.path.lexists(view.workspace / check.path)
        return _Finding(absent, f"{check.path}: expected to be absent")
    try:
        got = sha256_inside(view.workspace, check.path)
    except FileProblem as problem:
        return _Finding(False, f"{check.path}: {problem}")
    if got is None:
        return _Finding(False, f"{check.path}: no such file in the workspace", "a file", None)
    expected = check.sha256
    if check.equals_file:
        golden = read_bounded(scenario.folder / check.equals_file, LARGEST_FILE)
        expected = hashlib.sha256(golden).hexdigest()
        if got != expected:
            with open_inside(view.workspace, check.path) as file:
                size = os.fstat(file.fileno()).st_size
                diff = differences.of_files(golden, file.read(differences.LARGEST_TEXT), size)
            message = f"{check.path} differs from {check.equals_file}"
            return _Finding(False, message, expected, got, diff=diff)
    if expected is not None and got != expected:
        message = f"{check.path}: expected sha256 {expected[:12]}…, got {got[:12]}…"
        return _Finding(False, message, expected, got)
    return _Finding(True, f"{check.path} is as expected", expected, got)


def _python(check: PythonCheck, scenario: Scenario, view: TrialView) -> _Finding:
    module, _, name = check.callable.partition(":")
    file = scenario.folder / f"{module}.py"
    function = getattr(_module(file), name)
    try:
        # A copy, so that a check cannot change the tasks for the next check.
        answer = function(replace(view, tasks=copy.deepcopy(dict(view.tasks))))
    except AssertionError as error:
        where = _line_in(scenario.folder, error)
        return _Finding(False, f"{check.callable}: {error or 'assertion failed'}{where}")
    if inspect.isgenerator(answer) or inspect.iscoroutine(answer):
        raise TypeError(f"{check.callable} is a generator or coroutine, so its code did not run")
    if answer is False:
        return _Finding(False, f"{check.callable} returned False")
    return _Finding(True, f"{check.callable} passed")


def _module(path: Path) -> Any:
    """The user's module, executed again for each check, so that trials share no state.

    Its asserts hold also under ``python -O``.
    """
    name = f"_execgo_checks_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and pickle look up the module by its name.
    sys.modules[name] = module
    source = importlib.util.decode_source(path.read_bytes())
    exec(compile(source, str(path), "exec", dont_inherit=True, optimize=0), vars(module))
    return module


def _described(error: BaseException) -> str:
    """Class and text of an exception; the class alone if its text raises."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else text[:197] + "..."


_EVALUATORS: dict[type, Callable[[Any, Scenario, TrialView], _Finding]] = {
    TaskCheck: _task,
    ValueCheck: _value,
    JsonSchemaCheck: _json_schema,
    FileCheck: _file,
    PythonCheck: _python,
}
