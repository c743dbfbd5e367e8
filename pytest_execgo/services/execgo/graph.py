"""Reading a submitted graph: shape, validation in ExecGo's order and words, normalisation."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

TYPES = ("cli-skills", "mcp", "os", "runtime")
LEGACY_TYPES = ("shell", "file", "http", "dns", "tcp", "sleep", "noop")
ABSENT: Any = object()

_ESCAPES = {7: "a", 8: "b", 12: "f", 10: "n", 13: "r", 9: "t", 11: "v", 34: '"', 92: "\\"}


class GraphError(Exception):
    """The text of a 400 answer."""


@dataclass
class TaskSpec:
    """What a client said about one task, after normalisation. ``ABSENT`` payloads were not given."""

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

    @property
    def payload(self) -> Any:
        """``input`` if it was given, else ``params``, else ``ABSENT``."""
        return self.params if self.input is ABSENT else self.input


def read_graph(body: bytes) -> list[TaskSpec]:
    """The validated and normalised tasks of a ``POST /tasks`` body; raises :class:`GraphError`."""
    tasks = [_spec(item, index) for index, item in enumerate(_tasks_of(_decode(body)))]
    _validate(tasks)
    for task in tasks:
        _normalise(task)
    return tasks


def _decode(body: bytes) -> Any:
    text = body.decode("utf-8", "replace").lstrip(" \t\r\n")
    if not text:
        raise GraphError("invalid JSON: EOF")
    try:
        value, _ = json.JSONDecoder(strict=True).raw_decode(text)
    except json.JSONDecodeError as error:
        if error.pos >= len(text.rstrip()):
            raise GraphError("invalid JSON: unexpected EOF") from None
        raise GraphError(f"invalid JSON: {error.msg} at offset {error.pos}") from None
    except RecursionError:
        raise GraphError("invalid JSON: exceeded max depth") from None
    return value


def _tasks_of(value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, dict):
        raise GraphError(
            f"invalid JSON: json: cannot unmarshal {_kind(value)} into Go value of type "
            "models.TaskGraph"
        )
    tasks = _members(value).get("tasks")
    if tasks is None:
        return []
    if not isinstance(tasks, list):
        raise GraphError(
            f"invalid JSON: json: cannot unmarshal {_kind(tasks)} into Go struct field "
            "TaskGraph.tasks of type []*models.Task"
        )
    return tasks


def _members(value: dict[str, Any]) -> dict[str, Any]:
    """Members by lower-case name: ExecGo's decoder does not mind case; the last one wins."""
    return {name.lower(): item for name, item in value.items()}


_FIELDS: dict[str, tuple[type, str]] = {
    "id": (str, "string"),
    "type": (str, "string"),
    "tool_name": (str, "string"),
    "execution_category": (str, "string"),
    "depends_on": (list, "[]string"),
    "retry": (int, "int"),
    "timeout": (int, "int64"),
    "annotations": (dict, "map[string]string"),
}


def _spec(item: Any, index: int) -> TaskSpec:
    where = f"TaskGraph.tasks.{index}"
    if not isinstance(item, dict):
        # The real engine crashes the request on null here; a plain 400 serves its users better.
        raise GraphError(
            f"invalid JSON: json: cannot unmarshal {_kind(item)} into Go struct field {where} "
            "of type models.Task"
        )
    given = _members(item)
    values: dict[str, Any] = {"id": "", "type": ""}
    for name, (kind, go_type) in _FIELDS.items():
        value = given.get(name)
        if value is None:
            continue
        if not isinstance(value, kind) or isinstance(value, bool):
            raise _type_error(value, f"{where}.{name}", go_type)
        values[name] = value
    for name in ("depends_on", "annotations"):
        _check_strings(values.get(name), f"{where}.{name}")
    for name in ("params", "input"):
        if name in given:
            values[name] = given[name]
    return TaskSpec(**values)


def _check_strings(value: Any, where: str) -> None:
    items: Iterable[Any] = value.values() if isinstance(value, dict) else value or ()
    for item in items:
        if not isinstance(item, str):
            raise _type_error(item, where, "string")


def _type_error(value: Any, where: str, go_type: str) -> GraphError:
    kind = _kind(value)
    if isinstance(value, float):
        kind = f"number {value}"
    return GraphError(
        f"invalid JSON: json: cannot unmarshal {kind} into Go struct field {where} "
        f"of type {go_type}"
    )


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "bool", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "number")


def _validate(tasks: list[TaskSpec]) -> None:
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
    for task in tasks:
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


def _normalise(task: TaskSpec) -> None:
    if task.type in TYPES or task.type.strip() not in LEGACY_TYPES:
        return
    task.tool_name, task.execution_category, task.type = task.type, "os", "os"
    if task.input is ABSENT:
        task.input = task.params


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
