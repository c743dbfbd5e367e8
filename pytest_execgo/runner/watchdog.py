"""Finds tasks that ExecGo calls running and that will never end, long before the stage's deadline.

:class:`Watchdog` collects what is observed of each unfinished task; :func:`find_stuck` decides. Both
take the time as an argument. Two observations show that a task is stuck:

- ``ended``: all processes that the runtime names for the task have ended, and the runtime, asked again
  and again, still answers that the task runs.
- ``overdue``: the task has run far beyond its own limit, and beyond the time that a runtime takes to end
  a task that ignores the first signal.

Only watched time counts: if a look at a task comes late, because this process or ExecGo was not
scheduled, what exceeds the normal interval is left out. So a slow machine delays the decision and does
not change it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard

from pytest_execgo.models.task import EngineTask, Task
from pytest_execgo.runner.client import SeenTask

QUIET_SECONDS = 1.0
"""Tasks that are not polled are looked at only when no task has changed for this long."""
LOOK_EVERY_SECONDS = 0.5
LONGEST_GAP_SECONDS = 2 * LOOK_EVERY_SECONDS
"""Of the time between two looks, at most this much counts."""
ENDED_SECONDS = 2.0
ENDED_ANSWERS = 4
"""The runtime must have answered this often after the processes were first seen ended."""
WITHOUT_HELPER_SECONDS = 4.0
"""Instead of ``ENDED_SECONDS``, if the runtime names no helper: who reports the end may still live."""
UNDATED_SECONDS = 16.0
"""Instead of both, if answers do not show when they were made. ExecGo gives up a request to the runtime
after 15 s, so it cannot show an answer that is older."""
OVERDUE_FACTOR = 1.5
OVERDUE_SECONDS = 10.0
"""A task is overdue when it has run for its limit times the factor, and this much longer. The runtime
itself gives a task 5 s to end after the first signal."""
QUEUED_SECONDS = 5.0
"""A task that could run, and has not begun for this long while nothing else moves, waits for a place
that stuck tasks keep."""
_FIRST_BACKOFF_MS = 100.0
_LONGEST_BACKOFF_MS = 10_000.0
_MOST_ATTEMPTS = 1000

How = Literal["ended", "overdue"]
ProcessesEnded = Callable[[Sequence[int]], bool]
"""Whether none of the runtime's processes with these ids exists; false if that cannot be observed."""


@dataclass(frozen=True)
class Observed:
    """What is known about one unfinished task; times in seconds of watching.

    ``waiting``: for another task. ``queued``: in ExecGo or in the runtime, for a place.
    ``running``: since it was first seen running. ``ended``: since its processes were first seen
    ended, with the number of answers of the runtime since then; ``needed`` is how long that must last.
    """

    name: str
    state: Literal["waiting", "queued", "running"]
    running: float = 0.0
    ended: float = 0.0
    answers: int = 0
    needed: float = ENDED_SECONDS
    limit_ms: float | None = None

    def stuck(self) -> How | None:
        """How the task shows that it is stuck; ``None`` if it does not."""
        if self.state != "running":
            return None
        if self.answers >= ENDED_ANSWERS and self.ended >= self.needed:
            return "ended"
        if self.limit_ms is None:
            return None
        overdue = self.limit_ms / 1000 * OVERDUE_FACTOR + OVERDUE_SECONDS
        return "overdue" if self.running >= overdue else None


@dataclass(frozen=True)
class StuckTask:
    """A task that will not end. ``watched_ms`` is the time of the observation that shows it."""

    name: str
    how: How
    watched_ms: float
    limit_ms: float | None


@dataclass(frozen=True)
class Standstill:
    """No task of the round will move again. ``queued``: tasks that could run and do not begin."""

    stuck: tuple[StuckTask, ...]
    queued: tuple[str, ...]


def find_stuck(tasks: Sequence[Observed], quiet: float) -> Standstill | None:
    """The decision about the unfinished tasks of a round.

    ``quiet`` is how long no task has changed, in seconds of watching. ``None`` while any task may still
    move: the others of a round are submitted again together with the stuck ones.
    """
    stuck = [(one, how) for one in tasks if (how := one.stuck())]
    if not stuck or quiet < QUIET_SECONDS:
        return None
    if len(stuck) < sum(one.state == "running" for one in tasks):
        return None
    queued = tuple(one.name for one in tasks if one.state == "queued")
    if queued and quiet < QUEUED_SECONDS:
        return None
    found = tuple(
        StuckTask(
            one.name, how, (one.ended if how == "ended" else one.running) * 1000, one.limit_ms
        )
        for one, how in stuck
    )
    return Standstill(found, queued)


@dataclass
class _Record:
    limit_ms: float | None
    parents: frozenset[str]
    state: Literal["waiting", "queued", "running"] = "waiting"
    looked_at: float | None = None
    running: float = 0.0
    ended: float = 0.0
    answers: int = 0
    seen: Any = None
    varies: bool = False
    """Whether answers about the running task differ, so that each shows that it is a new one."""


