"""Reads a submission, with the rules and messages of execgo-runtime 1.1.0."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from typing import Any

_TASK_ID = re.compile(r"[A-Za-z0-9._-]+")
DEFAULT_WALL_TIME_MS = 300_000
DEFAULT_OUTPUT_BYTES = 4_194_304


class RequestError(Exception):
    """A refused request: HTTP status, stable code, message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class ShapeError(Exception):
    """A body of the wrong shape; the answer is 422 with plain text, as from the real runtime."""


@dataclass(frozen=True)
class Submission:
    """A validated task. Sizes are in bytes; the suffix of a name is the unit of a time."""

    task_id: str
    kind: str
    program: str
    args: list[str]
    script: str
    interpreter: list[str]
    env: dict[str, str]
    wall_time_ms: int
    cpu_time_sec: int | None
    memory_bytes: int | None
    pids_max: int | None
    stdout_max_bytes: int
    stderr_max_bytes: int
    workspace_subdir: str
    owner: str
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def script_name(self) -> str:
        """The name of the script file, with the suffix for its interpreter."""
        name = self.interpreter[0].rsplit("/", 1)[-1] if self.interpreter else "sh"
        for word, suffix in (("python", "py"), ("zsh", "zsh"), ("node", "js")):
            if word in name:
                return f"script.{suffix}"
        return "script.sh"


def read_submission(body: Any) -> Submission:
    """Validate a decoded body; raises :class:`RequestError` or :class:`ShapeError`."""
    if not isinstance(body, dict):
        raise ShapeError("expected struct SubmitTaskRequest")
    execution = body.get("execution")
    if execution is None:
        raise ShapeError("missing field `execution`")
    _typed(execution, dict, "execution")
    limits = _section(body, "limits")
    sandbox = _section(body, "sandbox")
    control = _section(body, "control_context")
    task_id = _typed(body.get("task_id"), str, "task_id")
    task_id = str(uuid.uuid4()) if task_id is None else task_id.strip()
    if not task_id:
        raise _invalid("task_id cannot be empty")
    if not _TASK_ID.fullmatch(task_id) or task_id in (".", ".."):
        raise _invalid("task_id may only contain letters, digits, '-', '_' and '.'")
    submission = Submission(
        task_id=task_id,
        kind=_kind(execution),
        program=_typed(execution.get("program"), str, "program") or "",
        args=_strings(execution.get("args"), "args"),
        script=_typed(execution.get("script"), str, "script") or "",
        interpreter=_strings(execution.get("interpreter"), "interpreter"),
        env=_string_map(execution.get("env"), "env"),
        wall_time_ms=_number(limits, "wall_time_ms", DEFAULT_WALL_TIME_MS),
        cpu_time_sec=_typed(limits.get("cpu_time_sec"), int, "cpu_time_sec"),
        memory_bytes=_typed(limits.get("memory_bytes"), int, "memory_bytes"),
        pids_max=_typed(limits.get("pids_max"), int, "pids_max"),
        stdout_max_bytes=_number(limits, "stdout_max_bytes", DEFAULT_OUTPUT_BYTES),
        stderr_max_bytes=_number(limits, "stderr_max_bytes", DEFAULT_OUTPUT_BYTES),
        workspace_subdir=_typed(sandbox.get("workspace_subdir"), str, "workspace_subdir") or "",
        owner=_typed(control.get("owner"), str, "owner") or "",
        metadata=_string_map(body.get("metadata"), "metadata"),
    )
    _check(submission)
    return submission


def _check(task: Submission) -> None:
    if task.kind == "command":
        if not task.program.strip():
            raise _invalid("execution.program is required for command tasks")
        if task.script.strip():
            raise _invalid("execution.script must be empty for command tasks")
    else:
        if not task.script.strip():
            raise _invalid("execution.script is required for script tasks")
        if task.program.strip():
            raise _invalid("execution.program must be empty for script tasks")
        if task.interpreter and not task.interpreter[0].strip():
            raise _invalid("execution.interpreter must contain at least one non-empty value")
    if any(not key.strip() or "=" in key for key in task.env):
        raise _invalid("execution.env keys must be non-empty and cannot contain '='")
    if task.wall_time_ms <= 0:
        raise _invalid("limits.wall_time_ms must be greater than 0")
    if task.stdout_max_bytes <= 0 or task.stderr_max_bytes <= 0:
        raise _invalid("limits.stdout_max_bytes and limits.stderr_max_bytes must be greater than 0")
    if task.workspace_subdir.startswith("/"):
        raise _invalid("sandbox.workspace_subdir must be relative")
    if ".." in task.workspace_subdir.split("/"):
        raise _invalid("sandbox.workspace_subdir cannot contain parent traversal")


def _invalid(text: str) -> RequestError:
    return RequestError(400, "invalid_input", f"invalid input: {text}")


def _kind(execution: dict[str, Any]) -> str:
    kind = _typed(execution.get("kind"), str, "kind")
    if kind is None:
        raise ShapeError("execution: missing field `kind`")
    if kind not in ("command", "script"):
        raise ShapeError(f"unknown variant `{kind}`, expected `command` or `script`")
    return str(kind)


def _section(body: dict[str, Any], name: str) -> dict[str, Any]:
    section: dict[str, Any] | None = _typed(body.get(name), dict, name)
    return section or {}


def _typed(value: Any, kind: type, name: str) -> Any:
    if value is None:
        return None
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
        raise ShapeError(f"{name}: invalid type: {value!r}")
    return value


def _number(section: dict[str, Any], name: str, default: int) -> int:
    value = _typed(section.get(name), int, name)
    return default if value is None else int(value)


def _strings(value: Any, name: str) -> list[str]:
    items = _typed(value, list, name) or []
    return [str(_typed(item, str, name)) for item in items]


def _string_map(value: Any, name: str) -> dict[str, str]:
    items = _typed(value, dict, name) or {}
    return {str(key): str(_typed(item, str, name)) for key, item in items.items()}
