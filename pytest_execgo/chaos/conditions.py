"""When a fault is injected: which events make its condition true."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pytest_execgo.chaos.action import PlanScope
from pytest_execgo.models.chaos import After, Phase, When
from pytest_execgo.models.events import (
    ChecksStarted,
    Event,
    PlanningStarted,
    SubmissionStarted,
    TaskChanged,
)
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


def in_words(when: When) -> str:
    """The condition for people."""
    return f"phase {when.phase}, stage {when.stage}, task {when.task}, {when.after}"
