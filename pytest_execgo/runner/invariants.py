"""What must hold for ExecGo's answers about the tasks of a round, whatever happens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from pytest_execgo.models.events import EngineContradiction
from pytest_execgo.models.task import EngineTask, Task, TaskGraph

# ExecGo notes an end and the start of what waited for it in two steps, and clocks are corrected.
_TOLERANCE = timedelta(milliseconds=50)


def about_other_task(
    place: tuple[str, int], given: Task, engine_id: str, task: EngineTask
) -> EngineContradiction | None:
    """The contradiction in an answer that is not about the task ``engine_id``. ``place``: stage and
    round."""
    if task.id != engine_id:
        return _event(place, given.id, "other_task", f"the answer is about {task.id}")
    output = task.runtime.output if task.runtime else None
    named = output.get("task_id") if isinstance(output, dict) else None
    if not isinstance(named, str) or named in ("", engine_id, task.handle_id):
        return None
    # A plan may choose the id that its task has in the runtime.
    payloads = [one for one in (given.input, given.params) if isinstance(one, dict)]
    if any(payload.get("task_id") == named for payload in payloads):
        return None
    return _event(place, given.id, "other_task", f"the runtime's answer in it is about {named}")


def children_first(
    place: tuple[str, int], graph: TaskGraph, seen: Mapping[str, EngineTask]
) -> Iterator[EngineContradiction]:
    """The tasks that started before one that they depend on had ended, as ExecGo says."""
    for child in graph.tasks:
        started = _time(seen.get(child.id), "started_at")
        for parent in child.depends_on:
            ended = _time(seen.get(parent), "finished_at")
            if started and ended and started < ended - _TOLERANCE:
                text = f"it started before {parent} ended"
                yield _event(place, child.id, "child_first", text)


def _time(task: EngineTask | None, member: str) -> datetime | None:
    found = getattr(task.runtime, member, None) if task and task.runtime else None
    return found if isinstance(found, datetime) else None


def _event(place: tuple[str, int], name: str, how: str, text: str) -> EngineContradiction:
    return EngineContradiction.model_validate(
        {"stage_id": place[0], "round": place[1], "task_id": name, "how": how, "message": text}
    )
