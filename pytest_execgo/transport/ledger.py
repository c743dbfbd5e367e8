"""What the two ends of forwarded connections did: bytes each way, times, and how each one ended."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from pytest_execgo.system.clock import monotonic

End = Literal["client", "service", "service_reset", "refused", "link"]
"""Which end closed a connection first. ``refused``: the service did not accept it. ``link``: neither end
closed it, and yet it is over."""
ProblemKind = Literal["refused", "reset", "unanswered", "abandoned", "lost"]
_MOST_PROBLEMS = 20


@dataclass(frozen=True)
class Unanswered:
    """A connection on which a request got no answer.

    ``refused``: the service did not accept the connection. ``reset``: the service reset it.
    ``unanswered``: the service closed it without an answer. ``abandoned``: the client closed it while it
    waited. ``lost``: what one end sent did not reach the other one. ``at`` is its end on the monotonic
    clock, and ``waited`` the time since the request, both in seconds.
    """

    how: ProblemKind
    at: float
    waited: float


@dataclass
class Connection:
    """One connection. ``asked``: bytes from the client; ``passed_on``: those of them that the service
    got. ``answered`` and ``delivered``: the same for the other way. Times are seconds on the monotonic
    clock."""

    opened: float = 0.0
    asked: int = 0
    passed_on: int = 0
    answered: int = 0
    delivered: int = 0
    asked_at: float | None = None
    """When the request came that waits for its answer; ``None`` if none does."""
    first_byte: float = 0.0
    """The longest time from a request to the first byte of its answer, in seconds."""
    end: End | None = None
    ended_at: float = 0.0

    def ask(self, size: int) -> None:
        """The client sent bytes."""
        self.asked += size
        self.asked_at = self.asked_at or monotonic()

    def answer(self, size: int) -> None:
        """The service sent bytes."""
        self.answered += size
        if self.asked_at is not None:
            self.first_byte = max(self.first_byte, monotonic() - self.asked_at)
            self.asked_at = None

    def close(self, end: End) -> None:
        """Note which end closed it; only the first call counts."""
        if self.end is None:
            self.end, self.ended_at = end, monotonic()

    def problem(self) -> Unanswered | None:
        """What was wrong with its end; ``None`` if nothing was, or if it is still open."""
        how: ProblemKind
        if self.end is None:
            return None
        if self.end == "refused":
            how = "refused"
        elif self.end == "link" or self.asked > self.passed_on:
            how = "lost"
        elif self.end == "service_reset":
            how = "reset"
        elif self.asked_at is None:
            return None
        else:
            how = "unanswered" if self.end == "service" else "abandoned"
        waited = self.ended_at - (self.asked_at or self.ended_at)
        # A request may come after the end.
        return Unanswered(how, self.ended_at, max(0.0, waited))


@dataclass(frozen=True)
class Traffic:
    """What a link forwarded since :meth:`Ledger.begin`. Bytes as in :class:`Connection`; times in
    seconds: the longest until the first byte of an answer, and the longest that a connection was open.
    ``problems``: the first 20."""

    connections: int = 0
    asked: int = 0
    passed_on: int = 0
    answered: int = 0
    delivered: int = 0
    first_byte: float = 0.0
    longest: float = 0.0
    problems: tuple[Unanswered, ...] = ()

    def plus(self, one: Connection, before: Connection) -> Traffic:
        """With another connection, from its state ``before``."""
        problem = one.problem()
        few = len(self.problems) < _MOST_PROBLEMS
        return Traffic(
            self.connections + 1,
            self.asked + one.asked - before.asked,
            self.passed_on + one.passed_on - before.passed_on,
            self.answered + one.answered - before.answered,
            self.delivered + one.delivered - before.delivered,
            max(self.first_byte, one.first_byte),
            max(self.longest, (one.ended_at or monotonic()) - max(one.opened, before.opened)),
            (*self.problems, problem) if problem and few else self.problems,
        )


class Ledger:
    """The connections of one link. Not safe for threads: its methods run on the loop of the link."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[Connection, Connection]] = {}
        self._closed = Traffic()

    def opened(self) -> Connection:
        """A client connects."""
        one = Connection(opened=monotonic())
        self._open[id(one)] = (one, replace(one))
        return one

    def closed(self, one: Connection) -> None:
        """The connection is over."""
        _, before = self._open.pop(id(one))
        one.close("link")
        self._closed = self._closed.plus(one, before)

    def begin(self) -> None:
        """Count from now on. Of connections that are open, only what follows counts."""
        self._closed = Traffic()
        for one, _ in self._open.values():
            one.first_byte = 0.0
        now = monotonic()
        self._open = {key: (one, replace(one, opened=now)) for key, (one, _) in self._open.items()}

    def traffic(self) -> Traffic:
        """What was forwarded since :meth:`begin`; connections that were not used are left out."""
        found = self._closed
        for one, before in self._open.values():
            if (one.asked, one.answered) != (before.asked, before.answered):
                found = found.plus(one, before)
        return found
