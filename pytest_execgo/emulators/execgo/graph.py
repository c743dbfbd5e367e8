"""Reads a submitted graph: types, rules in the order and with the messages of ExecGo, normalisation."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from pytest_execgo.emulators.execgo.gojson import (
    JsonError,
    Shape,
    decode,
    kind,
    members,
    raw_payloads,
    read_members,
    type_error,
)

TYPES = ("cli-skills", "mcp", "os", "runtime")
LEGACY_TYPES = ("shell", "file", "http", "dns", "tcp", "sleep", "noop")
ABSENT: Any = object()
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")

_ESCAPES = {7: "a", 8: "b", 12: "f", 10: "n", 13: "r", 9: "t", 11: "v", 34: '"', 92: "\\"}


class GraphError(Exception):
    """An invalid graph; the text goes into a 400 answer."""


@dataclass
class TaskSpec:
    """One task of a client, after normalisation. A missing payload is ``ABSENT``."""

    id: str
    type: str
    params: Any = ABSENT
    input: Any = ABSENT
    tool_name: str = ""
    execution_category: str = ""
    depends_on: list[str] = field(default_factory=list)
    retry: int = 0
    timeout: int = 0
    annotations: dict[str, str] = field(default_factory=dict)
    # The payloads in their original spelling, for answers.
    raw_params: str | None = None
    raw_input: str | None = None

    @property
    def payload(self) -> Any:
        """``input`` if present, else ``params``, else ``ABSENT``."""
        return self.params if self.input is ABSENT else self.input


_TASK = Shape(
    "models.Task",
    {
        "id": (str, "string"),
        "type": (str, "string"),
        "tool_name": (str, "string"),
        "execution_category": (str, "string"),
        "depends_on": (list, "[]string"),
        "retry": (int, "int"),
        "timeout": (int, "int64"),
        "annotations": (dict, "map[string]string"),
    },
)


def read_graph(body: bytes) -> list[TaskSpec]:
    """The validated and normalised tasks of a ``POST /tasks`` body; raises :class:`GraphError`."""
    text = body.decode("utf-8", "replace")
    try:
        specs = task_specs(tasks_of(decode(text), "models.TaskGraph"))
    except JsonError as error:
        raise GraphError(f"invalid JSON: {error}") from None
    for spec, raw in zip(specs, raw_payloads(text), strict=False):
        spec.raw_params, spec.raw_input = raw.get("params"), raw.get("input")
    validate(specs)
    for spec in specs:
        check_type(spec)
        normalise(spec)
    return specs


def tasks_of(value: Any, go_type: str) -> list[Any]:
    """The list of tasks of a graph object; an absent or null list is empty."""
    if value is None:
        return []
    if not isinstance(value, dict):
        word = kind(value).split()[0]
        raise JsonError(f"json: cannot unmarshal {word} into Go value of type {go_type}")
    tasks = members(value).get("tasks")
    if tasks is None:
        return []
    if not isinstance(tasks, list):
        raise type_error(tasks, "TaskGraph.tasks", "[]*models.Task")
    return tasks


def task_specs(items: list[Any]) -> list[TaskSpec]:
    """The tasks before normalisation; raises :class:`JsonError`."""
    return [_spec(item, index) for index, item in enumerate(items)]


def _spec(item: Any, index: int) -> TaskSpec:
    where = f"TaskGraph.tasks.{index}"
    if not isinstance(item, dict):
        # For null, the real engine drops the connection. A 400 answer is more useful.
        word = kind(item).split()[0]
        raise JsonError(f"json: cannot unmarshal {word} into {where} of type models.Task")
    values: dict[str, Any] = {"id": "", "type": "", **read_members(item, _TASK, where)}
    given = members(item)
    for name in ("created_at", "updated_at"):
        # Its value is replaced at submission, but it must be a time.
        text = given.get(name)
        if isinstance(text, str) and not _TIME.match(text):
            layout = "2006-01-02T15:04:05Z07:00"
            raise JsonError(
                f'parsing time {quote(text)} as "{layout}": cannot parse {quote(text)} as "2006"'
            )
    for name in ("params", "input"):
        if name in given:
            values[name] = given[name]
    return TaskSpec(**values)


def validate(tasks: list[TaskSpec]) -> None:
    """Check the rules of a graph in ExecGo's order; raises :class:`GraphError`."""
    if not tasks:
        raise GraphError("task graph is empty")
    ids: set[str] = set()
    for task in tasks:
        if not task.id:
            raise GraphError("task id is required")
        if not task.type:
            raise GraphError(f"task {quote(task.id)}: type is required")
        if task.id in ids:
            raise GraphError(f"duplicate task id: {quote(task.id)}")
        ids.add(task.id)
    for task in tasks:
        for dep in task.depends_on:
            if dep not in ids:
                raise GraphError(f"task {quote(task.id)} depends on unknown task {quote(dep)}")
            if dep == task.id:
                raise GraphError(f"task {quote(task.id)} cannot depend on itself")
    if _has_cycle(tasks):
        raise GraphError("cycle detected in task graph")


def check_type(task: TaskSpec) -> None:
    """Raise :class:`GraphError` for a type without an executor."""
    name = task.type if task.type in TYPES else task.type.strip()
    if name not in TYPES and name not in LEGACY_TYPES:
        raise GraphError(f"unknown task type: {task.type} (available: {', '.join(TYPES)})")


def _has_cycle(tasks: list[TaskSpec]) -> bool:
    waiting = {task.id: len(set(task.depends_on)) for task in tasks}
    children: dict[str, list[str]] = {task.id: [] for task in tasks}
    for task in tasks:
        for dep in set(task.depends_on):
            children[dep].append(task.id)
    ready = [name for name, count in waiting.items() if not count]
    done = 0
    while ready:
        done += 1
        for child in children[ready.pop()]:
            waiting[child] -= 1
            if not waiting[child]:
                ready.append(child)
    return done < len(tasks)


def normalise(task: TaskSpec) -> None:
    """Turn a legacy type into a tool of type ``os``; other tasks stay unchanged."""
    if task.type in TYPES or task.type.strip() not in LEGACY_TYPES:
        return
    task.tool_name, task.execution_category, task.type = task.type, "os", "os"
    if task.input is ABSENT:
        task.input, task.raw_input = task.params, task.raw_params


def quote(text: str) -> str:
    """``text`` quoted like a Go string."""
    out = []
    for char in text:
        code = ord(char)
        if code in _ESCAPES:
            out.append("\\" + _ESCAPES[code])
        elif code < 0x20 or code == 0x7F:
            out.append(f"\\x{code:02x}")
        elif char.isprintable():
            out.append(char)
        else:
            out.append(f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
    return '"' + "".join(out) + '"'
