"""One stage on ExecGo: submit, poll, recover, and say how it ended."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic, sleep
from typing import Any, Literal

from pytest_execgo.models.events import (
    EngineProtocolError,
    EngineReachable,
    EngineUnreachable,
    ResubmitDeclined,
    Resubmitted,
    StageFinished,
    StageOutcome,
    StageStarted,
    SubmitRejected,
    Submitted,
    TaskChanged,
    TaskError,
    TaskLost,
)
from pytest_execgo.models.plan import PlanStage
from pytest_execgo.models.task import EngineTask, Task, TaskGraph
from pytest_execgo.runner.client import (
    REQUEST_TIMEOUT_SECONDS,
    ExecgoClient,
    ProtocolError,
    Rejected,
    SeenTask,
    Unreachable,
)
from pytest_execgo.runner.protocols import Chaos, Services, TimelineRecorder

MAX_ID_LENGTH = 200
_BACKOFF_FACTOR = 1.5
_WHILE_UNREACHABLE_SECONDS = 0.02
_LAST_LOOK_SECONDS = 1.0
# How long an ExecGo that was started anew has to touch the tasks that were open before. The real one
# resumes none, and never says so.
_RESUME_WITHIN_SECONDS = 1.0


class _Ended(Exception):
    """The stage cannot go on; carries its outcome."""

    def __init__(self, outcome: StageOutcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


@dataclass
class _Round:
    """One submission of (part of) the stage."""

    number: int
    graph: TaskGraph
    engine_ids: dict[str, str]
    states: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    ended: dict[str, str] = field(default_factory=dict)

    def open_tasks(self) -> list[str]:
        return [task.id for task in self.graph.tasks if task.id not in self.ended]

    def unsuccessful(self) -> list[str]:
        return [t.id for t in self.graph.tasks if self.ended.get(t.id) != "success"]


def engine_id(prefix: str, stage_id: str, task_id: str, round_: int) -> str:
    """The id under which a task goes to ExecGo: unique per run, trial, stage and round, made of
    ``[A-Za-z0-9._-]`` (a runtime takes nothing else), at most 200 characters."""
    name = f"{prefix}.{stage_id}.{task_id}" + (f".r{round_}" if round_ else "")
    if len(name) <= MAX_ID_LENGTH:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"{name[: MAX_ID_LENGTH - 17]}-{digest}"


def compile_graph(
    graph: TaskGraph, prefix: str, stage_id: str, round_: int
) -> tuple[TaskGraph, dict[str, str]]:
    """The graph with engine ids, and the map from plan ids to them.

    A dependency on a task outside the graph is passed on as it is: judging plans is ExecGo's part.
    """
    ids = {task.id: engine_id(prefix, stage_id, task.id, round_) for task in graph.tasks}
    tasks = [
        task.model_copy(
            update={
                "id": ids[task.id],
                "depends_on": tuple(ids.get(dep, dep) for dep in task.depends_on),
            }
        )
        for task in graph.tasks
    ]
    return TaskGraph(tasks=tuple(tasks)), ids


class StageRunner:
    """Runs stages of one trial.

    ``results`` collects the last state of each task by plan id; ``submitted`` every engine id that
    was ever sent, with the last state that was seen of it.
    """

    def __init__(
        self,
        client: ExecgoClient,
        recorder: TimelineRecorder,
        services: Services,
        chaos: Chaos,
        prefix: str,
    ) -> None:
        self._client, self._recorder = client, recorder
        self._services, self._chaos = services, chaos
        self._prefix = prefix
        self.results: dict[str, dict[str, Any]] = {}
        self.submitted: dict[str, EngineTask | None] = {}
        self._deadline = 0.0
        self._unreachable = False
        self._engine = services.identity("execgo")
        self._restarted: datetime | None = None
        self._first_created: datetime | None = None
        self._last_updated: datetime | None = None

    def run(self, stage: PlanStage, graph: TaskGraph) -> StageOutcome:
        """Submit ``graph`` (bindings resolved, plan ids) and follow it to its end."""
        began = monotonic()
        self._deadline = began + stage.submit_policy.deadline_ms / 1000
        self._first_created = self._last_updated = None
        self._unreachable = False
        names = tuple(task.id for task in graph.tasks)
        self._recorder.add(StageStarted(stage_id=stage.stage_id, tasks=names))
        rounds: list[_Round] = []
        try:
            outcome = self._rounds(stage, graph, rounds)
        except _Ended as end:
            outcome = end.outcome
        unfinished = rounds[-1].open_tasks() if rounds else []
        self._recorder.add(
            StageFinished(
                stage_id=stage.stage_id,
                outcome=outcome,
                duration_ms=(monotonic() - began) * 1000,
                engine_time_ms=self._engine_time_ms(),
                rounds=len(rounds),
                unfinished=tuple(unfinished),
            )
        )
        return outcome

    def _rounds(self, stage: PlanStage, graph: TaskGraph, rounds: list[_Round]) -> StageOutcome:
        while True:
            current = self._submit(stage, graph, len(rounds))
            rounds.append(current)
            self._poll(stage, current)
            open_ = current.unsuccessful()
            if not open_:
                return "succeeded"
            lost = any(current.ended.get(name) == "lost" for name in open_)
            outcome: StageOutcome = "lost" if lost else "failed"
            graph = self._next_graph(stage, current, open_, outcome)

    # -- submission

    def _submit(self, stage: PlanStage, graph: TaskGraph, number: int) -> _Round:
        compiled, ids = compile_graph(graph, self._prefix, stage.stage_id, number)
        while True:
            # Before the answer: a graph may have been accepted though its answer was lost.
            self.submitted |= dict.fromkeys(ids.values())
            self._client.timeout = self._request_timeout()
            try:
                self._client.submit(compiled)
            except Rejected as refusal:
                self._recorder.add(
                    SubmitRejected(
                        stage_id=stage.stage_id,
                        round=number,
                        http_status=refusal.http_status,
                        message=refusal.message,
                    )
                )
                raise _Ended("rejected") from None
            except ProtocolError as error:
                self._protocol_error(stage, error)
            except Unreachable as error:
                self._await_engine(stage, error)
                # The answer may have been lost after the graph was accepted.
                if error.refused or self._look(stage, next(iter(ids.values()))) is None:
                    continue
            break
        self._reachable(stage)
        self._recorder.add(Submitted(stage_id=stage.stage_id, round=number, task_ids=ids))
        return _Round(number, graph, ids)

    def _next_graph(
        self, stage: PlanStage, current: _Round, open_: list[str], outcome: StageOutcome
    ) -> TaskGraph:
        """The graph of the next round, once it makes sense to submit it; ends the stage otherwise."""
        policy = stage.submit_policy
        if current.number >= policy.max_resubmits:
            spent = f" ({current.number} used)" if current.number else ""
            reason = f"max_resubmits is {policy.max_resubmits}{spent}"
            self._decline(stage, reason, outcome)
        began = monotonic()
        pause = policy.resubmit_backoff_ms / 1000 * 2**current.number
        if began + pause >= self._deadline:
            self._decline(stage, "the deadline leaves no time for another round", outcome)
        sleep(pause)
        while missing := self._services.unready():
            gone = [name for name in missing if not self._services.will_return(name)]
            if gone:
                self._decline(stage, f"{', '.join(gone)} is gone and will not return", outcome)
            if monotonic() > self._deadline:
                self._decline(stage, f"deadline passed waiting for {', '.join(missing)}", outcome)
            sleep(_WHILE_UNREACHABLE_SECONDS)
        names = set(open_)
        self._recorder.add(
            Resubmitted(
                stage_id=stage.stage_id,
                round=current.number + 1,
                tasks=tuple(open_),
                waited_ms=(monotonic() - began) * 1000,
            )
        )
        # Parents that succeeded are done; a dependency on them would be unknown in the new graph.
        return TaskGraph(
            tasks=tuple(_within(task, names) for task in current.graph.tasks if task.id in names)
        )

    def _decline(self, stage: PlanStage, reason: str, outcome: StageOutcome) -> None:
        self._recorder.add(ResubmitDeclined(stage_id=stage.stage_id, reason=reason))
        raise _Ended(outcome)

    # -- polling

    def _poll(self, stage: PlanStage, current: _Round) -> None:
        """Look until every task has ended; adaptive: fast after a change, backing off without."""
        policy = stage.submit_policy
        watched = set(current.graph.sinks())
        if self._chaos.watches_tasks(stage.stage_id):
            watched = set(current.engine_ids)
        interval = policy.poll_interval_ms
        while open_ := current.open_tasks():
            # Sinks first: while one is open, nothing else decides when the stage ends.
            targets = [name for name in open_ if name in watched] or open_
            changed = self._look_at(stage, current, targets)
            changed = self._give_up_orphans(stage, current) or changed
            if not current.open_tasks():
                return
            if monotonic() > self._deadline:
                self._look_at(stage, current, current.open_tasks())
                if current.open_tasks():
                    raise _Ended("stuck")
                return
            if changed:
                interval = policy.poll_interval_ms
            else:
                interval = int(min(interval * _BACKOFF_FACTOR + 1, policy.max_poll_interval_ms))
            if not changed or any(name in watched for name in current.open_tasks()):
                sleep(max(0.0, min(interval / 1000, self._deadline - monotonic())))

    def _look_at(self, stage: PlanStage, current: _Round, names: Iterable[str]) -> bool:
        """Ask for tasks and record what changed; whether anything did."""
        changed = False
        for name in names:
            seen = self._look(stage, current.engine_ids[name])
            if seen is None:
                changed = True
                self._lost(stage, current, name, "forgotten")
            elif self._note(stage, current, name, seen):
                changed = True
        return changed

    def _lost(
        self, stage: PlanStage, current: _Round, name: str, how: Literal["forgotten", "orphaned"]
    ) -> None:
        current.ended[name] = "lost"
        self.results.pop(name, None)
        self._recorder.add(
            TaskLost(
                stage_id=stage.stage_id,
                round=current.number,
                task_id=name,
                engine_task_id=current.engine_ids[name],
                how=how,
            )
        )

    def _give_up_orphans(self, stage: PlanStage, current: _Round) -> bool:
        """Tasks that an ExecGo that was started anew holds open, and does not touch, are lost."""
        if self._restarted is None:
            return False
        if (datetime.now(UTC) - self._restarted).total_seconds() < _RESUME_WITHIN_SECONDS:
            return False
        began, self._restarted = self._restarted, None
        self._look_at(stage, current, current.open_tasks())
        orphans = [
            name
            for name in current.open_tasks()
            if EngineTask.model_validate(self.results[name]).updated_at < began
        ]
        for name in orphans:
            self._lost(stage, current, name, "orphaned")
        return bool(orphans)

    def _look(self, stage: PlanStage, engine_task_id: str) -> SeenTask | None:
        while True:
            self._client.timeout = self._request_timeout()
            try:
                seen = self._client.get(engine_task_id)
            except Unreachable as error:
                self._await_engine(stage, error)
                continue
            except ProtocolError as error:
                self._protocol_error(stage, error)
            self._reachable(stage)
            return seen

    def _note(self, stage: PlanStage, current: _Round, name: str, seen: SeenTask) -> bool:
        task = seen.task
        runtime = task.runtime
        state = (task.status, task.run_status, task.updated_at, runtime.attempt if runtime else 0)
        if current.states.get(name) == state:
            return False
        current.states[name] = state
        self.results[name] = seen.raw
        self.submitted[task.id] = task
        if self._first_created is None or task.created_at < self._first_created:
            self._first_created = task.created_at
        if self._last_updated is None or task.updated_at > self._last_updated:
            self._last_updated = task.updated_at
        self._recorder.snapshot(stage.stage_id, current.number, name, seen.raw)
        self._recorder.add(task_changed(stage.stage_id, current.number, name, task))
        if task.terminal:
            current.ended[name] = task.status
        return True

    # -- an engine that does not answer

    def _await_engine(self, stage: PlanStage, error: Unreachable) -> None:
        """One step of waiting for an engine that gave no answer; ends the stage when it is gone."""
        if not self._unreachable:
            self._unreachable = True
            self._recorder.add(EngineUnreachable(stage_id=stage.stage_id, message=str(error)))
        if not self._services.will_return("execgo"):
            raise _Ended("unreachable") from None
        if monotonic() > self._deadline:
            raise _Ended("unreachable") from None
        sleep(_WHILE_UNREACHABLE_SECONDS)

    def _request_timeout(self) -> float:
        """A hanging engine must not hold a stage up beyond its deadline."""
        remaining = self._deadline - monotonic()
        return min(REQUEST_TIMEOUT_SECONDS, max(_LAST_LOOK_SECONDS, remaining))

    def _reachable(self, stage: PlanStage) -> None:
        if self._unreachable:
            self._unreachable = False
            self._recorder.add(EngineReachable(stage_id=stage.stage_id))
            engine = self._services.identity("execgo")
            if engine != self._engine:
                self._engine, self._restarted = engine, datetime.now(UTC)

    def _protocol_error(self, stage: PlanStage, error: ProtocolError) -> None:
        self._recorder.add(EngineProtocolError(stage_id=stage.stage_id, message=str(error)))
        raise _Ended("failed") from None

    def _engine_time_ms(self) -> float:
        if self._first_created is None or self._last_updated is None:
            return 0.0
        return (self._last_updated - self._first_created).total_seconds() * 1000


def _within(task: Task, names: set[str]) -> Task:
    kept = tuple(dep for dep in task.depends_on if dep in names)
    return task.model_copy(update={"depends_on": kept})


def task_changed(stage_id: str, round_: int, name: str, task: EngineTask) -> TaskChanged:
    """The event for a task in a new state."""
    runtime = task.runtime
    error = None
    if task.status == "failed" or (runtime and runtime.error):
        found = runtime.error if runtime else None
        details = found.details if found and isinstance(found.details, dict) else {}
        error = TaskError(
            code=found.code if found else "",
            message=(found.message if found else "") or task.error or "",
            source=found.source if found else "",
            raw_code=details.get("raw_error_code"),
        )
    elif task.error:
        error = TaskError(message=task.error)
    return TaskChanged(
        stage_id=stage_id,
        round=round_,
        task_id=name,
        engine_task_id=task.id,
        status=task.status,
        run_status=task.run_status,
        handle_id=task.handle_id,
        attempt=runtime.attempt if runtime else 0,
        duration_ms=runtime.duration_ms if runtime else 0,
        error=error,
        created_at=task.created_at,
        updated_at=task.updated_at,
    )
