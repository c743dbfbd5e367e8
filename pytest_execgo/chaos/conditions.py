"""When a fault is injected: which events make its condition true."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from pytest_execgo.chaos.action import PlanScope
from pytest_execgo.errors import choice
from pytest_execgo.models.chaos import After, Phase, When
from pytest_execgo.models.events import (
    ChecksStarted,
    Event,
    PlanningStarted,
    SubmissionStarted,
    TaskChanged,
)
from pytest_execgo.models.plan import PlanStage
from pytest_execgo.models.task import TERMINAL


@dataclass(frozen=True)
class Moment:
    """A point of a trial that a condition may wait for, with the stage and task that reached it."""

    phase: Phase
    after: After = "phase_start"
    stage_id: str | None = None
    task_id: str | None = None


def moments(event: Event) -> Iterator[Moment]:
    """The moments that an event stands for; none for most events."""
    if isinstance(event, PlanningStarted):
        yield Moment("plan")
    elif isinstance(event, SubmissionStarted):
        yield Moment("submit", stage_id=event.stage_id)
        yield Moment("runtime", stage_id=event.stage_id)
    elif isinstance(event, TaskChanged) and event.status != "pending":
        after: After = "task_ended" if event.status in TERMINAL else "task_running"
        for phase in ("runtime", "poll"):
            yield Moment(phase, after, event.stage_id, event.task_id)
        yield Moment("poll", "phase_start", event.stage_id, event.task_id)
    elif isinstance(event, ChecksStarted):
        yield Moment("verify")


def scope_of(when: When) -> PlanScope:
    """The stages and tasks that a condition names."""
    return PlanScope(when.stage, when.task)


def is_met(when: When, moment: Moment) -> bool:
    """Whether the condition is true at ``moment``."""
    if (when.phase, when.after) != (moment.phase, moment.after):
        return False
    return moment.stage_id is None or scope_of(when).matches(moment.stage_id, moment.task_id)


def unmet_in(when: When, stages: Iterable[PlanStage]) -> str | None:
    """Why the condition can never be met in these stages: there is "no stage" or "no task" that it
    names. ``None`` if it can be met."""
    if when.phase == "verify":
        return None
    found = {stage.stage_id: stage for stage in stages}
    matching = [stage for name, stage in found.items() if fnmatchcase(name, when.stage)]
    if not matching:
        return f"no stage {when.stage!r}{choice(when.stage, found)}"
    tasks = [task.id for stage in matching for task in stage.task_graph.tasks]
    if not any(fnmatchcase(name, when.task) for name in tasks):
        place = "" if when.stage == "*" else f" in stage {when.stage!r}"
        return f"no task {when.task!r}{place}{choice(when.task, dict.fromkeys(tasks))}"
    return None


def in_words(when: When) -> str:
    """The condition for people."""
    return f"phase {when.phase}, stage {when.stage}, task {when.task}, {when.after}"
