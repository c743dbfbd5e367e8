"""One stage on ExecGo: submit, poll, resubmit, and record how it ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from pytest_execgo.models.events import (
    CancelAsked,
    EngineContradiction,
    ResubmitDeclined,
    Resubmitted,
    StageFinished,
    StageOutcome,
    StageStarted,
    SubmitRejected,
    Submitted,
    TaskChanged,
    TaskLost,
    TaskStuck,
)
from pytest_execgo.models.plan import PlanStage
from pytest_execgo.models.task import EngineTask, TaskGraph
from pytest_execgo.runner import resubmit
from pytest_execgo.runner.client import ProtocolError, Rejected, SeenTask
from pytest_execgo.runner.collaborators import Collaborators, TrialTasks
from pytest_execgo.runner.compile import compile_graph, subgraph
from pytest_execgo.runner.engine import EngineGone, PatientEngine, RestartWatch
from pytest_execgo.runner.invariants import (
    about_other_task,
    children_first,
    never_started,
    older_answer,
    other_graph,
    other_payload,
)
from pytest_execgo.runner.task_events import contradicts, task_changed, task_output
from pytest_execgo.runner.watchdog import Standstill, StuckTask, Watchdog

POLL_BACKOFF_FACTOR = 1.5
CLOCK_TOLERANCE_MS, CLOCK_TOLERANCE_SHARE = 5.0, 0.001
"""How far the times of two clocks may differ. A wall clock that is corrected slowly gains or loses at
most 0.05 %."""
MOST_CHANGES = 1000
"""A task that changes more often in one round does not come from a working ExecGo. Each change is an
event and a snapshot."""
MOST_RESULT_BYTES = 32 * 1024 * 1024
"""Of all results of one trial together, which stay in memory for bindings and checks."""

INVALID_INPUT = "invalid_input"
"""The code of a task with an invalid payload, in ExecGo and in the runtime."""


@dataclass
class _Round:
    """One submission of the stage, or of a part of it. Keys are plan task ids."""

    number: int
    graph: TaskGraph
    engine_ids: dict[str, str]
    seen: dict[str, SeenTask] = field(default_factory=dict)
    """Each task as ExecGo last showed it."""
    last: dict[str, EngineTask] = field(default_factory=dict)
    """Each task as it was last recorded."""
    moves: int = 0
    """How often a task was first seen, was lost, or changed its status or its attempt."""
    ended: dict[str, str] = field(default_factory=dict)
    """The final status of each task that ended: a status of ExecGo, or ``lost``."""
    changes: Counter[str] = field(default_factory=Counter)
    interruptions: int = 0
    """How often ExecGo did not answer, as of its last answer: a new process may have another state."""
    standstill: Standstill | None = None
    """Set once the tasks that have not ended will never end."""

    def unfinished(self) -> list[str]:
        return [task.id for task in self.graph.tasks if task.id not in self.ended]

    def refused(self) -> list[str]:
        """The tasks whose payload ExecGo or the runtime refused as invalid."""
        failed = {name: task.runtime.error for name, task in self.last.items() if task.runtime}
        return [name for name, error in failed.items() if error and error.code == INVALID_INPUT]

    def unsuccessful(self) -> list[str]:
        return [task.id for task in self.graph.tasks if self.ended.get(task.id) != "success"]


class StageRun:
    """Runs one stage, once. The time of the stage, and with it its deadline, starts at construction."""

    def __init__(
        self, stage: PlanStage, tools: Collaborators, tasks: TrialTasks, restarts: RestartWatch
    ) -> None:
        self._stage, self._policy, self._tasks = stage, stage.submit_policy, tasks
        self._recorder, self._fleet = tools.recorder, tools.fleet
        self._chaos, self._clock, self._restarts = tools.chaos, tools.clock, restarts
        self._began, self._began_at = self._clock.monotonic(), self._clock.now()
        self._deadline = self._began + self._policy.deadline_ms / 1000
        self._engine = PatientEngine(tools, restarts, stage.stage_id, self._deadline)
        self._rounds: list[_Round] = []
        self._first_created: datetime | None = None
        self._last_updated: datetime | None = None

    def run(self, graph: TaskGraph) -> StageOutcome:
        """Submit ``graph`` (plan ids, bindings resolved) and follow its tasks until the stage ends."""
        names = tuple(task.id for task in graph.tasks)
        self._recorder.add(StageStarted(stage_id=self._stage.stage_id, tasks=names))
        outcome = self._outcome(graph)
        unfinished = self._rounds[-1].unfinished() if self._rounds else []
        duration_ms = (self._clock.monotonic() - self._began) * 1000
        self._recorder.add(
            StageFinished(
                stage_id=self._stage.stage_id,
                outcome=outcome,
                duration_ms=duration_ms,
                engine_time_ms=self._engine_time_ms(duration_ms),
                rounds=len(self._rounds),
                unfinished=tuple(unfinished),
            )
        )
        return outcome

    def _outcome(self, graph: TaskGraph) -> StageOutcome:
        try:
            return self._run_rounds(graph)
        except EngineGone:
            return "unreachable"
        except ProtocolError:
            return "failed"
        except Rejected as refusal:
            self._recorder.add(
                SubmitRejected(
                    stage_id=self._stage.stage_id,
                    round=len(self._rounds),
                    http_status=refusal.http_status,
                    message=refusal.message,
                )
            )
            return "rejected"

    def _run_rounds(self, graph: TaskGraph) -> StageOutcome:
        while True:
            current = self._submit(graph)
            ended = self._poll(current)
            place = self._stage.stage_id, current.number
            for contradiction in children_first(place, current.graph, current.last):
                self._recorder.add(contradiction)
            if not ended:
                return "stuck"
            unsuccessful = current.unsuccessful()
            if not unsuccessful:
                return "succeeded"
            if not self._may_resubmit(current, unsuccessful):
                if current.standstill:
                    return "stuck"
                return "lost" if "lost" in current.ended.values() else "failed"
            graph = subgraph(graph, unsuccessful)

    def _submit(self, graph: TaskGraph) -> _Round:
        number, stage_id = len(self._rounds), self._stage.stage_id
        compiled, ids = compile_graph(graph, self._tasks.prefix, stage_id, number)
        # Before the answer: ExecGo may accept the graph although its answer is lost.
        self._tasks.submitted.update(dict.fromkeys(ids.values()))
        accepted = self._engine.submit(compiled)
        self._recorder.add(Submitted(stage_id=stage_id, round=number, task_ids=ids))
        current = _Round(number, graph, ids)
        self._rounds.append(current)
        if accepted is not None:
            self._contradicted(other_graph((stage_id, number), list(ids.values()), accepted))
        return current

    def _may_resubmit(self, current: _Round, unsuccessful: list[str]) -> bool:
        """Wait until the next round can be submitted; ``False`` if there will be none."""
        began = self._clock.monotonic()
        decision: resubmit.Decision = resubmit.after_round(
            self._policy,
            current.number,
            now=began,
            deadline=self._deadline,
            queued=current.standstill.queued if current.standstill else (),
            refused=current.refused(),
        )
        if isinstance(decision, resubmit.Wait):
            self._give_up_stuck(current)
        while isinstance(decision, resubmit.Wait):
            self._clock.sleep(decision.milliseconds / 1000)
            unready = {name: self._fleet.will_return(name) for name in self._fleet.unready()}
            decision = resubmit.after_wait(
                unready, now=self._clock.monotonic(), deadline=self._deadline
            )
        if isinstance(decision, resubmit.Decline):
            self._recorder.add(
                ResubmitDeclined(stage_id=self._stage.stage_id, reason=decision.reason)
            )
            return False
        self._recorder.add(
            Resubmitted(
                stage_id=self._stage.stage_id,
                round=current.number + 1,
                tasks=tuple(unsuccessful),
                waited_ms=(self._clock.monotonic() - began) * 1000,
            )
        )
        return True

    # -- polling

    def _poll(self, current: _Round) -> bool:
        """Poll until every task has ended, or will not end (``current.standstill``); ``False`` if the
        deadline passes first.

        The interval is short after a change and grows while nothing changes.
        """
        watched = self._watched(current)
        watchdog = Watchdog(
            current.graph.tasks, self._fleet.processes_ended, self._clock.monotonic()
        )
        interval = self._policy.poll_interval_ms
        while True:
            unfinished = current.unfinished()
            # The stage cannot end while a sink is open: until then, its parents need not be polled.
            targets = [name for name in unfinished if name in watched] or unfinished
            moves = current.moves
            changed = self._look_at(current, targets)
            changed = self._give_up_orphans(current) or changed
            if not current.unfinished():
                return True
            if current.moves != moves:
                watchdog.moved(self._clock.monotonic())
            elif self._stands_still(current, watchdog):
                return True
            remaining = self._deadline - self._clock.monotonic()
            if remaining <= 0:
                self._look_at(current, current.unfinished())
                return not current.unfinished()
            interval = self._policy.poll_interval_ms if changed else self._longer(interval)
            sinks_have_ended = not any(name in watched for name in current.unfinished())
            if changed and sinks_have_ended:
                continue
            self._clock.sleep(min(interval / 1000, remaining))

    def _stands_still(self, current: _Round, watchdog: Watchdog) -> bool:
        """Whether no task of the round will move again; the stuck ones are then on record."""
        if not watchdog.due(self._clock.monotonic()):
            return False
        moves = current.moves
        self._look_at(current, current.unfinished())
        now = self._clock.monotonic()
        if current.moves != moves:
            watchdog.moved(now)
            return False
        seen = {name: current.seen[name] for name in current.unfinished() if name in current.seen}
        standstill = watchdog.look(seen, now)
        events = [self._stuck_event(current, one) for one in standstill.stuck] if standstill else []
        if any(event.contradicted for event in events):
            # The runtime may have ended the task just after ExecGo asked it for the last time.
            self._clock.sleep(2 * self._policy.max_poll_interval_ms / 1000)
            self._look_at(current, current.unfinished())
            if current.moves != moves:
                watchdog.moved(self._clock.monotonic())
                return False
        current.standstill = standstill
        for event in events:
            self._recorder.add(event)
        return standstill is not None

    def _stuck_event(self, current: _Round, stuck: StuckTask) -> TaskStuck:
        handle = current.seen[stuck.name].task.handle_id or None
        return TaskStuck(
            stage_id=self._stage.stage_id,
            round=current.number,
            task_id=stuck.name,
            engine_task_id=current.engine_ids[stuck.name],
            handle_id=handle,
            how=stuck.how,
            watched_ms=stuck.watched_ms,
            limit_ms=stuck.limit_ms,
            runtime_status=self._fleet.task_status(handle) if handle else None,
        )

    def _give_up_stuck(self, current: _Round) -> None:
        """Before stuck tasks are submitted again: ask the runtime to cancel those that may still run,
        and remove the records of tasks that wait for them, so that ExecGo never starts those."""
        stuck = (
            {one.name: one.how for one in current.standstill.stuck} if current.standstill else {}
        )
        for name in current.unfinished() if stuck else ():
            handle = current.seen[name].task.handle_id if name in current.seen else None
            if name not in stuck:
                self._engine.remove(current.engine_ids[name])
            elif handle and stuck[name] == "overdue":
                answer = self._fleet.cancel(handle)
                stage_id = self._stage.stage_id
                self._recorder.add(
                    CancelAsked(stage_id=stage_id, task_id=name, handle_id=handle, answer=answer)
                )

    def _watched(self, current: _Round) -> set[str]:
        """The tasks that are polled from the start: the sinks, or all tasks if a fault waits for one."""
        if self._chaos.watches_tasks(self._stage.stage_id):
            return set(current.engine_ids)
        return set(current.graph.sinks())

    def _longer(self, interval: int) -> int:
        """The next interval in milliseconds; ``+ 1`` lets the shortest ones grow, too."""
        return int(min(interval * POLL_BACKOFF_FACTOR + 1, self._policy.max_poll_interval_ms))

    def _look_at(self, current: _Round, names: Iterable[str]) -> bool:
        """Get tasks from ExecGo and record what changed; whether anything did."""
        changed = False
        for name in names:
            if self._engine.time_is_up():
                break
            seen = self._engine.get(current.engine_ids[name])
            if seen is None:
                changed = True
                self._lose(current, name, "forgotten")
            elif self._note(current, name, seen):
                changed = True
        return changed

    def _lose(self, current: _Round, name: str, how: Literal["forgotten", "orphaned"]) -> None:
        current.ended[name] = "lost"
        current.moves += 1
        self._tasks.results.pop(name, None)
        self._recorder.add(
            TaskLost(
                stage_id=self._stage.stage_id,
                round=current.number,
                task_id=name,
                engine_task_id=current.engine_ids[name],
                how=how,
            )
        )

    def _give_up_orphans(self, current: _Round) -> bool:
        """After a restart of ExecGo: declare the open tasks lost that the new process did not touch."""
        restarted_at = self._restarts.take_restart()
        if restarted_at is None:
            return False
        self._look_at(current, current.unfinished())
        orphans = [
            name for name in current.unfinished() if current.last[name].updated_at < restarted_at
        ]
        for name in orphans:
            self._lose(current, name, "orphaned")
        return bool(orphans)

    def _note(self, current: _Round, name: str, seen: SeenTask) -> bool:
        """Record a task if its state is new; whether it was."""
        task = seen.task
        current.seen[name] = seen
        if name in current.last and _state(current.last[name]) == _state(task):
            return False
        if name not in current.last or _progress(current.last[name]) != _progress(task):
            current.moves += 1
        current.changes[name] += 1
        if current.changes[name] > MOST_CHANGES:
            self._engine.broken(f"task {name} changed more than {MOST_CHANGES} times")
        self._tasks.sizes[name] = seen.size
        if sum(self._tasks.sizes.values()) > MOST_RESULT_BYTES:
            limit = f"{MOST_RESULT_BYTES // 1024**2} MB"
            self._engine.broken(f"the results of the trial are larger than {limit} together")
        place = self._stage.stage_id, current.number
        given = next(one for one in current.graph.tasks if one.id == name)
        if name not in current.last:
            self._contradicted(other_payload(place, given, task))
        if current.interruptions == self._engine.interruptions:
            self._contradicted(older_answer(place, name, current.last.get(name), task))
        current.interruptions = self._engine.interruptions
        current.last[name] = task
        self._tasks.results[name] = seen.raw
        self._tasks.submitted[current.engine_ids[name]] = task
        if self._first_created is None or task.created_at < self._first_created:
            self._first_created = task.created_at
        if self._last_updated is None or task.updated_at > self._last_updated:
            self._last_updated = task.updated_at
        self._recorder.snapshot(self._stage.stage_id, current.number, name, seen.raw)
        changed = self._recorder.add(task_changed(self._stage.stage_id, current.number, name, task))
        if task.terminal:
            self._contradicted(about_other_task(place, given, current.engine_ids[name], task))
            self._contradicted(never_started(place, name, task))
            if task.status == "failed" and name not in current.ended:
                self._note_output(changed, task)
            current.ended[name] = task.status
        return True

    def _contradicted(self, found: EngineContradiction | None) -> None:
        if found is not None:
            self._recorder.add(found)

    def _note_output(self, changed: TaskChanged, task: EngineTask) -> None:
        """Record what is known of the process of a task that failed. The runtime is asked only if that
        is not what ExecGo says."""
        output = task_output(changed, task, self._tasks.workspace)
        if (contradicts(output) or changed.error is None) and task.handle_id:
            status = self._fleet.task_status(task.handle_id)
            output = output.model_copy(update={"runtime_status": status})
        self._recorder.add(output)

    def _engine_time_ms(self, duration_ms: float) -> float | None:
        """From the first ``created_at`` to the last ``updated_at``, by the clock of ExecGo.

        ``None`` if that cannot be the time that passed: a wall clock was set during the stage.
        """
        if self._first_created is None or self._last_updated is None:
            return 0.0
        tolerance_ms = CLOCK_TOLERANCE_MS + duration_ms * CLOCK_TOLERANCE_SHARE
        passed_here_ms = _milliseconds(self._clock.now() - self._began_at)
        if abs(passed_here_ms - duration_ms) > tolerance_ms:
            return None
        engine_ms = _milliseconds(self._last_updated - self._first_created)
        return engine_ms if 0 <= engine_ms <= duration_ms + tolerance_ms else None


def _milliseconds(span: timedelta) -> float:
    return span.total_seconds() * 1000


def _state(task: EngineTask) -> tuple[Any, ...]:
    """What makes a task worth another event when it changes."""
    return *_progress(task), task.updated_at


def _progress(task: EngineTask) -> tuple[Any, ...]:
    """What shows that a task moves when it changes."""
    return task.status, task.run_status, task.runtime.attempt if task.runtime else 0
