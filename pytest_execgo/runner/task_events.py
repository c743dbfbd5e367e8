"""From a task as ExecGo returned it to the event that records its state."""

from __future__ import annotations

from typing import Any

from pytest_execgo.models.events import TaskChanged, TaskError, TaskOutput
from pytest_execgo.models.task import EngineTask

LONGEST_MESSAGE = 2000
_LONGEST_CODE = 1024
LONGEST_STDERR = 2000
_LARGEST_NUMBER = 2**31


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


def task_output(event: TaskChanged, task: EngineTask, workspace: str = "") -> TaskOutput:
    """What is known of the process of a task, from the runtime's answer that ExecGo keeps. Members of
    another type than the runtime's are left out. The path of the workspace, which is another one in each
    trial, is written as in the plan."""
    output = task.runtime.output if task.runtime else None
    known: dict[str, Any] = output if isinstance(output, dict) else {}
    stderr, status = known.get("stderr"), known.get("status")
    return TaskOutput(
        stage_id=event.stage_id,
        round=event.round,
        task_id=event.task_id,
        engine_task_id=event.engine_task_id,
        exit_code=_number(known.get("exit_code")),
        exit_signal=_number(known.get("exit_signal")),
        stderr=_shown(stderr, workspace) if isinstance(stderr, str) else "",
        reported_status=status[:_LONGEST_CODE] if isinstance(status, str) else None,
    )


def _shown(text: str, workspace: str) -> str:
    """The end of a text. A path that the cut leaves incomplete is not replaced."""
    end = text[-LONGEST_STDERR:]
    return end.replace(workspace, "${workspace}") if workspace else end


def contradicts(output: TaskOutput) -> bool:
    """Whether the process of a failed task ended well, by the runtime's answer in ExecGo's record."""
    return output.reported_status == "success" or output.exit_code == 0


def _number(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _LARGEST_NUMBER:
        return None
    return value


def _error(task: EngineTask) -> TaskError | None:
    """The error of the runtime, with ExecGo's own text where the runtime gave none."""
    failure = task.runtime.error if task.runtime else None
    if failure is not None:
        details = failure.details if isinstance(failure.details, dict) else {}
        raw_code = details.get("raw_error_code")
        return TaskError(
            code=failure.code,
            message=_message(failure.message or task.error),
            source=failure.source,
            raw_code=raw_code[:_LONGEST_CODE] if isinstance(raw_code, str) else None,
        )
    if task.status == "failed" or task.error:
        return TaskError(message=_message(task.error))
    return None


def _message(text: str | None) -> str:
    """The message with a limit: it is part of every event of the task. Its end may say most, as in
    ``context deadline exceeded``; the whole text is in the snapshots."""
    if text is None or len(text) <= LONGEST_MESSAGE:
        return text or ""
    half = LONGEST_MESSAGE // 2
    return f"{text[:half]} … {text[-half:]}"
