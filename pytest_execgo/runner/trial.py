"""One trial from plan to checks. Every way it can end is an event on record, not an exception."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_execgo.errors import HarnessError, PlanError
from pytest_execgo.models.events import (
    BindingMissing,
    ChecksStarted,
    HarnessProblem,
    LeftoverFound,
    PlanFailed,
    PlanningStarted,
    PlanReady,
    StageFinished,
    StageOutcome,
    StageStarted,
    TrialStarted,
)
from pytest_execgo.models.plan import PlanStage, StandardPlan, plan_digest, plan_shape
from pytest_execgo.models.plan_rules import fill_placeholders, plan_problems
from pytest_execgo.models.task import EngineTask, TaskGraph
from pytest_execgo.ports import Chaos, Clock, FleetView, Recorder
from pytest_execgo.runner import bindings
from pytest_execgo.runner.client import EngineClient, EngineError, Unreachable
from pytest_execgo.runner.clock import SystemClock
from pytest_execgo.runner.collaborators import Collaborators, TrialTasks
from pytest_execgo.runner.engine import RestartWatch
from pytest_execgo.runner.inputs import submission_started
from pytest_execgo.runner.stage import StageRun

CLEAN_UP_SECONDS = 0.7
"""All requests of cleaning up have this much time together. With the last look at the tasks, which may
take 1 s, a trial ends within 2 s of its deadline, whatever ExecGo does."""
Results = Mapping[str, dict[str, Any]]
"""Plan task ids, and the tasks as ExecGo last returned them."""


@dataclass(frozen=True)
class TrialIdentity:
    """``prefix`` begins the ids of the trial's tasks on ExecGo; ``seed`` repeats the trial;
    ``addresses`` are those of the services, see :class:`TrialStarted`."""

    prefix: str
    trial_id: str
    cell_id: str
    seed: int
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class TrialOutcome:
    """What remains in memory after a trial. ``plan`` is ``None`` if the adapter gave none."""

    plan: StandardPlan | None
    results: Results


class TrialRunner:
    """Executes one trial: call :meth:`execute` once, and :meth:`clean_up` when faults are healed."""

    def __init__(
        self,
        client: EngineClient,
        recorder: Recorder,
        fleet: FleetView,
        chaos: Chaos,
        clock: Clock | None = None,
    ) -> None:
        self._tools = Collaborators(client, recorder, fleet, chaos, clock or SystemClock())
        self._client, self._recorder, self._chaos = client, recorder, chaos
        self._submitted: dict[str, EngineTask | None] = {}

    def execute(
        self,
        identity: TrialIdentity,
        make_plan: Callable[[], StandardPlan],
        placeholders: Mapping[str, str],
        verify: Callable[[StandardPlan, Results], None],
    ) -> TrialOutcome:
        """Make the plan, run its stages, then call ``verify``, which records the checks.

        Raises :class:`HarnessError`, which is then on record, what ``verify`` raises, and
        ``KeyboardInterrupt``. Healing faults is up to the caller.
        """
        self._recorder.add(
            TrialStarted(
                trial_id=identity.trial_id,
                cell_id=identity.cell_id,
                seed=identity.seed,
                addresses=dict(identity.addresses),
            )
        )
        workspace = placeholders.get("workspace", "")
        tasks = TrialTasks(identity.prefix, submitted=self._submitted, workspace=workspace)
        restarts = RestartWatch(self._tools.fleet, self._tools.clock)
        try:
            plan = self._plan(make_plan)
            if plan is not None:
                self._run_stages(plan, placeholders, tasks, restarts)
                self._recorder.add(ChecksStarted())
                verify(plan, tasks.results)
        except HarnessError as error:
            self._recorder.add(HarnessProblem(message=str(error)))
            raise
        return TrialOutcome(plan, tasks.results)

    # -- planning

    def _plan(self, make_plan: Callable[[], StandardPlan]) -> StandardPlan | None:
        """The plan as it will be executed; ``None`` if there is none, which is then on record."""
        began = self._recorder.elapsed_ms()
        self._recorder.add(PlanningStarted())
        try:
            original = make_plan()
        except PlanError as error:
            self._plan_failed(error.code, str(error), began)
            return None
        except (HarnessError, KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            # Frameworks raise anything, even SystemExit. For the trial, each means: no plan.
            first_line = str(error).strip().partition("\n")[0]
            message = f"{type(error).__name__}: {first_line}"
            self._plan_failed("adapter_raised", message, began)
            return None
        duration_ms = self._recorder.elapsed_ms() - began
        plan = self._chaos.change_plan(original)
        problems = plan_problems(plan)
        for problem in problems:
            # ExecGo judges all other rules; a text with an unknown placeholder cannot be submitted.
            if problem.rule == "unknown_placeholder":
                self._plan_failed(problem.rule, str(problem), began)
                return None
        self._recorder.add(
            PlanReady(
                plan_id=plan.plan_id,
                stages=len(plan.stages),
                tasks=len(plan.task_ids()),
                digest=plan_digest(original),
                shape=plan_shape(original),
                problems=tuple(f"{problem.rule}: {problem}" for problem in problems),
                duration_ms=duration_ms,
            )
        )
        return plan

    def _plan_failed(self, code: str, message: str, began: float) -> None:
        duration_ms = self._recorder.elapsed_ms() - began
        self._recorder.add(PlanFailed(code=code, message=message, duration_ms=duration_ms))

    # -- stages

    def _run_stages(
        self,
        plan: StandardPlan,
        placeholders: Mapping[str, str],
        tasks: TrialTasks,
        restarts: RestartWatch,
    ) -> None:
        for stage in plan.stages:
            outcome = self._run_stage(stage, placeholders, tasks, restarts)
            if outcome != "succeeded" and stage.submit_policy.stop_on_failure:
                return
            if outcome == "unreachable":
                return

    def _run_stage(
        self,
        stage: PlanStage,
        placeholders: Mapping[str, str],
        tasks: TrialTasks,
        restarts: RestartWatch,
    ) -> StageOutcome:
        # Placeholders first: a value that a task returned is data, and is not expanded.
        graph = _filled(stage.task_graph, dict(placeholders))
        try:
            graph, events = bindings.resolve(stage, graph, tasks.results)
        except bindings.Unresolved as missing:
            return self._binding_missing(stage, missing.event)
        for event in events:
            self._recorder.add(event)
        graph = self._chaos.change_graph(stage, graph)
        self._recorder.add(submission_started(stage, graph, events, placeholders))
        return StageRun(stage, self._tools, tasks, restarts).run(graph)

    def _binding_missing(self, stage: PlanStage, event: BindingMissing) -> StageOutcome:
        names = tuple(task.id for task in stage.task_graph.tasks)
        self._recorder.add(StageStarted(stage_id=stage.stage_id, tasks=names))
        self._recorder.add(event)
        self._recorder.add(
            StageFinished(
                stage_id=stage.stage_id,
                outcome="binding_missing",
                duration_ms=0.0,
                engine_time_ms=0.0,
                rounds=0,
            )
        )
        return "binding_missing"

    # -- afterwards

    def clean_up(self) -> bool:
        """Remove the records of tasks that did not end; whether the trial leaves no running task.

        A task that ExecGo gave up while the runtime still held it (``failed``, but its ``run_status``
        is not final) may still run there: ExecGo never cancels, so the fleet is not clean.
        """
        clean = True
        deadline = self._tools.clock.monotonic() + CLEAN_UP_SECONDS
        for engine_task_id, last in self._submitted.items():
            if last is not None and last.terminal:
                given_up = last.status == "failed" and last.run_status in ("accepted", "running")
                clean = clean and not given_up
                continue
            try:
                clean = self._remove(engine_task_id, deadline) and clean
            except Unreachable:
                return False
            except EngineError:
                clean = False
        return clean

    def _remove(self, engine_task_id: str, deadline: float) -> bool:
        """Remove the record of a task unless it has ended; whether it has, or is not known."""
        seen = self._client.get(engine_task_id, timeout=self._until(deadline))
        if seen is None or seen.task.terminal:
            return True
        self._recorder.add(LeftoverFound(engine_task_id=engine_task_id, status=seen.task.status))
        self._client.delete(engine_task_id, timeout=self._until(deadline))
        return False

    def _until(self, deadline: float) -> float:
        """Seconds until ``deadline``; raises :class:`Unreachable` if it has passed."""
        remaining = deadline - self._tools.clock.monotonic()
        if remaining <= 0:
            raise Unreachable("no time is left to clean up", refused=False)
        return remaining


def _filled(graph: TaskGraph, placeholders: dict[str, str]) -> TaskGraph:
    """``graph`` with the placeholders in its payloads replaced."""
    tasks = [
        task.model_copy(
            update={
                "params": fill_placeholders(task.params, placeholders),
                "input": fill_placeholders(task.input, placeholders),
            }
        )
        for task in graph.tasks
    ]
    return TaskGraph(tasks=tuple(tasks))
