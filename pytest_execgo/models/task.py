"""ExecGo's own task: what a plan submits, and what the engine answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from pytest_execgo.models.document import Document

TASK_TYPES = ("os", "runtime", "mcp", "cli-skills")
LEGACY_TYPES = ("shell", "file", "http", "dns", "tcp", "sleep", "noop")

TaskStatus = Literal["pending", "running", "success", "failed", "skipped"]
TERMINAL = frozenset({"success", "failed", "skipped"})


class Task(Document):
    """One task of a plan, with ExecGo's own member names.

    ``timeout`` is in milliseconds and starts anew with each attempt; ``retry`` N allows N + 1
    attempts. ``params`` and ``input`` are the payload of the tool; most tasks use one of them.
    """

    id: str = Field(min_length=1)
    type: str = Field(min_length=1)
    params: Any = None
    input: Any = None
    tool_name: str | None = None
    execution_category: str | None = None
    depends_on: tuple[str, ...] = ()
    retry: int = Field(default=0, ge=0)
    timeout: int = Field(default=0, ge=0)
    annotations: dict[str, str] = {}

    def body(self) -> dict[str, Any]:
        """The members as JSON for ExecGo, without those that have their default value."""
        return self.model_dump(mode="json", exclude_defaults=True)


class TaskGraph(Document):
    """What ``POST /tasks`` takes."""

    tasks: tuple[Task, ...]

    def body(self) -> dict[str, Any]:
        """The body of ``POST /tasks``."""
        return {"tasks": [task.body() for task in self.tasks]}

    def sinks(self) -> tuple[str, ...]:
        """Ids of the tasks that no other task depends on."""
        awaited = {dep for task in self.tasks for dep in task.depends_on}
        return tuple(task.id for task in self.tasks if task.id not in awaited)


# What is copied into events and sums. A longer name or a larger number breaks ExecGo's contract.
_Name = Annotated[str, Field(max_length=1024)]
_Message = Annotated[str, Field(max_length=1_000_000)]
_Count = Annotated[int, Field(ge=-(2**53), le=2**53)]


class EngineModel(BaseModel):
    """An answer of the engine. Unknown members are kept, because a newer engine may add some.

    Times need a time zone, as ExecGo writes them: one without is not valid, because it cannot be
    compared with the others.
    """

    model_config = ConfigDict(frozen=True, extra="allow")


class RuntimeFailure(EngineModel):
    """``runtime.error`` of a failed task."""

    code: _Name = ""
    message: _Message = ""
    retryable: bool = False
    source: _Name = ""
    details: Any = None


class RuntimeState(EngineModel):
    """``runtime`` of a task that has run; ``duration_ms`` in milliseconds."""

    status: _Name | None = None
    handle_id: _Name | None = None
    output: Any = None
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    duration_ms: _Count = 0
    attempt: _Count = 0
    details: Any = None
    error: RuntimeFailure | None = None


class EngineTask(EngineModel):
    """A task as ``GET /tasks/{id}`` returns it."""

    id: _Name
    type: _Name
    status: _Name
    run_status: _Name | None = None
    handle_id: _Name | None = None
    result: Any = None
    runtime: RuntimeState | None = None
    error: _Message | None = None
    created_at: AwareDatetime
    updated_at: AwareDatetime

    @property
    def terminal(self) -> bool:
        """Whether the task has its final status."""
        return self.status in TERMINAL
