"""What the rules may ask of a record: facts by type, and when a service was not itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import TypeVar

from pytest_execgo.models.events import (
    Event,
    EvidenceEvent,
    FixtureRequest,
    LinkDegraded,
    ServiceExited,
    ServiceHealthy,
    ServiceLimited,
    ServiceReady,
    ServiceSilent,
    ServiceStopped,
    StageFinished,
    Submitted,
    TaskChanged,
)

E = TypeVar("E", bound=Event)
Health = ServiceStopped | ServiceSilent | ServiceLimited | LinkDegraded
_HEALTH = (ServiceStopped, ServiceSilent, ServiceLimited, LinkDegraded)
# How long ago a health check may have missed what the next one sees at once.
_CHECK_MS = 250.0
# From the failure of a task to the driver's look at it.
_NOTICED_WITHIN_MS = 500.0


@dataclass(frozen=True)
class Window:
    """A span of the trial's clock in milliseconds."""

    start: float
    end: float


def _began(event: Health) -> float:
    """Since when what a health check tells may have been so."""
    waited = event.waited_ms if isinstance(event, (ServiceSilent, LinkDegraded)) else 0.0
    return event.at_ms - max(waited, _CHECK_MS)


@dataclass(frozen=True)
class Evidence:
    """The evidence events of one trial, in order of time, by type."""

    events: Sequence[EvidenceEvent]

    def of(self, kind: type[E]) -> list[E]:
        """All events of one type."""
        return [event for event in self.events if isinstance(event, kind)]

    def failures(self) -> list[TaskChanged]:
        """The state in which each task failed, once per task and round."""
        seen: dict[str, TaskChanged] = {}
        for event in self.of(TaskChanged):
            if event.status == "failed":
                seen.setdefault(event.engine_task_id, event)
        return list(seen.values())

    def first_failure_at(self) -> float:
        """When the first stage ended otherwise than in success; infinity if none did. What fails
        after that may be a consequence."""
        ends = (e.at_ms for e in self.of(StageFinished) if e.outcome != "succeeded")
        return min(ends, default=inf)

    def health(self, service: str) -> list[Health]:
        """What was seen of a service from outside, in order of time."""
        return [e for e in self.events if isinstance(e, _HEALTH) and e.service == service]

    def unhealthy_windows(self, service: str) -> list[Window]:
        """When a service was not itself: from the last moment it was seen well to the first word
        that it is so again."""
        well = [e.at_ms for e in self.of(ServiceHealthy) if e.service == service]
        found = []
        for event in self.health(service):
            end = next((at for at in well if at > event.at_ms), inf)
            found.append(Window(_began(event), end + _NOTICED_WITHIN_MS))
        if service == "fixtures":
            found += self._fixtures_away() + self._fixtures_late()
            # What it answered wrongly stays wrong for those who read it.
            found += [Window(event.at_ms, inf) for event in self.wrong_requests()]
        return found

    def wrong_requests(self) -> list[FixtureRequest]:
        """Requests answered otherwise than the fixture itself would have answered."""
        return [event for event in self.of(FixtureRequest) if event.wrong]

    def _fixtures_away(self) -> list[Window]:
        """From the end of its process until it is ready again."""
        ready = [e.at_ms for e in self.of(ServiceReady) if e.service == "fixtures"]
        gone = [event.at_ms for event in self.exits("fixtures")]
        ends = (next((back for back in ready if back > at), inf) for at in gone)
        return [Window(at, end + _NOTICED_WITHIN_MS) for at, end in zip(gone, ends, strict=True)]

    def _fixtures_late(self) -> list[Window]:
        """While an answer that took too long was awaited."""
        slow = [event for event in self.of(FixtureRequest) if event.slow]
        return [Window(e.at_ms, e.at_ms + e.duration_ms + _NOTICED_WITHIN_MS) for e in slow]

    def submitted_at(self, task: TaskChanged) -> float:
        """When the round in which a task failed was accepted; before that it cannot have run."""
        rounds = (e for e in self.of(Submitted) if task.task_id in e.task_ids)
        same = [e.at_ms for e in rounds if (e.stage_id, e.round) == (task.stage_id, task.round)]
        return min(same, default=-inf)

    def exits(self, service: str) -> list[ServiceExited]:
        """The ends of a service's processes."""
        return [event for event in self.of(ServiceExited) if event.service == service]
