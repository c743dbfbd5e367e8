"""From a task as ExecGo returned it to the event that records its state."""

from __future__ import annotations

from pytest_execgo.models.events import TaskChanged, TaskError
from pytest_execgo.models.task import EngineTask


def task_changed(stage_id: str, round_: int, task_id: str, task: EngineTask) -> TaskChanged:
    """The event for the plan task ``task_id`` in the state ``task``."""
    runtime = task.runtime
    return TaskChanged(
        stage_id=stage_id,
        round=round_,
        task_id=task_id,
        engine_task_id=task.id,
        status=task.status,
        run_status=task.run_status,
        handle_id=task.handle_id,
        attempt=runtime.attempt if runtime else 0,
        duration_ms=runtime.duration_ms if runtime else 0,
        error=_error(task),
        created_at=task.created_at,
        updated_at=task.updated_at,
    )


def _error(task: EngineTask) -> TaskError | None:
    """The error of the runtime, with ExecGo's own text where the runtime gave none."""
    failure = task.runtime.error if task.runtime else None
    if failure is not None:
        details = failure.details if isinstance(failure.details, dict) else {}
        return TaskError(
            code=failure.code,
            message=failure.message or task.error or "",
            source=failure.source,
            raw_code=details.get("raw_error_code"),
        )
    if task.status == "failed" or task.error:
        return TaskError(message=task.error or "")
    return None
