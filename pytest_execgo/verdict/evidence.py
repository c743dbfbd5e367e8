"""Questions that the rules ask of a record: events by type, and when a service was unhealthy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import TypeVar

from pytest_execgo.models.events import (
    CheckEvaluated,
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
# A problem may have begun up to this long before the first health check that saw it.
_CHECK_MS = 250.0
# Longest delay between a task failing and our poll noticing.
_NOTICED_WITHIN_MS = 500.0


@dataclass(frozen=True)
class Window:
    """A span of the trial's clock in milliseconds."""

    start: float
    end: float


def _began(event: Health) -> float:
    """The earliest time at which the problem may have begun."""
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
        """The first failed state of each task, one per submission, without :meth:`demanded` ones."""
        seen: dict[str, TaskChanged] = {}
        demanded = self.demanded()
        for event in self.of(TaskChanged):
            if event.status == "failed" and event.task_id not in demanded:
                seen.setdefault(event.engine_task_id, event)
        return list(seen.values())

    def demanded(self) -> frozenset[str]:
        """The tasks that failed as a check demands (``status: failed``). Such a failure is a result of
        the plan, not a problem with a cause."""
        return frozenset(
            check.task
            for check in self.of(CheckEvaluated)
            if check.task and check.ok and check.kind == "task" and check.expected == "failed"
        )

    def failed_stages(self) -> list[StageFinished]:
        """The stages that did not succeed, without those in which only :meth:`demanded` tasks failed."""
        return [
            stage
            for stage in self.of(StageFinished)
            if stage.outcome != "succeeded" and not self._failed_as_demanded(stage)
        ]

    def _failed_as_demanded(self, stage: StageFinished) -> bool:
        failed = {
            event.task_id
            for event in self.of(TaskChanged)
            if event.stage_id == stage.stage_id and event.status == "failed"
        }
        return stage.outcome == "failed" and bool(failed) and failed <= self.demanded()

    def first_failure_at(self) -> float:
        """When the first stage ended without success; infinity if every stage succeeded. What fails
        later may be a consequence."""
        return min((stage.at_ms for stage in self.failed_stages()), default=inf)

    def health(self, service: str) -> list[Health]:
        """The problems of a service that health checks saw, in order of time."""
        return [e for e in self.events if isinstance(e, _HEALTH) and e.service == service]

    def unhealthy_windows(self, service: str) -> list[Window]:
        """When tasks may have failed because a service was unhealthy.

        Each window begins when the problem may have begun, and ends a short time after the service was
        seen healthy again (never, if it was not).
        """
        healthy = [e.at_ms for e in self.of(ServiceHealthy) if e.service == service]
        found = []
        for event in self.health(service):
            end = next((at for at in healthy if at > event.at_ms), inf)
            found.append(Window(_began(event), end + _NOTICED_WITHIN_MS))
        if service == "fixtures":
            found += self._fixtures_away() + self._fixtures_late()
            # A task may use a wrong answer at any time after it.
            found += [Window(event.at_ms, inf) for event in self.wrong_requests()]
        return found

    def wrong_requests(self) -> list[FixtureRequest]:
        """Requests that the server answered with other content than the fixture's."""
        return [event for event in self.of(FixtureRequest) if event.wrong]

    def _fixtures_away(self) -> list[Window]:
        """From each end of the server's process until it is ready again."""
        ready = [e.at_ms for e in self.of(ServiceReady) if e.service == "fixtures"]
        gone = [event.at_ms for event in self.exits("fixtures")]
        ends = (next((back for back in ready if back > at), inf) for at in gone)
        return [Window(at, end + _NOTICED_WITHIN_MS) for at, end in zip(gone, ends, strict=True)]

    def _fixtures_late(self) -> list[Window]:
        """While a client waited for a slow answer."""
        slow = [event for event in self.of(FixtureRequest) if event.slow]
        return [Window(e.at_ms, e.at_ms + e.duration_ms + _NOTICED_WITHIN_MS) for e in slow]

    def submitted_at(self, task: TaskChanged) -> float:
        """When ExecGo accepted the round of the task, which cannot have run before; minus infinity if
        that is not on record."""
        rounds = (e for e in self.of(Submitted) if task.task_id in e.task_ids)
        same = [e.at_ms for e in rounds if (e.stage_id, e.round) == (task.stage_id, task.round)]
        return min(same, default=-inf)

    def exits(self, service: str) -> list[ServiceExited]:
        """Each end of a process of the service."""
        return [event for event in self.of(ServiceExited) if event.service == service]
