"""What the two ends of forwarded connections did: bytes each way, times, and how each one ended."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from pytest_execgo.system.clock import monotonic

End = Literal["client", "service", "service_reset", "refused", "unknown"]
"""Which end closed a connection first. ``refused``: the service did not accept it."""
ProblemKind = Literal["refused", "reset", "unanswered", "abandoned"]
_MOST_PROBLEMS = 20
# Bytes that follow an answer so soon belong to the request before it.
_REST_SECONDS = 0.05


@dataclass(frozen=True)
class Unanswered:
    """A connection that ended while a request waited for its answer.

    ``refused``: the service did not accept the connection. ``reset``: the service reset it.
    ``abandoned``: the client closed it. ``unanswered``: it ended otherwise. ``at`` is its end on the
    monotonic clock, and ``waited`` the time since the request, both in seconds.
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
    answered_at: float | None = None
    first_byte: float = 0.0
    """The longest time from a request to the first byte of its answer, in seconds."""
    end: End | None = None
    ended_at: float = 0.0

    def ask(self, size: int) -> None:
        """Note ``size`` bytes from the client. From the first of them on, a request waits."""
        self.asked += size
        now = monotonic()
        # A service may answer before it has read the whole request.
        rest = self.answered_at is not None and now - self.answered_at < _REST_SECONDS
        # A request on a connection that the service has closed is repeated on another one.
        if self.asked_at is None and self.end is None and not rest:
            self.asked_at = now

    def answer(self, size: int) -> None:
        """Note ``size`` bytes from the service. With the first of them, no request waits any more."""
        self.answered += size
        self.answered_at = monotonic()
        if self.asked_at is not None:
            self.first_byte = max(self.first_byte, self.answered_at - self.asked_at)
            self.asked_at = None

    def close(self, end: End) -> None:
        """Note which end closed it; only the first call counts."""
        if self.end is None:
            self.end, self.ended_at = end, monotonic()

    def problem(self) -> Unanswered | None:
        """How it ended, if a request waited on it then; ``None`` if none did, or if it is open."""
        if self.end == "refused":
            return Unanswered("refused", self.ended_at, 0.0)
        if self.end is None or self.asked_at is None:
            return None
        kinds: dict[End, ProblemKind] = {"service_reset": "reset", "client": "abandoned"}
        how = kinds.get(self.end, "unanswered")
        return Unanswered(how, self.ended_at, self.ended_at - self.asked_at)


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
        """With another connection, from its state ``before``; without it if it was not used since."""
        problem = one.problem()
        used = (one.asked, one.answered) != (before.asked, before.answered)
        if not used and one.end != "refused":
            return self
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
        one.close("unknown")
        self._closed = self._closed.plus(one, before)

    def begin(self) -> None:
        """Count from now on. Of connections that are open, only what follows counts."""
        self._closed = Traffic()
        now = monotonic()
        for one, _ in self._open.values():
            one.first_byte, one.asked_at = 0.0, None
        self._open = {key: (one, replace(one, opened=now)) for key, (one, _) in self._open.items()}

    def traffic(self) -> Traffic:
        """What was forwarded since :meth:`begin`; connections that were not used are left out."""
        found = self._closed
        for one, before in self._open.values():
            found = found.plus(one, before)
        return found
