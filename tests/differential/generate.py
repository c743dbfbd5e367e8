"""Requests for ExecGo and for a runtime, generated from a seed: legal ones, and broken variants.

Every request stands alone, so that both sides can be compared one by one. ``ID`` in a request stands for
an id that no other request has.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

ID = "ID"
JSON = "application/json"
NUMBERS = [
    "0", "-1", "1.0", "1e3", "1E3", "-0", "0.1", "9007199254740993", "9223372036854775808",
    "18446744073709551615", "18446744073709551616", "1e21", "123456789012345678901234567890", "1e400",
]  # fmt: skip
VALUES = [
    "null", "true", '""', '"  "', '"x"', '"\\u0000"', '"\\ud800"', '"ü😀"', "[]", "{}", '["a"]', "[1]",
    '{"a": 1}', '{"a": "b"}', '{"": "b"}', '{"a=b": "c"}', *NUMBERS,
]  # fmt: skip


@dataclass(frozen=True)
class Sent:
    """One request. ``body`` is text, because JSON with strange numbers has no other form."""

    method: str
    path: str
    body: str | None = None
    content_type: str | None = JSON


RUNTIME_TASK: dict[str, Any] = {
    "task_id": ID,
    "execution": {"kind": "command", "program": "/bin/true", "args": ["a"], "env": {"A": "b"}},
    "limits": {
        "wall_time_ms": 5000, "cpu_time_sec": 5, "memory_bytes": 100_000_000,
        "stdout_max_bytes": 100, "stderr_max_bytes": 100,
    },
    "sandbox": {"profile": "process", "workspace_subdir": "a/b", "chroot": False},
    "policy": {"capability_mode": "adaptive"},
    "control_context": {
        "control_plane_mode": "m", "tenant": "t", "owner": "o", "expected_runtime_profile": "p",
        "requires_strict_sandbox": False, "requires_resource_reservation": False,
        "labels": {"a": "b"},
    },
    "metadata": {"a": "b"},
}  # fmt: skip
SCRIPT: dict[str, Any] = {
    "task_id": ID,
    "execution": {"kind": "script", "script": "true", "interpreter": ["/bin/sh"]},
}
ACTIONS: list[dict[str, Any]] = [
    {"kind": "os.shell", "input": {"command": "true", "timeout": 1.0}},
    {
        "kind": "runtime.command",
        "input": {"program": "/bin/echo", "args": ["a"], "env": {"A": "b"}},
    },
    {"kind": "runtime.script", "input": {"script": "true", "interpreter": ["sh"]}},
    {"kind": "file.read", "input": {"path": "/x"}},
    {"kind": "http.request", "input": {"url": "http://127.0.0.1:9/", "headers": {"A": "b"}}},
    {"kind": "mcp.call", "tool_name": "t", "input": {"n": 1}},
    {"kind": "cli.run", "input": {"command": "true"}},
    {"kind": "noop", "retry": 1, "timeout": 100, "depends_on": []},
    {"kind": "sleep", "input": {"duration_ms": 1}},
]
GRAPHS: list[dict[str, Any]] = [
    {"tasks": [{"id": ID, "type": "noop", "params": {"a": 1}, "retry": 0, "timeout": 100}]},
    {"tasks": [{"id": ID, "type": "noop"}, {"id": f"{ID}-b", "type": "noop", "depends_on": [ID]}]},
    {"tasks": [{"id": ID, "type": "os", "tool_name": "noop", "input": {"a": [1, 2]}}]},
    {"tasks": [{"id": ID, "type": "mcp", "tool_name": "t", "input": {"a": {"b": 1}}}]},
]
PATHS = ["/", "/nowhere", "/tasks/", "/tasks//x", "/tasks/%2F", "/tasks/%zz", "/tasks/a%20b",
         "/TASKS", "/health?x", "/api/v1/tasks", "/api/v1/tasks/", "/api/v1/tasks/no",
         "/healthz",
         "/api/v1/tasks/no/kill", "/api/v1/tasks/no/events", "/api/v1/runtime/nowhere"]  # fmt: skip
TYPES = [None, "", "text/plain", "application/json; charset=utf-8", "APPLICATION/JSON",
         "application/jsonx",
         "application/vnd.api+json", "text/plain;x=json", "application/json, text/plain"]  # fmt: skip
TEXTS = [
    "",
    " ",
    "{",
    "[]",
    "null",
    "1",
    '"x"',
    '{"a":1}{"b":2}',
    '{"a":1} x',
    "\ufeff{}",
    "[" * 300,
]


def requests(service: str, seed: int) -> Iterator[Sent]:
    """An endless series of requests for ``execgo`` or ``runtime``."""
    rng = random.Random(f"{service}:{seed}")
    makers = _RUNTIME if service == "runtime" else _EXECGO
    while True:
        yield rng.choice(makers)(rng)


def _variant(rng: random.Random, document: dict[str, Any]) -> str:
    """The JSON text of a document in which up to two members have another value, or are missing."""
    document = copy.deepcopy(document)
    marks: dict[str, str] = {}
    for number in range(rng.choice((0, 1, 1, 1, 2))):
        if not document:
            break
        holder, key = rng.choice(list(_places(document)))
        if rng.random() < 0.2 and isinstance(holder, dict):
            del holder[key]
        else:
            mark = f"@{number}@"
            holder[key] = mark
            marks[f'"{mark}"'] = rng.choice(VALUES)
    if rng.random() < 0.1:
        document["unknown"] = {"x": 1}
    text = json.dumps(document)
    for mark, value in marks.items():
        text = text.replace(mark, value)
    return text


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield value, key
        if isinstance(inner, (dict, list)):
            yield from _places(inner)


def _submission(rng: random.Random) -> Sent:
    return Sent("POST", "/api/v1/tasks", _variant(rng, rng.choice((RUNTIME_TASK, SCRIPT))))


def _graph(rng: random.Random) -> Sent:
    return Sent("POST", "/tasks", _variant(rng, rng.choice(GRAPHS)))


def _translation(rng: random.Random) -> Sent:
    envelope = {"action_id": ID, "adapter": "codex", "action": rng.choice(ACTIONS)}
    return Sent("POST", "/adapters/translate", _variant(rng, envelope))


def _other(paths: list[str]) -> Callable[[random.Random], Sent]:
    def make(rng: random.Random) -> Sent:
        method = rng.choice(("GET", "POST", "DELETE", "PUT", "HEAD", "OPTIONS"))
        body = rng.choice(TEXTS) if method in ("POST", "PUT") else None
        return Sent(method, rng.choice(paths), body, JSON if body is not None else None)

    return make


def _content(path: str, document: dict[str, Any]) -> Callable[[random.Random], Sent]:
    def make(rng: random.Random) -> Sent:
        text = rng.choice([json.dumps(document), *TEXTS])
        return Sent("POST", path, text, rng.choice(TYPES))

    return make


_RUNTIME = [_submission, _submission, _submission, _other([p for p in PATHS if "tasks" in p]),
            _content("/api/v1/tasks", SCRIPT)]  # fmt: skip
_EXECGO = [_graph, _graph, _translation, _translation, _translation,
           _other([p for p in PATHS if not p.startswith("/api")]),
           _content("/tasks", GRAPHS[0])]  # fmt: skip
