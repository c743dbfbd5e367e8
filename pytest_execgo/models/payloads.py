"""The payloads of tasks: what ExecGo and its runtime read from ``input`` or ``params``.

Both ignore members that they do not know, so a misspelt limit is no limit. Here an unknown member and a
value of another type are mistakes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pytest_execgo.models.messages import Keys, mistakes
from pytest_execgo.models.task import LEGACY_TYPES, Task


class _Payload(BaseModel):
    """Base of the models: nothing is converted, because ExecGo and the runtime convert nothing."""

    model_config = ConfigDict(extra="forbid", strict=True)


_Positive = Annotated[int, Field(ge=1)]
_Text = dict[str, str]


class _Execution(_Payload):
    kind: Literal["command", "script"]
    program: str | None = None
    args: list[str] = []
    script: str | None = None
    interpreter: list[str] | None = None
    env: _Text = {}

    @model_validator(mode="after")
    def _one_of_two(self) -> _Execution:
        """Raise ``ValueError`` unless there is what the kind needs, and only that."""
        wanted, other = ("program", "script") if self.kind == "command" else ("script", "program")
        if not (getattr(self, wanted) or "").strip():
            raise ValueError(f"kind: {self.kind} needs {wanted}")
        if (getattr(self, other) or "").strip():
            raise ValueError(f"kind: {self.kind} takes no {other}")
        return self


class _Limits(_Payload):
    wall_time_ms: _Positive = 300_000
    cpu_time_sec: _Positive | None = None
    memory_bytes: _Positive | None = None
    pids_max: _Positive | None = None
    stdout_max_bytes: _Positive = 4_194_304
    stderr_max_bytes: _Positive = 4_194_304


class _Namespaces(_Payload):
    mount: bool = True
    pid: bool = True
    uts: bool = True
    ipc: bool = True
    net: bool = False


class _Sandbox(_Payload):
    profile: Literal["process", "linux_sandbox"] = "process"
    workspace_subdir: str | None = None
    rootfs: str | None = None
    chroot: bool = False
    namespaces: _Namespaces | None = None


class _Policy(_Payload):
    capability_mode: Literal["adaptive", "strict"] = "adaptive"


class _Control(_Payload):
    control_plane_mode: str | None = None
    tenant: str | None = None
    owner: str | None = None
    expected_runtime_profile: str | None = None
    requires_strict_sandbox: bool = False
    requires_resource_reservation: bool = False
    labels: _Text = {}


class RuntimePayload(_Payload):
    """The payload of a task of type ``runtime``."""

    task_id: str | None = None
    execution: _Execution
    limits: _Limits | None = None
    sandbox: _Sandbox | None = None
    policy: _Policy | None = None
    control_context: _Control | None = None
    metadata: _Text = {}


class _Shell(_Payload):
    command: str = ""
    args: list[str] | None = None
    dir: str = ""
    runner: str = ""
    script: str = ""


class _File(_Payload):
    action: Literal["read", "write", "append", "delete", "stat"]
    path: str
    content: str = ""


class _Http(_Payload):
    url: str
    method: str = "GET"
    headers: _Text | None = None
    body: str = ""


class _Dns(_Payload):
    name: str
    record: str = "ip"


class _Tcp(_Payload):
    address: str
    timeout_ms: int = Field(default=0, le=60_000)


class _Sleep(_Payload):
    duration_ms: int = Field(default=0, ge=0, le=600_000)


class _Noop(_Payload):
    message: str = ""


class _Command(_Payload):
    command: str
    args: list[str] | None = None


_TOOLS: Mapping[str, type[_Payload]] = {
    "shell": _Shell,
    "file": _File,
    "http": _Http,
    "dns": _Dns,
    "tcp": _Tcp,
    "sleep": _Sleep,
    "noop": _Noop,
}


def runtime_mistakes(task: Task, bound: Sequence[str] = ()) -> Iterator[tuple[Keys, str]]:
    """What is wrong with the payload of a task of type ``runtime``: keys and message; nothing for other
    tasks. ``bound`` are the target paths of the task's bindings, whose values are not known yet."""
    if task.type == "runtime":
        yield from _mistakes(RuntimePayload, task, "input", bound)


def runtime_accepts(task: Task) -> bool:
    """Whether the payload of a task of type ``runtime`` has the right form, and also keeps the runtime's
    further rules: about names of variables and labels, and about what a sandbox needs."""
    payload = task.params if task.input is None else task.input
    try:
        found = RuntimePayload.model_validate({} if payload is None else payload)
    except ValidationError:
        return False
    sandbox, control = found.sandbox or _Sandbox(), found.control_context or _Control()
    subdir = PurePosixPath(sandbox.workspace_subdir or "")
    rooted = bool(sandbox.rootfs) and sandbox.profile == "linux_sandbox"
    names = [*found.execution.env, *control.labels]
    words = [control.control_plane_mode, control.tenant, control.owner]
    interpreter = found.execution.interpreter or ["sh"]
    return (
        not subdir.is_absolute()
        and ".." not in subdir.parts
        and (rooted or not sandbox.chroot)
        and all(name.strip() and "=" not in name for name in names)
        and all(word is None or word.strip() for word in (*words, interpreter[0]))
    )


def tool_mistakes(task: Task, bound: Sequence[str] = ()) -> Iterator[tuple[Keys, str]]:
    """The same for tasks that ExecGo itself runs with a tool of its own."""
    if task.type == "cli-skills":
        yield from _mistakes(_Command, task, "input", bound)
        return
    tool = task.type if task.type in LEGACY_TYPES else task.tool_name if task.type == "os" else None
    model = _TOOLS.get((tool or "").strip())
    if model is not None:
        yield from _mistakes(model, task, "params", bound)


def _mistakes(
    model: type[_Payload], task: Task, first: str, bound: Sequence[str]
) -> Iterator[tuple[Keys, str]]:
    """``first`` is the member that is read; the other one is read without it."""
    other = {"input": "params", "params": "input"}[first]
    member = first if getattr(task, first) is not None or _targets(bound, first) else other
    payload = getattr(task, member)
    known = _targets(bound, member)
    try:
        model.model_validate({} if payload is None else payload)
    except ValidationError as error:
        for keys, message in mistakes(error, model):
            if not any(_covers(path, keys) for path in known):
                yield (member, *keys), message
    for path in known:
        yield from _unknown_target(model, member, path)


def _targets(bound: Sequence[str], member: str) -> list[list[str]]:
    paths = [path.split(".") for path in bound]
    return [rest for head, *rest in paths if head == member]


def _covers(path: Sequence[str], keys: Sequence[str | int]) -> bool:
    """Whether a binding to ``path`` may change the value at ``keys``."""
    return all(one == str(key) for one, key in zip(path, keys, strict=False))


def _unknown_target(
    model: type[_Payload], member: str, path: Sequence[str]
) -> Iterator[tuple[Keys, str]]:
    """The mistake of a binding to a member that is unknown."""
    value: Any = None
    for key in reversed(path):
        value = {key: value}
    try:
        model.model_validate(value)
    except ValidationError as error:
        for one in error.errors(include_url=False):
            if one["type"] == "extra_forbidden":
                keys, message = next(iter(mistakes(error, model)))
                yield (member, *keys), message
                return
