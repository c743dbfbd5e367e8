"""What must hold for ExecGo's answers about the tasks of a round, whatever happens."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from pytest_execgo.models.events import EngineContradiction
from pytest_execgo.models.events.base import few
from pytest_execgo.models.task import EngineTask, Task, TaskGraph

# ExecGo notes an end and the start of what waited for it in two steps, and clocks are corrected.
_TOLERANCE = timedelta(milliseconds=50)
_STATES = {"pending": 0, "running": 1}


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
            if started and ended and ended - started > _TOLERANCE:
                text = f"it started before {parent} ended"
                yield _event(place, child.id, "child_first", text)


def other_payload(
    place: tuple[str, int], given: Task, task: EngineTask
) -> EngineContradiction | None:
    """The contradiction in a task that holds another payload than was submitted."""
    held = task.model_extra or {}
    # As ExecGo got it: JSON has neither tuples nor keys of another type than text.
    body = json.loads(json.dumps(given.body()))
    for member in ("input", "params"):
        if member in body and member in held and held[member] != body[member]:
            text = f"its {member} is not the one that was submitted"
            return _event(place, given.id, "other_payload", text)
    return None


def older_answer(
    place: tuple[str, int], name: str, before: EngineTask | None, now: EngineTask
) -> EngineContradiction | None:
    """The contradiction in an answer whose time and state are both before those of an earlier answer of
    the same process. The time alone may go back, as clocks are corrected."""
    if before is None or before.updated_at - now.updated_at <= _TOLERANCE:
        return None
    if _progress(now) >= _progress(before):
        return None
    return _event(
        place, name, "went_back", f"it was {before.status} before, and is {now.status} now"
    )


def never_started(
    place: tuple[str, int], name: str, task: EngineTask
) -> EngineContradiction | None:
    """The contradiction in a task of a runtime that ended well and never started."""
    if task.type != "runtime" or task.status != "success" or _time(task, "started_at"):
        return None
    return _event(place, name, "never_started", "it ended well, and no time of a start is given")


def other_graph(
    place: tuple[str, int], submitted: Sequence[str], accepted: Sequence[str]
) -> EngineContradiction | None:
    """The contradiction in an answer to a submission that names other tasks than were submitted."""
    sent, named = set(submitted), set(accepted)
    missing = [name for name in submitted if name not in named]
    added = [name for name in accepted if name not in sent]
    if not (missing or added):
        return None
    parts = [f"{few(missing)} not accepted"] * bool(missing)
    parts += [f"{few(added)} was not submitted"] * bool(added)
    return _event(place, "", "other_graph", "; ".join(parts))


def _progress(task: EngineTask) -> tuple[int, int]:
    """Grows while a task runs."""
    attempt = task.runtime.attempt if task.runtime else 0
    return _STATES.get(task.status, len(_STATES)), attempt


def _time(task: EngineTask | None, member: str) -> datetime | None:
    found = getattr(task.runtime, member, None) if task and task.runtime else None
    return found if isinstance(found, datetime) else None


def _event(place: tuple[str, int], name: str, how: str, text: str) -> EngineContradiction:
    return EngineContradiction.model_validate(
        {"stage_id": place[0], "round": place[1], "task_id": name, "how": how, "message": text}
    )
