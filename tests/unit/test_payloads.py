"""Which payloads of tasks are refused before anything is submitted, and with which words."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_execgo.models.messages import key_path
from pytest_execgo.models.payloads import runtime_accepts, runtime_mistakes, tool_mistakes
from pytest_execgo.models.task import Task

COMMAND = {"kind": "command", "program": "/bin/true"}


def wrong(payload: Any, bound: list[str] | None = None, member: str = "input") -> list[str]:
    task = Task.model_validate({"id": "a", "type": "runtime", member: payload})
    return [f"{key_path(keys)}: {text}" for keys, text in runtime_mistakes(task, bound or [])]


def wrong_tool(tool: str, params: Any, bound: list[str] | None = None) -> list[str]:
    task = Task.model_validate({"id": "a", "type": "os", "tool_name": tool, "params": params})
    return [f"{key_path(keys)}: {text}" for keys, text in tool_mistakes(task, bound or [])]


LIMITS = "wall_time_ms, cpu_time_sec, memory_bytes, pids_max, stdout_max_bytes, stderr_max_bytes"


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (
            {"execution": COMMAND, "limits": {"wall_time": 10}},
            "input.limits.wall_time: unknown key; did you mean 'wall_time_ms'? "
            f"(allowed: {LIMITS})",
        ),
        (
            {"execution": COMMAND, "limits": {"wall_time_ms": "10s"}},
            "input.limits.wall_time_ms: must be a whole number, got '10s'",
        ),
        (
            {"execution": COMMAND, "limits": {"wall_time_ms": 0}},
            "input.limits.wall_time_ms: must be at least 1, got 0",
        ),
        (
            {"execution": COMMAND, "limits": {"memory_bytes": True}},
            "input.limits.memory_bytes: must be a whole number, got True",
        ),
        (
            {"execution": COMMAND | {"env": {"N": 1}}},
            "input.execution.env.N: must be text, got 1",
        ),
        (
            {"execution": COMMAND | {"args": "-v"}},
            "input.execution.args: must be a list, got '-v'",
        ),
        (
            {"execution": COMMAND | {"args": ["a", 1]}},
            "input.execution.args[1]: must be text, got 1",
        ),
        (
            {"execution": {"kind": "comand", "program": "a"}},
            "input.execution.kind: got 'comand'; did you mean 'command'? "
            "(allowed: command, script)",
        ),
        ({"execution": {"kind": "command"}}, "input.execution: kind: command needs program"),
        (
            {"execution": {"kind": "script", "script": "a", "program": "b"}},
            "input.execution: kind: script takes no program",
        ),
        ({}, "input.execution: this key is required"),
        (["a"], "input: must be a mapping, got ['a']"),
        (
            {"execution": COMMAND, "sandbox": {"namespaces": {"network": True}}},
            "input.sandbox.namespaces.network: unknown key; did you mean 'net'? "
            "(allowed: mount, pid, uts, ipc, net)",
        ),
    ],
)  # fmt: skip
def test_a_wrong_payload_of_the_runtime(payload: Any, expected: str) -> None:
    assert wrong(payload) == [expected]


def test_every_member_that_the_runtime_reads_is_allowed() -> None:
    payload = {
        "task_id": "a",
        "execution": COMMAND | {"args": ["a"], "env": {"A": "1"}, "script": None},
        "limits": dict.fromkeys(LIMITS.split(", "), 5),
        "sandbox": {"profile": "process", "chroot": False, "namespaces": {"net": False}},
        "policy": {"capability_mode": "strict"},
        "control_context": {"tenant": "t", "labels": {"a": "b"}},
        "metadata": {"a": "b"},
    }
    assert wrong(payload) == []
    assert wrong(payload, member="params") == []


def test_null_is_allowed_where_the_runtime_allows_it() -> None:
    assert wrong({"execution": COMMAND, "policy": None, "limits": {"pids_max": None}}) == []


def test_a_value_that_a_binding_brings_is_not_missing() -> None:
    execution = {"kind": "script", "interpreter": ["sh"]}
    assert wrong({"execution": execution}, ["input.execution.script"]) == []
    assert wrong({"execution": COMMAND | {"args": ["a", None]}}, ["input.execution.args.1"]) == []
    assert wrong(None, ["input.execution"]) == []


def test_a_binding_to_an_unknown_member_is_a_mistake() -> None:
    expected = "input.limits.wall_time: unknown key; did you mean 'wall_time_ms'? "
    payload = {"execution": COMMAND}
    assert wrong(payload, ["input.limits.wall_time"]) == [f"{expected}(allowed: {LIMITS})"]


@pytest.mark.parametrize("kind", ["os", "mcp", "cli-skills", "noop"])
def test_the_rules_of_the_runtime_are_only_for_its_tasks(kind: str) -> None:
    task = Task.model_validate({"id": "a", "type": kind, "input": {"anything": 1}})
    assert list(runtime_mistakes(task)) == []


@pytest.mark.parametrize(
    ("tool", "params", "expected"),
    [
        ("sleep", {"seconds": 3}, "params.seconds: unknown key (allowed: duration_ms)"),
        ("sleep", {"duration_ms": "3s"}, "params.duration_ms: must be a whole number, got '3s'"),
        ("file", {"action": "read"}, "params.path: this key is required"),
        (
            "file",
            {"action": "raed", "path": "a"},
            "params.action: got 'raed'; did you mean 'read'? "
            "(allowed: read, write, append, delete, stat)",
        ),
    ],
)
def test_a_wrong_payload_of_a_tool(tool: str, params: Any, expected: str) -> None:
    assert wrong_tool(tool, params) == [expected]


def test_a_right_payload_of_a_tool() -> None:
    assert wrong_tool("http", {"url": "http://a", "headers": {"A": "b"}}) == []
    assert wrong_tool("http", {"method": "GET"}, ["params.url"]) == []
    assert wrong_tool("my.own.tool", {"anything": 1}) == []
    legacy = Task.model_validate({"id": "a", "type": "sleep", "params": {"duration": 1}})
    assert [key_path(keys) for keys, _ in tool_mistakes(legacy)] == ["params.duration"]


@pytest.mark.parametrize(
    ("changes", "accepted"),
    [
        ({}, True),
        ({"sandbox": {"workspace_subdir": "a/b"}}, True),
        ({"sandbox": {"workspace_subdir": "/a"}}, False),
        ({"sandbox": {"workspace_subdir": "a/../b"}}, False),
        ({"sandbox": {"chroot": True}}, False),
        ({"sandbox": {"chroot": True, "rootfs": "/r"}}, False),
        ({"sandbox": {"chroot": True, "rootfs": "/r", "profile": "linux_sandbox"}}, True),
        ({"execution": {"kind": "command", "program": "x", "env": {"A": ""}}}, True),
        ({"execution": {"kind": "command", "program": "x", "env": {" ": ""}}}, False),
        ({"execution": {"kind": "command", "program": "x", "env": {"A=B": ""}}}, False),
        ({"execution": {"kind": "script", "script": "x", "interpreter": ["sh", ""]}}, True),
        ({"execution": {"kind": "script", "script": "x", "interpreter": [" "]}}, False),
        ({"execution": {"kind": "script"}}, False),
        ({"control_context": {"tenant": "t", "labels": {"a": ""}}}, True),
        ({"control_context": {"owner": " "}}, False),
        ({"control_context": {"labels": {"": "x"}}}, False),
        ({"unknown": 1}, False),
    ],
)
def test_the_runtime_has_rules_beside_the_form(changes: dict[str, Any], accepted: bool) -> None:
    payload = {"execution": {"kind": "command", "program": "x"}, **changes}
    assert runtime_accepts(Task(id="a", type="runtime", input=payload)) is accepted
    assert runtime_accepts(Task(id="a", type="runtime", params=payload)) is accepted


def test_the_runtime_accepts_no_empty_payload() -> None:
    assert not runtime_accepts(Task(id="a", type="runtime"))