class Watchdog:
    """Watches the tasks of one round. ``now`` is in seconds on the monotonic clock."""

    def __init__(self, tasks: Iterable[Task], ended: ProcessesEnded, now: float) -> None:
        self._records = {
            task.id: _Record(own_limit_ms(task), frozenset(task.depends_on)) for task in tasks
        }
        self._ended = ended
        self._looked_at = self._quiet_at = now
        self._quiet = 0.0

    def due(self, now: float) -> bool:
        """Whether all unfinished tasks should be looked at now."""
        return now - self._quiet_at >= QUIET_SECONDS and (
            now - self._looked_at >= LOOK_EVERY_SECONDS
        )

    def moved(self, now: float) -> None:
        """A task changed its status."""
        self._quiet_at, self._quiet = now, 0.0

    def look(self, seen: Mapping[str, SeenTask], now: float) -> Standstill | None:
        """Take in a look at all unfinished tasks, and decide. ``seen`` maps their names to what ExecGo
        answered."""
        self._quiet += min(now - self._looked_at, LONGEST_GAP_SECONDS)
        self._looked_at = now
        observed = [self._observe(name, one, seen, now) for name, one in seen.items()]
        return find_stuck(observed, self._quiet)

    def _observe(
        self, name: str, seen: SeenTask, unfinished: Container[str], now: float
    ) -> Observed:
        record = self._records[name]
        state = _state(seen.task, ready=not any(parent in unfinished for parent in record.parents))
        if state != record.state:
            record.state, record.seen, record.looked_at = state, None, None
            record.running = record.ended = 0.0
            record.answers = 0
        if state == "running":
            self._watch(record, seen, now)
        return Observed(
            name,
            state,
            running=record.running,
            ended=record.ended,
            answers=record.answers,
            needed=_needed(seen.task, varies=record.varies),
            limit_ms=record.limit_ms,
        )

    def _watch(self, record: _Record, seen: SeenTask, now: float) -> None:
        """Count the time since the last look, if the answer is not the same one as before."""
        differs = record.seen is not None and seen.raw != record.seen
        record.varies = record.varies or differs
        new = differs or not record.varies
        gap = 0.0 if record.looked_at is None else min(now - record.looked_at, LONGEST_GAP_SECONDS)
        record.looked_at, record.seen = now, seen.raw
        if not new:
            return
        record.running += gap
        processes = named_processes(seen.task)
        if not processes or not self._ended(processes):
            record.ended, record.answers = 0.0, 0
            return
        # The first look only shows that the processes have ended. Later answers count.
        record.ended += gap if record.answers else 0.0
        record.answers += 1


def _state(task: EngineTask, *, ready: bool) -> Literal["waiting", "queued", "running"]:
    if task.status != "running":
        return "queued" if ready else "waiting"
    return "queued" if task.run_status == "accepted" else "running"


def named_processes(task: EngineTask) -> list[int]:
    """The processes that the runtime names for a running task, as ExecGo passes its answer on: the
    helper that waits for the task and reports its end (``shim_pid``), and the task's own (``pid``)."""
    output = task.runtime.output if task.runtime else None
    if not isinstance(output, dict) or output.get("status") != "running":
        return []
    return [pid for name in ("shim_pid", "pid") if _is_process(pid := output.get(name))]


def _needed(task: EngineTask, *, varies: bool) -> float:
    """How long the processes of a task must have ended before it counts as stuck, in seconds."""
    if not varies:
        return UNDATED_SECONDS
    output = task.runtime.output if task.runtime else None
    with_helper = isinstance(output, dict) and _is_process(output.get("shim_pid"))
    return ENDED_SECONDS if with_helper else WITHOUT_HELPER_SECONDS


def _is_process(value: Any) -> TypeGuard[int]:
    return type(value) is int and 0 < value < 2**31


def own_limit_ms(task: Task) -> float | None:
    """The time that a task may run by its own plan, all attempts and pauses included.

    The smaller of ``timeout`` and ``limits.wall_time_ms`` counts; ``None`` if it has neither.
    """
    limits = [float(task.timeout)] if task.timeout > 0 else []
    for payload in (task.input, task.params):
        found = payload.get("limits") if isinstance(payload, dict) else None
        wall = found.get("wall_time_ms") if isinstance(found, dict) else None
        if isinstance(wall, int | float) and not isinstance(wall, bool) and 0 < wall < 2**53:
            limits.append(float(wall))
    if not limits:
        return None
    retries = min(task.retry, _MOST_ATTEMPTS)
    pauses: float = sum(min(_FIRST_BACKOFF_MS * 2**n, _LONGEST_BACKOFF_MS) for n in range(retries))
    return min(limits) * (retries + 1) + pauses
