"""``/adapters/*``: translates the actions of agents into tasks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from time import time_ns
from typing import Any

from pytest_execgo.emulators.execgo import graph
from pytest_execgo.emulators.execgo.gojson import (
    JsonError,
    RawFloat,
    Shape,
    clean,
    decode,
    kind,
    members,
    read_members,
    read_struct,
)
from pytest_execgo.emulators.execgo.graph import ABSENT, GraphError, TaskSpec, quote
from pytest_execgo.emulators.execgo.store import Record

SCHEMA = "adapter.v1"
PROFILES = ["generic", "claudecode", "codex", "openclaw"]
OS_TOOLS = ("shell", "file", "http", "dns", "tcp", "sleep", "noop")
ALIASES = {
    "os.shell": ["shell", "bash", "terminal.command"],
    "os.file": ["file.read", "file.write"],
    "os.http": ["http.request"],
    "runtime.command": ["command"],
    "runtime.script": ["script"],
}
_SHORT = {tool: f"os.{tool}" for tool in ("noop", "dns", "tcp", "sleep")}
_BY_ALIAS = {alias: name for name, aliases in ALIASES.items() for alias in aliases} | _SHORT
KINDS = [f"os.{tool}" for tool in OS_TOOLS] + [
    "runtime.command",
    "runtime.script",
    "mcp.call",
    "cli.run",
    "task_graph.submit",
]
_CATEGORIES = {"mcp.call": "mcp", "cli.run": "cli-skills", "task_graph.submit": "task-dsl"}

CAPABILITIES = {
    "schema_version": SCHEMA,
    "profiles": PROFILES,
    "action_kinds": KINDS,
    "compatibility_notes": ["The embedded engine of pytest-execgo; speaks ExecGo's HTTP contract."],
}


def _tool(name: str) -> dict[str, Any]:
    category = _CATEGORIES.get(name, name.partition(".")[0])
    tool = {
        "name": f"execgo.{name}",
        "action_kind": name,
        "category": category,
        "description": f"One task of kind {name}.",
        "input_schema": {"type": "object"},
    }
    return {**tool, "aliases": ALIASES[name]} if name in ALIASES else tool


TOOLS = {"schema_version": SCHEMA, "tools": [_tool(name) for name in KINDS]}

_REQUEST = Shape(
    "adapter.AgentActionRequest",
    {
        "adapter": (str, "string"),
        "agent_id": (str, "string"),
        "session_id": (str, "string"),
        "action_id": (str, "string"),
        "metadata": (dict, "map[string]string"),
        "action": (dict, "adapter.AgentAction"),
    },
)
_ACTION = Shape(
    "adapter.AgentAction",
    {
        "kind": (str, "string"),
        "tool_name": (str, "string"),
        "depends_on": (list, "[]string"),
        "retry": (int, "int"),
        "timeout": (int, "int64"),
    },
)


@dataclass(frozen=True)
class Translation:
    """The tasks of an action, and the trace of the translation."""

    specs: list[TaskSpec]
    trace: dict[str, Any]


class ActionError(Exception):
    """An invalid action; the text goes into a 400 answer."""


@dataclass(frozen=True)
class _Action:
    """A decoded action."""

    envelope: dict[str, Any]
    fields: dict[str, Any]
    payload: Any
    name: str

    @property
    def adapter(self) -> str:
        return str(self.envelope.get("adapter", "")).strip().lower() or "generic"

    @property
    def action_id(self) -> str:
        return str(self.envelope.get("action_id", "")).strip()

    def metadata(self) -> dict[str, str]:
        """The client's metadata: trimmed, without empty names and texts."""
        given = self.envelope.get("metadata", {})
        pairs = {name.strip(): text.strip() for name, text in given.items()}
        return {name: text for name, text in pairs.items() if name and text}

    def annotations(self) -> dict[str, str]:
        """The metadata and the fixed names, which win; sorted."""
        ids = {
            name: str(self.envelope.get(name, "")).strip()
            for name in ("agent_id", "session_id", "action_id")
        }
        fixed = {"adapter_schema": SCHEMA, "adapter": self.adapter, "action_kind": self.name}
        found = {**self.metadata(), **fixed, **{name: text for name, text in ids.items() if text}}
        return dict(sorted(found.items()))


def translate(body: bytes) -> Translation:
    """The tasks of an action, not submitted yet; raises :class:`ActionError`."""
    action = _read(body)
    submits = action.name == "task_graph.submit"
    specs = _graph(action.payload) if submits else [_task(action)]
    try:
        graph.validate(specs)
    except GraphError as error:
        raise _invalid(str(error)) from None
    envelope = action.envelope
    # A map in Go: its keys are in alphabetical order.
    trace = {
        "action_id": envelope.get("action_id", ""),
        "adapter": action.adapter,
        "agent_id": envelope.get("agent_id", ""),
        "normalized_kind": action.name,
        "schema_version": SCHEMA,
        "session_id": envelope.get("session_id", ""),
        "source_kind": str(action.fields.get("kind", "")).strip(),
        "task_ids": [spec.id for spec in specs],
    }
    return Translation(specs, trace)


def _invalid(text: str) -> ActionError:
    return ActionError(f"invalid adapter action: {text}")


def _read(body: bytes) -> _Action:
    try:
        value = decode(body.decode("utf-8", "replace"))
        envelope = read_struct(value, _REQUEST)
        raw = envelope.get("action", {})
        fields = read_members(raw, _ACTION, "AgentActionRequest.action")
    except JsonError as error:
        raise ActionError(f"invalid JSON: {error}") from None
    source = fields.get("kind", "").strip()
    name = _BY_ALIAS.get(source.lower(), source.lower())
    if not name:
        raise _invalid("action.kind is required")
    if name not in KINDS:
        raise _invalid(f"unknown action kind {quote(source)}")
    given = members(raw)
    payload = clean(given["input"]) if "input" in given else ABSENT
    return _Action(envelope, fields, payload, name)


