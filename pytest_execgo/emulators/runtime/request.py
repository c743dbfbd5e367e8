"""Reads a submission, with the rules and messages of execgo-runtime 1.1.0."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from typing import Any

from pytest_execgo.emulators.runtime import shape

_TASK_ID = re.compile(r"[A-Za-z0-9._-]+")
DEFAULT_WALL_TIME_MS = 300_000
DEFAULT_OUTPUT_BYTES = 4_194_304


class RequestError(Exception):
    """A refused request: HTTP status, stable code, message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass(frozen=True)
class Submission:
    """A validated task. Sizes are in bytes; the suffix of a name is the unit of a time.

    ``request`` is the body, with the id and the mode that the task got.
    """

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
    sandbox_profile: str = "process"
    capability_mode: str = "adaptive"
    strict_sandbox: bool = False
    request: dict[str, Any] = field(default_factory=dict)

    @property
    def strict(self) -> bool:
        """Whether a limit or sandbox that this machine lacks is a reason to refuse the task."""
        return self.capability_mode == "strict" or self.strict_sandbox

    @property
    def script_name(self) -> str:
        """The name of the script file, with the suffix for its interpreter."""
        name = self.interpreter[0].rsplit("/", 1)[-1] if self.interpreter else "sh"
        for word, suffix in (("python", "py"), ("zsh", "zsh"), ("node", "js")):
            if word in name:
                return f"script.{suffix}"
        return "script.sh"


def read_submission(body: Any, default_mode: str = "adaptive") -> Submission:
    """Validate a decoded body; raises :class:`RequestError` or :class:`ShapeError`."""
    shape.check(body)
    execution, limits = body["execution"], body.get("limits", {})
    sandbox, control = body.get("sandbox", {}), body.get("control_context") or {}
    policy, task_id = body.get("policy"), body.get("task_id")
    # A policy without a mode is adaptive, whatever the default of the runtime is.
    mode = default_mode if policy is None else policy.get("capability_mode", "adaptive")
    task_id = str(uuid.uuid4()) if task_id is None else task_id.strip()
    if not task_id:
        raise _invalid("task_id cannot be empty")
    if not _TASK_ID.fullmatch(task_id) or task_id in (".", ".."):
        raise _invalid("task_id may only contain letters, digits, '-', '_' and '.'")
    submission = Submission(
        task_id=task_id,
        kind=execution["kind"],
        program=execution.get("program") or "",
        args=execution.get("args", []),
        script=execution.get("script") or "",
        interpreter=execution.get("interpreter") or [],
        env=execution.get("env", {}),
        wall_time_ms=limits.get("wall_time_ms", DEFAULT_WALL_TIME_MS),
        cpu_time_sec=limits.get("cpu_time_sec"),
        memory_bytes=limits.get("memory_bytes"),
        pids_max=limits.get("pids_max"),
        stdout_max_bytes=limits.get("stdout_max_bytes", DEFAULT_OUTPUT_BYTES),
        stderr_max_bytes=limits.get("stderr_max_bytes", DEFAULT_OUTPUT_BYTES),
        workspace_subdir=sandbox.get("workspace_subdir") or "",
        owner=control.get("owner") or "",
        metadata=body.get("metadata", {}),
        sandbox_profile=sandbox.get("profile", "process"),
        capability_mode=mode,
        strict_sandbox=control.get("requires_strict_sandbox", False),
        request={**body, "task_id": task_id, "policy": {**(policy or {}), "capability_mode": mode}},
    )
    _check(submission, no_interpreter=execution.get("interpreter") == [])
    _check_sandbox(sandbox)
    _check_context(control)
    return submission


def _check(task: Submission, *, no_interpreter: bool) -> None:
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
        if no_interpreter or (task.interpreter and not task.interpreter[0].strip()):
            raise _invalid("execution.interpreter must contain at least one non-empty value")
    if any(not key.strip() or "=" in key for key in task.env):
        raise _invalid("execution.env keys must be non-empty and cannot contain '='")
    if task.wall_time_ms <= 0:
        raise _invalid("limits.wall_time_ms must be greater than 0")
    if task.stdout_max_bytes <= 0 or task.stderr_max_bytes <= 0:
        raise _invalid("limits.stdout_max_bytes and limits.stderr_max_bytes must be greater than 0")
    for name in ("stdout_max_bytes", "stderr_max_bytes"):
        if getattr(task, name) > 2**63 - 1:
            raise _invalid(f"{name} is too large")
    if task.workspace_subdir.startswith("/"):
        raise _invalid("sandbox.workspace_subdir must be relative")
    if ".." in task.workspace_subdir.split("/"):
        raise _invalid("sandbox.workspace_subdir cannot contain parent traversal")


def _invalid(text: str) -> RequestError:
    return RequestError(400, "invalid_input", f"invalid input: {text}")


def _check_sandbox(sandbox: dict[str, Any]) -> None:
    if not sandbox.get("chroot"):
        return
    if not (sandbox.get("rootfs") or "").strip():
        raise _invalid("sandbox.rootfs is required when sandbox.chroot=true")
    if sandbox.get("profile", "process") == "process":
        raise _invalid("sandbox.chroot requires sandbox.profile=linux_sandbox")


def _check_context(control: dict[str, Any]) -> None:
    if any(not key.strip() or "=" in key for key in control.get("labels", {})):
        raise _invalid("control_context.labels keys must be non-empty and cannot contain '='")
    values = ("control_plane_mode", "tenant", "owner", "expected_runtime_profile")
    if any(control.get(name) is not None and not control[name].strip() for name in values):
        raise _invalid("control_context values cannot be empty strings")
