"""ExecGo as a stage uses it: requests wait while ExecGo is unreachable."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NoReturn, TypeVar

from pytest_execgo.models.events import (
    EngineProtocolError,
    EngineReachable,
    EngineUnavailable,
    EngineUnreachable,
    Event,
)
from pytest_execgo.models.task import TaskGraph
from pytest_execgo.ports import Clock, FleetView
from pytest_execgo.runner.client import (
    REQUEST_TIMEOUT_SECONDS,
    EngineError,
    ProtocolError,
    SeenTask,
    Unavailable,
    Unreachable,
)
from pytest_execgo.runner.collaborators import Collaborators

T = TypeVar("T")
SERVICE = "execgo"
RETRY_EVERY_SECONDS = 0.02
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 1.0
"""The pauses after answers that ask to try again later, and after submissions that were lost: each is
twice as long as the one before."""
LAST_LOOK_SECONDS = 1.0
"""After the deadline, all requests of the last look at the tasks have this much time together. Before
it, it is the shortest timeout of a request."""
_MOST_DOUBLINGS = 10
CUT_OFF_ANSWERS = 3
"""One answer that ends too early can mean that ExecGo was killed; this many mean a broken one."""
RESUME_WITHIN_SECONDS = 1.0
"""How long a restarted ExecGo has to touch the tasks that were open before. The real ExecGo resumes
none of them, and does not report it."""


def _pause(before: int) -> float:
    """Seconds to wait after so many pauses before."""
    return float(
        min(FIRST_PAUSE_SECONDS * 2 ** min(before, _MOST_DOUBLINGS), LONGEST_PAUSE_SECONDS)
    )


class EngineGone(EngineError):
    """ExecGo does not answer, and will not answer before the deadline of the stage."""


class RestartWatch:
    """Detects during one trial that ExecGo was restarted: its process has another identity."""

    def __init__(self, fleet: FleetView, clock: Clock) -> None:
        self._fleet, self._clock = fleet, clock
        self._identity = fleet.identity(SERVICE)
        self._restarted_at: datetime | None = None

    def check(self) -> None:
        """Compare the identity with the last known one; called when ExecGo answers again."""
        identity = self._fleet.identity(SERVICE)
        if identity != self._identity:
            self._identity, self._restarted_at = identity, self._clock.now()

    def take_restart(self) -> datetime | None:
        """When a restart was detected, once the new process had time to resume its tasks.

        Each restart is returned once; otherwise ``None``.
        """
        restarted_at = self._restarted_at
        if restarted_at is None:
            return None
        if (self._clock.now() - restarted_at).total_seconds() < RESUME_WITHIN_SECONDS:
            return None
        self._restarted_at = None
        return restarted_at


class PatientEngine:
    """ExecGo during one stage. ``deadline`` is in seconds on the monotonic clock.

    Each request is repeated until ExecGo answers it. It raises :class:`EngineGone` when no answer can be
    expected before the deadline, and :class:`ProtocolError`, which is then on record.
    """

    def __init__(
        self, tools: Collaborators, restarts: RestartWatch, stage_id: str, deadline: float
    ) -> None:
        self._client, self._recorder = tools.client, tools.recorder
        self._fleet, self._clock = tools.fleet, tools.clock
        self._restarts, self._stage_id, self._deadline = restarts, stage_id, deadline
        self.interruptions = 0
        """How often a request got no answer. Another process of ExecGo may answer the next one."""
        self._waiting_for: type[Event] | None = None
        self._cut_off = 0
        self._put_off = 0

    def time_is_up(self) -> bool:
        """Whether the time for the last look has passed, too."""
        return self._remaining() <= -LAST_LOOK_SECONDS

    def broken(self, message: str) -> NoReturn:
        """Record and raise a :class:`ProtocolError`."""
        error = ProtocolError(message)
        self._record(error)
        raise error

    def submit(self, graph: TaskGraph) -> list[str] | None:
        """Submit ``graph`` (engine ids) and return once ExecGo has accepted it: the ids that it names,
        or ``None`` if its answer was lost.

        Raises :class:`pytest_execgo.runner.client.Rejected` for a refusal.
        """
        lost = 0
        while True:
            accepted = None
            try:
                accepted = self._client.submit(graph, timeout=self._timeout())
            except ProtocolError as error:
                self._record(error)
                raise
            except Unreachable as error:
                self._wait(error)
                if error.refused:
                    continue
                # The graph may have been accepted although the answer was lost.
                if not self._has_first_task(graph):
                    # ExecGo answers other requests, so at once, this one would be lost again.
                    self._clock.sleep(min(_pause(lost), max(0.0, self._remaining())))
                    lost += 1
                    continue
            except Unavailable as error:
                self._wait_until_available(error)
                if not error.undecided or not self._has_first_task(graph):
                    continue
            self._answered()
            return accepted

    def get(self, engine_task_id: str) -> SeenTask | None:
        """A task as ExecGo shows it; ``None`` if ExecGo does not know it."""
        return self._answer_to(lambda timeout: self._client.get(engine_task_id, timeout=timeout))

    def remove(self, engine_task_id: str) -> None:
        """Remove the record of a task, so that ExecGo does not start it."""
        self._answer_to(lambda timeout: self._client.delete(engine_task_id, timeout=timeout))

    def _answer_to(self, request: Callable[[float], T]) -> T:
        """The answer to a request that can be repeated without harm; it takes its timeout."""
        while True:
            try:
                answer = request(self._timeout())
            except ProtocolError as error:
                self._record(error)
                raise
            except Unreachable as error:
                self._wait(error)
            except Unavailable as error:
                self._wait_until_available(error)
            else:
                self._answered()
                return answer

    def _has_first_task(self, graph: TaskGraph) -> bool:
        return bool(graph.tasks) and self.get(graph.tasks[0].id) is not None

    def _timeout(self) -> float:
        """Seconds for one request: a slow ExecGo must not delay the stage past its deadline."""
        if self.time_is_up():
            raise EngineGone("the deadline of the stage has passed")
        remaining = self._remaining()
        last_look = min(LAST_LOOK_SECONDS, remaining + LAST_LOOK_SECONDS)
        return min(REQUEST_TIMEOUT_SECONDS, max(last_look, remaining))

    def _remaining(self) -> float:
        return self._deadline - self._clock.monotonic()

    def _wait(self, error: Unreachable) -> None:
        self.interruptions += 1
        self._cut_off = self._cut_off + 1 if error.cut_off else 0
        if self._cut_off >= CUT_OFF_ANSWERS:
            self.broken(f"{error} ({self._cut_off} times in a row)")
        self._once(EngineUnreachable(stage_id=self._stage_id, message=str(error)))
        if not self._fleet.will_return(SERVICE) or self._remaining() <= 0:
            raise EngineGone(str(error))
        self._clock.sleep(RETRY_EVERY_SECONDS)

    def _wait_until_available(self, error: Unavailable) -> None:
        """Wait as long as the answer asks for, or longer each time, but not past the deadline."""
        event = EngineUnavailable(
            stage_id=self._stage_id, http_status=error.http_status, message=str(error)
        )
        self._once(event)
        remaining = self._remaining()
        if remaining <= 0:
            raise EngineGone(str(error))
        pause = _pause(self._put_off)
        self._put_off += 1
        self._cut_off = 0
        self._clock.sleep(min(max(pause, error.retry_after or 0.0), remaining))

    def _once(self, event: EngineUnreachable | EngineUnavailable) -> None:
        """Record the first of several such events in a row."""
        if self._waiting_for is not type(event):
            self._waiting_for = type(event)
            self._recorder.add(event)

    def _answered(self) -> None:
        self._cut_off = self._put_off = 0
        if self._waiting_for is not None:
            self._waiting_for = None
            self._recorder.add(EngineReachable(stage_id=self._stage_id))
            self._restarts.check()

    def _record(self, error: ProtocolError) -> None:
        self._recorder.add(EngineProtocolError(stage_id=self._stage_id, message=str(error)))
