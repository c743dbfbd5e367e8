"""Events about services during a trial: reported by the fleet, and seen by health checks."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

from pytest_execgo.models.events import (
    EvidenceEvent,
    LinkDegraded,
    ObserverStarved,
    ServiceExited,
    ServiceHealthy,
    ServiceLimited,
    ServiceReady,
    ServiceSilent,
    ServiceStopped,
)
from pytest_execgo.observability.recorder import TimelineRecorder
from pytest_execgo.system.clock import monotonic
from pytest_execgo.transport.bounded import BadAnswer, NoAnswer, fetch

PROBE_EVERY_SECONDS = 0.08
PROBE_TIMEOUT_SECONDS = 0.3
# Longer than a direct check, so that a slow link does not look broken.
LINK_TIMEOUT_SECONDS = 0.6
# A busy machine can make a single check late, so a cause needs two late checks in a row.
IN_A_ROW = 2
HEALTHY_IN_A_ROW = 3
STARVED_SECONDS = 0.15
LINK_STARVED_SECONDS = 0.05
GAP_SECONDS = 0.5
"""If this process stood still for longer, its observers may have missed what a fault did."""
_BEAT_SECONDS = 0.1
_LARGEST_HEALTH = 1024 * 1024
SLOWER_BY_MS = 150.0


class ServiceMonitor:
    """Watches a fleet on behalf of one trial; the fleet calls it from its own threads."""

    def __init__(self, recorder: TimelineRecorder) -> None:
        self._recorder = recorder

    def service_exited(self, end: ServiceExited, at: float | None = None) -> None:
        """A process ended without a request of the fleet. ``at``: seconds since the epoch."""
        self._recorder.add(end, None if at is None else self._recorder.at_wall(at))

    def service_ready(self, service: str, pid: int | None) -> None:
        """A service answers (again)."""
        self._recorder.add(ServiceReady(service=service, pid=pid))


class Probed(Protocol):
    """What the prober needs of a service."""

    name: str

    @property
    def pid(self) -> int | None:
        """Its process on this machine; ``None`` if it runs elsewhere."""

    @property
    def health_url(self) -> str:
        """The URL of its readiness check, without a link."""

    def running(self) -> bool:
        """Whether its process is alive."""

    def state(self) -> tuple[bool, dict[str, str]]:
        """Whether its process is stopped, and its limits by resource, as the operating system reports
        them."""


class ProbedLink(Protocol):
    """What the prober needs of a link: its base URL for health checks, and by how many seconds the link
    itself was late at most since the last call."""

    probe_url: str

    def take_lateness(self) -> float: ...


@dataclass(frozen=True)
class ProbeResult:
    """One health check: its time in milliseconds, or why there was no answer."""

    ms: float | None
    failure: str = ""
    timed_out: bool = False


class HealthProber:
    """Watches services from outside while a trial runs. Like a user's monitoring, it does not know the
    faults.

    One thread per service sends a request directly and, if the service has a link, over the link. It
    also asks the operating system about the process. ``links`` maps names of services to their links.
    """

    def __init__(
        self,
        services: Sequence[Probed],
        links: Mapping[str, ProbedLink],
        recorder: TimelineRecorder,
    ) -> None:
        self._lock = threading.Lock()
        self._recorder = recorder
        self._done = threading.Event()
        for service in services:
            watch = _Watch(service, links.get(service.name), service.state()[1])
            threading.Thread(target=self._follow, args=(watch,), daemon=True).start()
        threading.Thread(target=self._beat, daemon=True).start()

    def stop(self) -> None:
        """Stop watching. Nothing is recorded after this returns."""
        with self._lock:
            self._done.set()

    def _beat(self) -> None:
        """Record each time in which this process stood still."""
        last = monotonic()
        while not self._done.wait(_BEAT_SECONDS):
            now = monotonic()
            gap, last = now - last, now
            if gap > GAP_SECONDS:
                self._record(ObserverStarved(gap_ms=round(gap * 1000, 1)))

    def _record(self, event: EvidenceEvent) -> None:
        with self._lock:
            if not self._done.is_set():
                self._recorder.add(event)

    def _follow(self, watch: _Watch) -> None:
        asleep = monotonic()
        while not self._done.wait(PROBE_EVERY_SECONDS):
            # If this process itself was not scheduled, a late answer proves nothing about a service.
            starved = monotonic() - asleep > PROBE_EVERY_SECONDS + STARVED_SECONDS
            for event in watch.look(starved=starved):
                self._record(event)
            asleep = monotonic()


@dataclass
class _Watch:
    """The state of one service. Each problem is reported once until the service is healthy again."""

    service: Probed
    link: ProbedLink | None
    limits: dict[str, str]
    reported: set[str] = field(default_factory=set)
    silent: int = 0
    broken: int = 0
    slow: int = 0
    good: int = 0
    answered_at: float = field(default_factory=monotonic)
    reached_at: float = field(default_factory=monotonic)
    answering: int | None = field(init=False)
    """The process that answered last. A new process that is still starting is not silent."""
    answered: bool = field(init=False)

    def __post_init__(self) -> None:
        self.answering = self.service.pid
        # A remote service may be out of reach for the prober: only one that has answered can be silent.
        self.answered = self.service.pid is not None

    def look(self, *, starved: bool = False) -> list[EvidenceEvent]:
        """One round of checks. ``starved``: this process itself was late, so late answers do not count
        in this round."""
        pid = self.service.pid
        if pid is not None and not self.service.running():
            self.silent = self.broken = self.slow = self.good = 0
            self.answered_at = monotonic()
            return []
        events, unhealthy = self._process(pid) if pid is not None else ([], False)
        direct = ask(self.service.health_url)
        events += self._silence(direct, starved=starved)
        unhealthy = unhealthy or direct.ms is None
        if direct.ms is None:
            self.broken = self.slow = 0
        elif self.link is not None:
            found, worse = self._through_link(self.link, direct.ms, starved=starved)
            events, unhealthy = events + found, unhealthy or worse
        return events + self._recovered(unhealthy=unhealthy)

    def _process(self, pid: int) -> tuple[list[EvidenceEvent], bool]:
        events: list[EvidenceEvent] = []
        name, unhealthy = self.service.name, False
        stopped, limits = self.service.state()
        if stopped:
            unhealthy = True
            if self._first("stopped"):
                events.append(ServiceStopped(service=name, pid=pid))
        # Many programs raise a limit of their own when they start.
        for resource, limit in limits.items() if self.answering == pid else ():
            if self.limits.get(resource, limit) == limit:
                continue
            unhealthy = True
            if self._first(resource):
                events.append(ServiceLimited(service=name, resource=resource, limit=limit))
        return events, unhealthy

    def _silence(self, answer: ProbeResult, *, starved: bool) -> list[EvidenceEvent]:
        if answer.ms is not None:
            self.silent, self.answered_at, self.answered = 0, monotonic(), True
            self.answering = self.service.pid
            return []
        if starved or not self.answered or self.answering != self.service.pid:
            return []
        self.silent += 1
        if self.silent < IN_A_ROW or not self.service.running() or not self._first("silent"):
            return []
        waited = (monotonic() - self.answered_at) * 1000
        event = ServiceSilent(
            service=self.service.name, waited_ms=round(waited, 1), message=answer.failure
        )
        return [event]

    def _through_link(
        self, link: ProbedLink, direct_ms: float, *, starved: bool
    ) -> tuple[list[EvidenceEvent], bool]:
        """Compare the link with the service itself at the same time, because load slows both down."""
        link.take_lateness()
        answer = ask(link.probe_url + urlsplit(self.service.health_url).path, LINK_TIMEOUT_SECONDS)
        # A link that was not scheduled proves nothing about the network.
        starved = starved or link.take_lateness() > LINK_STARVED_SECONDS
        if answer.ms is None:
            # If the service itself went away between the two requests, the link is not to blame.
            pid, again = self.service.pid, ask(self.service.health_url)
            if again.ms is None or pid != self.service.pid or not self.service.running():
                return [], True
        slow = answer.ms is not None and answer.ms - direct_ms > SLOWER_BY_MS
        late = slow or answer.timed_out
        if late and starved:
            # A request that never came back proves nothing, but to pass over it would hide a fault.
            return [self._unclear()] if answer.timed_out else [], True
        self.broken = self.broken + 1 if answer.ms is None else 0
        self.slow = self.slow + 1 if slow else 0
        # One reset is enough, because load does not cause it. Late answers must be seen twice.
        reset = bool(self.broken) and not answer.timed_out
        if (reset or self.broken >= IN_A_ROW) and self._first("broken"):
            return [self._degraded("broken", direct_ms, answer)], True
        if self.slow >= IN_A_ROW and self._first("slow"):
            return [self._degraded("slow", direct_ms, answer)], True
        if not late and answer.ms is not None:
            self.reached_at = monotonic()
        return [], late or answer.ms is None

    def _unclear(self) -> ObserverStarved:
        return ObserverStarved(gap_ms=round((monotonic() - self.reached_at) * 1000, 1))

    def _degraded(self, how: str, direct_ms: float, link: ProbeResult) -> LinkDegraded:
        return LinkDegraded.model_validate(
            {
                "service": self.service.name,
                "how": how,
                "link_ms": link.ms,
                "direct_ms": direct_ms,
                "waited_ms": round((monotonic() - self.reached_at) * 1000, 1),
                "message": link.failure or "late",
            }
        )

    def _recovered(self, *, unhealthy: bool) -> list[EvidenceEvent]:
        self.good = 0 if unhealthy else self.good + 1
        if self.reported and self.good >= HEALTHY_IN_A_ROW:
            self.reported.clear()
            return [ServiceHealthy(service=self.service.name)]
        return []

    def _first(self, what: str) -> bool:
        new = what not in self.reported
        self.reported.add(what)
        return new


def ask(url: str, timeout: float = PROBE_TIMEOUT_SECONDS) -> ProbeResult:
    """One GET on a new connection. Any complete answer counts, whatever its status and content."""
    began = monotonic()
    try:
        fetch("GET", url, timeout=timeout, max_body_bytes=_LARGEST_HEALTH)
    except NoAnswer as error:
        if error.late:
            return ProbeResult(None, f"no answer within {timeout * 1000:.0f} ms", timed_out=True)
        return ProbeResult(None, type(error.__cause__ or error).__name__)
    except BadAnswer as error:
        return ProbeResult(None, str(error))
    return ProbeResult(round((monotonic() - began) * 1000, 3))
