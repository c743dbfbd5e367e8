"""What the links to the services forwarded in a trial, and how its connections ended, as events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from pytest_execgo.models.events import LinkProblem, LinkUsed
from pytest_execgo.observability.recorder import TimelineRecorder
from pytest_execgo.system.clock import monotonic
from pytest_execgo.transport.ledger import Traffic


class Counting(Protocol):
    """A link that counts what it forwards."""

    def begin_ledger(self) -> None:
        """Set all counts to zero. Of connections that are open, only what follows counts."""

    def traffic(self) -> Traffic:
        """What it forwarded since then."""


class LinkUse:
    """Counts from its creation on. ``links`` maps names of services to their links."""

    def __init__(self, links: Mapping[str, Counting], recorder: TimelineRecorder) -> None:
        self._links, self._recorder = links, recorder
        for link in links.values():
            link.begin_ledger()

    def record(self) -> None:
        """Record one event for each link that was used."""
        for service, link in self._links.items():
            found = link.traffic()
            if found.connections:
                self._recorder.add(self._event(service, found))

    def _event(self, service: str, found: Traffic) -> LinkUsed:
        now, elapsed = monotonic(), self._recorder.elapsed_ms()
        problems = tuple(
            LinkProblem(
                how=one.how,
                at_ms=round(max(0.0, elapsed - (now - one.at) * 1000), 1),
                waited_ms=round(one.waited * 1000, 1),
            )
            for one in found.problems
        )
        return LinkUsed(
            service=service,
            connections=found.connections,
            request_bytes=found.asked,
            request_bytes_passed_on=found.passed_on,
            answer_bytes=found.answered,
            answer_bytes_passed_on=found.delivered,
            slowest_first_byte_ms=round(found.first_byte * 1000, 1),
            longest_ms=round(found.longest * 1000, 1),
            problems=problems,
        )