def _task(action: _Action) -> TaskSpec:
    fields, name = action.fields, action.name
    spec = TaskSpec(
        id=action.action_id or f"adapter-{time_ns()}",
        type="os",
        input=action.payload,
        depends_on=fields.get("depends_on", []),
        retry=fields.get("retry", 0),
        timeout=fields.get("timeout", 0),
        annotations=action.annotations(),
    )
    if name.startswith("os."):
        spec.tool_name, spec.execution_category = name.removeprefix("os."), "os"
        source = fields["kind"].strip().lower()
        if source in ("file.read", "file.write"):
            content = _object(action)
            spec.input = {"action": source.removeprefix("file."), **content}
            spec.input = dict(sorted(spec.input.items()))
    elif name.startswith("runtime."):
        spec.type = spec.execution_category = "runtime"
        spec.input = _runtime_input(action, spec)
    elif name == "mcp.call":
        spec.type = spec.execution_category = "mcp"
        spec.tool_name = fields.get("tool_name", "").strip() or _tool_name(_object(action))
        if not spec.tool_name:
            raise _invalid("tool_name is required for mcp.call")
    else:
        spec.type = spec.execution_category = "cli-skills"
        spec.tool_name = "cli.run"
    return spec


def _too_large(value: Any) -> RawFloat | None:
    """The first number in ``value`` that Go cannot keep as a ``float64``."""
    if isinstance(value, RawFloat) and math.isinf(value):
        return value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((found for item in inner if (found := _too_large(item)) is not None), None)


def _through_map(value: Any) -> Any:
    """``value`` as it leaves a map of Go, in which every number is a ``float64``."""
    if isinstance(value, dict):
        return {name: _through_map(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_through_map(item) for item in value]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    number = float(value)
    # Go writes a whole number without a fraction, up to 1e21 without an exponent.
    return int(Decimal(repr(number))) if number.is_integer() and abs(number) < 1e21 else number


def _object(action: _Action) -> dict[str, Any]:
    payload = action.payload
    number = _too_large(payload)
    if number is not None:
        raise _invalid(
            "input must be a JSON object: json: cannot unmarshal number "
            f"{number.raw} into Go value of type float64"
        )
    if payload is ABSENT or payload is None:
        return {}
    if not isinstance(payload, dict):
        word = kind(payload).split()[0]
        raise _invalid(
            f"input must be a JSON object: json: cannot unmarshal {word} into Go value of type "
            "map[string]interface {}"
        )
    found: dict[str, Any] = _through_map(payload)
    return found


def _tool_name(payload: Any) -> str:
    found = payload.get("tool_name") if isinstance(payload, dict) else None
    return found if isinstance(found, str) else ""


def _runtime_input(action: _Action, spec: TaskSpec) -> dict[str, Any]:
    given = _object(action)
    word = action.name.removeprefix("runtime.")
    execution = given.get("execution")
    if isinstance(execution, dict):
        execution = {"kind": word, **execution}
    else:
        execution = _execution(action.name, word, given)
    named = given.get("task_id")
    if not action.action_id and isinstance(named, str) and named.strip():
        spec.id = named.strip()
    metadata = given.get("metadata")
    strings = metadata.items() if isinstance(metadata, dict) else ()
    built = {
        "task_id": spec.id,
        "execution": dict(sorted(execution.items())),
        "metadata": dict(
            sorted(
                {
                    **{name: text for name, text in strings if isinstance(text, str)},
                    **action.metadata(),
                    **spec.annotations,
                }.items()
            )
        ),
    }
    for name in ("limits", "sandbox", "policy", "control_context"):
        if name in given:
            built[name] = given[name]
    return dict(sorted(built.items()))


def _execution(name: str, word: str, given: dict[str, Any]) -> dict[str, Any]:
    main = "program" if word == "command" else "script"
    text = given.get(main)
    if not isinstance(text, str) or not text.strip():
        raise _invalid(f"input.{main} is required for {name}")
    execution: dict[str, Any] = {"kind": word, main: text.strip()}
    listed = "args" if word == "command" else "interpreter"
    items = given.get(listed)
    if isinstance(items, list) and all(isinstance(item, str) for item in items):
        execution[listed] = items
    env = given.get("env")
    if isinstance(env, dict):
        strings = {key: item for key, item in env.items() if isinstance(item, str)}
        if strings:
            execution["env"] = strings
    return execution


def _graph(payload: Any) -> list[TaskSpec]:
    if payload is ABSENT or payload is None:
        raise _invalid("input is required for task_graph.submit")
    if not isinstance(payload, dict):
        word = kind(payload).split()[0]
        raise _invalid(
            f"parse task graph input: json: cannot unmarshal {word} into Go value of type "
            "struct { Tasks, TaskGraph }"
        )
    given = members(payload)
    source = given.get("task_graph")
    if source is None and given.get("tasks") is None:
        raise _invalid("input must contain tasks or task_graph")
    try:
        items = graph.tasks_of(payload if source is None else source, "models.TaskGraph")
        return graph.task_specs(items)
    except JsonError as error:
        raise _invalid(f"parse task graph input: {error}") from None


def untouched(spec: TaskSpec) -> str:
    """A translated task as JSON, without state and with zero times."""
    zero = "0001-01-01T00:00:00Z"
    return Record(spec, zero, zero, status="").text()
