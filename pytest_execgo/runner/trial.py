"""One trial from plan to checks. Every way it can end is a fact on record, never an exception."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_execgo.errors import HarnessError, PlanError
from pytest_execgo.models.events import (
    ChecksStarted,
    HarnessProblem,
    LeftoverFound,
    PlanFailed,
    PlanningStarted,
    PlanReady,
    StageFinished,
    StageStarted,
    SubmissionStarted,
    TrialFinished,
    TrialStarted,
)
from pytest_execgo.models.plan import PlanStage, StandardPlan, plan_digest, plan_shape
from pytest_execgo.models.plan_rules import fill_placeholders, plan_problems
from pytest_execgo.models.task import TaskGraph
from pytest_execgo.runner import bindings
from pytest_execgo.runner.client import EngineError, ExecgoClient, Unreachable
from pytest_execgo.runner.protocols import Chaos, Services, TimelineRecorder
from pytest_execgo.runner.stage import StageRunner

_TIDY_TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True)
class TrialIdentity:
    """What a trial is called, the prefix of its ids on ExecGo, and the seed that repeats it."""

    prefix: str
    trial_id: str
    cell_id: str
    seed: int


@dataclass(frozen=True)
class TrialOutcome:
    """What is left in memory after a trial; everything else is on record.

    ``results`` maps plan task ids to tasks as ExecGo last returned them; ``clean`` is false when
    ExecGo still held unfinished tasks of the trial.
    """

    plan: StandardPlan | None
    results: Mapping[str, dict[str, Any]]
    clean: bool


class TrialRunner:
    """Executes one trial. All collaborators are arguments; nothing here knows pytest."""

    def __init__(
        self, client: ExecgoClient, recorder: TimelineRecorder, services: Services, chaos: Chaos
    ) -> None:
        self._client, self._recorder = client, recorder
        self._services, self._chaos = services, chaos

    def run(
        self,
        identity: TrialIdentity,
        make_plan: Callable[[], StandardPlan],
        placeholders: dict[str, str],
        verify: Callable[[StandardPlan, Mapping[str, dict[str, Any]]], None],
    ) -> TrialOutcome:
        """Plan, run the stages, verify, heal. ``verify`` records the checks.

        Raises only :class:`HarnessError` (already on record) and what is no ``Exception``.
        """
        self._recorder.add(
            TrialStarted(trial_id=identity.trial_id, cell_id=identity.cell_id, seed=identity.seed)
        )
        stages = StageRunner(
            self._client,
            self._recorder,
            self._services,
            self._chaos,
            prefix=identity.prefix,
        )
        plan = None
        try:
            plan = self._plan(make_plan)
            if plan is not None:
                self._run_stages(stages, plan, placeholders)
                self._recorder.add(ChecksStarted())
                verify(plan, stages.results)
        except HarnessError as error:
            self._recorder.add(HarnessProblem(message=str(error)))
            raise
        finally:
            # Healing and tidying up are our business, not the trial's: they cost it no time.
            wall_time_ms = self._recorder.elapsed_ms()
            self._chaos.heal()
        clean = self._leave_nothing(stages)
        self._recorder.add(TrialFinished(wall_time_ms=wall_time_ms))
        return TrialOutcome(plan, stages.results, clean)

    def _plan(self, make_plan: Callable[[], StandardPlan]) -> StandardPlan | None:
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
            # Frameworks raise what they like, sys.exit() among it; for the trial each is a plan
            # that did not come.
            reported = str(error).strip().partition("\n")[0]
            self._plan_failed("adapter_raised", f"{type(error).__name__}: {reported}", began)
            return None
        duration = self._recorder.elapsed_ms() - began
        plan = self._chaos.change_plan(original)
        problems = plan_problems(plan)
        for problem in problems:
            # Anything else is for ExecGo to judge; this one cannot even be written on the wire.
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
                problems=tuple(f"{p.rule}: {p}" for p in problems),
                duration_ms=duration,
            )
        )
        return plan

    def _plan_failed(self, code: str, message: str, began: float) -> None:
        duration = self._recorder.elapsed_ms() - began
        self._recorder.add(PlanFailed(code=code, message=message, duration_ms=duration))

    def _run_stages(
        self, stages: StageRunner, plan: StandardPlan, placeholders: dict[str, str]
    ) -> None:
        for stage in plan.stages:
            graph = self._bound(stages, stage, placeholders)
            outcome = "binding_missing"
            if graph is not None:
                graph = self._chaos.change_graph(stage, graph)
                self._recorder.add(SubmissionStarted(stage_id=stage.stage_id))
                outcome = stages.run(stage, graph)
            if outcome != "succeeded" and stage.submit_policy.stop_on_failure:
                return
            if outcome == "unreachable":
                return

    def _bound(
        self, stages: StageRunner, stage: PlanStage, placeholders: dict[str, str]
    ) -> TaskGraph | None:
        """The stage's graph with placeholders and bound values in place; ``None`` if one is missing.

        Placeholders come first: a value that a task returned is data and is never expanded.
        """
        tasks = []
        for task in stage.task_graph.tasks:
            filled = {
                name: fill_placeholders(getattr(task, name), placeholders)
                for name in ("params", "input")
            }
            tasks.append(task.model_copy(update=filled))
        try:
            graph, events = bindings.resolve(stage, TaskGraph(tasks=tuple(tasks)), stages.results)
        except bindings.Unresolved as missing:
            names = tuple(task.id for task in stage.task_graph.tasks)
            self._recorder.add(StageStarted(stage_id=stage.stage_id, tasks=names))
            self._recorder.add(missing.event)
            self._recorder.add(
                StageFinished(
                    stage_id=stage.stage_id,
                    outcome="binding_missing",
                    duration_ms=0.0,
                    engine_time_ms=0.0,
                    rounds=0,
                )
            )
            return None
        for event in events:
            self._recorder.add(event)
        return graph

    def _leave_nothing(self, stages: StageRunner) -> bool:
        """Remove the records of tasks that never ended; whether there was nothing to leave behind.

        A task that ExecGo gave up while the runtime still had it (``failed``, but ``run_status`` not
        final) may run on there: ExecGo never cancels, so the fleet is not clean.
        """
        clean = True
        self._client.timeout = _TIDY_TIMEOUT_SECONDS
        for engine_task_id, last in stages.submitted.items():
            if last is not None and last.terminal:
                given_up = last.status == "failed" and last.run_status in ("accepted", "running")
                clean = clean and not given_up
                continue
            try:
                seen = self._client.get(engine_task_id)
                if seen is None or seen.task.terminal:
                    continue
                clean = False
                self._recorder.add(
                    LeftoverFound(engine_task_id=engine_task_id, status=seen.task.status)
                )
                self._client.delete(engine_task_id)
            except Unreachable:
                return False
            except EngineError:
                clean = False
        return clean
