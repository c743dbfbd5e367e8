"""Every way a trial can end: planning, stages, checks, and what is left on ExecGo."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_execgo.errors import HarnessError, PlanError
from pytest_execgo.models.events import (
    BindingMissing,
    BindingResolved,
    Event,
    HarnessProblem,
    LeftoverFound,
    PlanFailed,
    PlanReady,
    StageFinished,
    StageStarted,
    TrialStarted,
)
from pytest_execgo.models.plan import PlanStage, StandardPlan, plan_digest, plan_shape
from pytest_execgo.models.task import TaskGraph
from pytest_execgo.runner.client import ProtocolError, Rejected
from pytest_execgo.runner.clock import SystemClock
from pytest_execgo.runner.trial import CLEAN_UP_SECONDS, TrialIdentity, TrialOutcome, TrialRunner
from tests.fakes import RunnerWorld, graph_of, plan_of, refused, stage_of

IDENTITY = TrialIdentity(prefix="run", trial_id="demo-r0", cell_id="demo", seed=7)
PLACEHOLDERS = {"workspace": "/w", "run_id": "${trial_id}"}
MakePlan = Callable[[], StandardPlan]


class Trial:
    """A trial on fakes; ``verified`` holds what ``verify`` was called with."""

    def __init__(self) -> None:
        self.world = RunnerWorld()
        self.engine, self.recorder = self.world.engine, self.world.recorder
        self.runner = self.world.trial_runner()
        self.verified: list[tuple[StandardPlan, dict[str, Any]]] = []

    def execute(self, plan: StandardPlan | MakePlan) -> TrialOutcome:
        """Execute a plan, or what makes one."""

        def make_plan() -> StandardPlan:
            return plan if isinstance(plan, StandardPlan) else plan()

        return self.runner.execute(
            IDENTITY,
            make_plan,
            PLACEHOLDERS,
            lambda verified, results: self.verified.append((verified, dict(results))),
        )

    def outcomes(self) -> dict[str, str]:
        """How each stage ended."""
        return {event.stage_id: event.outcome for event in self.recorder.of(StageFinished)}


@pytest.fixture
def trial() -> Trial:
    return Trial()


def raises(error: BaseException) -> MakePlan:
    def make_plan() -> StandardPlan:
        raise error

    return make_plan


def with_payload(**payload: Any) -> StandardPlan:
    """A plan of one task ``a`` with ``params`` or ``input``."""
    task = {"id": "a", "type": "noop"} | payload
    stage = {"stage_id": "s", "task_graph": {"tasks": [task]}}
    return plan_of(PlanStage.model_validate(stage))


def two_stages(*, required: bool = True, stop_on_failure: bool = True) -> StandardPlan:
    """Task ``a`` of stage ``one``; its output is bound into ``b`` of stage ``two``."""
    binding = {
        "source_task_id": "a",
        "source_path": "result.stdout",
        "target_task_id": "b",
        "target_param_path": "input.text",
        "required": required,
    }
    policy: dict[str, Any] = {"stop_on_failure": stop_on_failure}
    first = stage_of("a", stage_id="one", **policy)
    second = stage_of("b", stage_id="two", **policy).model_dump() | {"bindings": [binding]}
    return plan_of(first, PlanStage.model_validate(second))


# -- succeeded


def test_trial_records_each_step_in_order(trial: Trial) -> None:
    plan = plan_of(stage_of("a"))
    outcome = trial.execute(plan)
    assert trial.recorder.types() == [
        "trial_started", "planning_started", "plan_ready", "submission_started", "stage_started",
        "submitted", "task_changed", "stage_finished", "checks_started",
    ]  # fmt: skip
    started = trial.recorder.the(TrialStarted)
    assert (started.trial_id, started.cell_id, started.seed) == ("demo-r0", "demo", 7)
    assert outcome.plan == plan
    assert outcome.results["a"]["id"] == "run.s.a"
    assert trial.verified == [(plan, outcome.results)]
    assert trial.runner.clean_up()


def test_events_precede_what_they_announce(trial: Trial) -> None:
    log: list[str] = []

    def listen(event: Event) -> None:
        log.append(str(event.model_dump()["event_type"]))

    def change_graph(stage: PlanStage, graph: TaskGraph) -> TaskGraph:
        log.append(f"change_graph {stage.stage_id}")
        return graph

    def succeed() -> str:
        log.append("poll")
        return "success"

    def make_plan() -> StandardPlan:
        log.append("make_plan")
        return plan_of(stage_of("a"))

    def change_plan(plan: StandardPlan) -> StandardPlan:
        log.append("change_plan")
        return plan

    trial.recorder.subscribe(listen)
    trial.world.chaos.on_graph, trial.world.chaos.on_plan = change_graph, change_plan
    trial.engine.script("a", succeed)
    trial.runner.execute(IDENTITY, make_plan, {}, lambda plan, results: log.append("verify"))
    assert log == [
        "trial_started", "planning_started", "make_plan", "change_plan", "plan_ready",
        "change_graph s", "submission_started", "stage_started", "submitted", "poll",
        "task_changed", "stage_finished", "checks_started", "verify",
    ]  # fmt: skip


def test_plan_is_recorded_as_made_and_judged_as_executed(trial: Trial) -> None:
    original = plan_of(stage_of("a"))
    changed = plan_of(stage_of("a", "b", dependencies={"b": ["x"]}), stage_of("c", stage_id="t"))

    def make_plan() -> StandardPlan:
        trial.world.clock.advance(2)
        return original

    def change_plan(plan: StandardPlan) -> StandardPlan:
        assert plan is original
        trial.world.clock.advance(1)
        return changed

    trial.world.chaos.on_plan = change_plan
    outcome = trial.execute(make_plan)
    ready = trial.recorder.the(PlanReady)
    assert (ready.plan_id, ready.stages, ready.tasks) == ("p1", 2, 3)
    assert (ready.digest, ready.shape) == (plan_digest(original), plan_shape(original))
    assert ready.problems == (
        "unknown_dependency: stages[0].task_graph.tasks[1].depends_on[0]: "
        "task 'b' depends on unknown task 'x'",
    )
    # The time that chaos takes is not the adapter's.
    assert (ready.duration_ms, ready.at_ms) == (2000, 3000)
    assert outcome.plan is changed
    assert trial.engine.graphs[0].tasks[1].depends_on == ("x",)


def test_planning_time_starts_with_the_planning(trial: Trial) -> None:
    trial.world.clock.advance(5)
    trial.execute(plan_of(stage_of("a")))
    assert trial.recorder.the(PlanReady).duration_ms == 0


def test_placeholders_are_filled_in_both_payloads(trial: Trial) -> None:
    plan = with_payload(params={"path": "${workspace}/x"}, input=["${run_id}", "$${workspace}"])
    trial.execute(plan)
    task = trial.engine.graphs[0].tasks[0]
    assert task.params == {"path": "/w/x"}
    # A filled value is not expanded once more.
    assert task.input == ["${trial_id}", "${workspace}"]


def test_chaos_changes_the_graph_after_the_placeholders(trial: Trial) -> None:
    seen: list[Any] = []

    def change_graph(stage: PlanStage, graph: TaskGraph) -> TaskGraph:
        seen.extend([stage.stage_id, graph.tasks[0].params])
        return graph_of("z")

    trial.world.chaos.on_graph = change_graph
    trial.execute(with_payload(params="${workspace}"))
    assert seen == ["s", "/w"]
    assert [task.id for task in trial.engine.graphs[0].tasks] == ["run.s.z"]
    assert trial.recorder.the(StageStarted).tasks == ("z",)


# -- bindings


def test_result_of_one_stage_becomes_a_parameter_of_the_next(trial: Trial) -> None:
    trial.engine.script("a", {"status": "success", "result": {"stdout": "${workspace}"}})
    trial.execute(two_stages())
    assert trial.outcomes() == {"one": "succeeded", "two": "succeeded"}
    # Results are data: placeholders in them are not filled.
    assert trial.engine.graphs[1].tasks[0].input == {"text": "${workspace}"}
    resolved = trial.recorder.the(BindingResolved)
    assert (resolved.stage_id, resolved.source_task_id) == ("two", "a")
    names = trial.recorder.types()
    assert names[names.index("binding_resolved") + 1] == "submission_started"


def test_stage_with_a_missing_required_value_is_not_submitted(trial: Trial) -> None:
    trial.world.clock.advance(1)
    trial.execute(two_stages())
    assert trial.outcomes() == {"one": "succeeded", "two": "binding_missing"}
    assert len(trial.engine.graphs) == 1
    assert trial.recorder.types()[-4:] == [
        "stage_started", "binding_missing", "stage_finished", "checks_started",
    ]  # fmt: skip
    assert trial.recorder.types().count("submission_started") == 1
    started = trial.recorder.of(StageStarted)[1]
    assert (started.stage_id, started.tasks) == ("two", ("b",))
    missing = trial.recorder.the(BindingMissing)
    assert missing.reason == "result.stdout is not in the result of 'a'"
    finished = trial.recorder.of(StageFinished)[1]
    assert finished.model_dump(exclude={"event_id", "at_ms", "wall_time", "event_type"}) == {
        "stage_id": "two",
        "outcome": "binding_missing",
        "duration_ms": 0.0,
        "engine_time_ms": 0.0,
        "rounds": 0,
        "unfinished": (),
    }


def test_missing_optional_value_is_recorded_and_the_stage_is_submitted(trial: Trial) -> None:
    trial.execute(two_stages(required=False))
    assert trial.outcomes() == {"one": "succeeded", "two": "succeeded"}
    assert not trial.recorder.the(BindingMissing).required


# -- stages that do not succeed


def test_first_stage_without_success_ends_the_stages(trial: Trial) -> None:
    trial.engine.script("a", "failed")
    trial.execute(plan_of(stage_of("a", stage_id="one"), stage_of("b", stage_id="two")))
    assert trial.outcomes() == {"one": "failed"}
    assert len(trial.verified) == 1


def test_stages_continue_after_a_failure_if_the_policy_says_so(trial: Trial) -> None:
    trial.engine.script("a", "failed")
    trial.execute(
        plan_of(stage_of("a", stage_id="one", stop_on_failure=False), stage_of("b", stage_id="two"))
    )
    assert trial.outcomes() == {"one": "failed", "two": "succeeded"}


def test_missing_value_ends_the_stages_or_not_by_the_policy(trial: Trial) -> None:
    third = stage_of("c", stage_id="three")
    for stop, expected in ((True, 2), (False, 3)):
        fresh = Trial()
        plan = two_stages(stop_on_failure=stop)
        fresh.execute(plan.model_copy(update={"stages": (*plan.stages, third)}))
        assert len(fresh.outcomes()) == expected


def test_rejected_stage_ends_the_stages(trial: Trial) -> None:
    trial.engine.submissions = [Rejected(400, "no")]
    trial.execute(plan_of(stage_of("a", stage_id="one"), stage_of("b", stage_id="two")))
    assert trial.outcomes() == {"one": "rejected"}


def test_unreachable_execgo_ends_the_stages_whatever_the_policy(trial: Trial) -> None:
    trial.world.fleet.returning = False
    trial.engine.submissions = [refused()]
    first = stage_of("a", stage_id="one", stop_on_failure=False)
    trial.execute(plan_of(first, stage_of("b", stage_id="two")))
    assert trial.outcomes() == {"one": "unreachable"}
    assert len(trial.verified) == 1


def test_restart_between_two_stages_is_noticed(trial: Trial) -> None:
    def restart() -> str:
        trial.world.fleet.process_id = 2
        return "success"

    trial.engine.script("a", restart)
    trial.engine.script("b", "running", refused(), "running")
    plan = plan_of(stage_of("a", stage_id="one"), stage_of("b", stage_id="two"))
    trial.execute(plan)
    assert trial.outcomes() == {"one": "succeeded", "two": "lost"}


# -- no plan


def plan_failure(trial: Trial) -> tuple[str, str, float]:
    """The only ``plan_failed``, and that nothing came after it."""
    failed = trial.recorder.the(PlanFailed)
    assert trial.recorder.types() == ["trial_started", "planning_started", "plan_failed"]
    assert trial.verified == []
    assert trial.engine.requests == []
    return failed.code, failed.message, failed.duration_ms


def test_adapter_that_gives_no_plan_fails_the_planning(trial: Trial) -> None:
    trial.world.clock.advance(3)

    def make_plan() -> StandardPlan:
        trial.world.clock.advance(2)
        raise PlanError("model_refused", "the model refused")

    outcome = trial.execute(make_plan)
    assert plan_failure(trial) == ("model_refused", "the model refused", 2000)
    assert outcome == TrialOutcome(None, {})
    assert trial.runner.clean_up()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("  first line\nsecond line"), "ValueError: first line"),
        (SystemExit(3), "SystemExit: 3"),
        (RuntimeError(), "RuntimeError: "),
    ],
    ids=["exception", "system_exit", "no_message"],
)
def test_adapter_that_raises_fails_the_planning(
    trial: Trial, error: BaseException, message: str
) -> None:
    assert trial.execute(raises(error)).plan is None
    assert plan_failure(trial) == ("adapter_raised", message, 0)


def test_unknown_placeholder_fails_the_planning(trial: Trial) -> None:
    def make_plan() -> StandardPlan:
        trial.world.clock.advance(2)
        return with_payload(type="no_such_type", params={"x": "${unknown}"})

    assert trial.execute(make_plan).plan is None
    code, message, duration = plan_failure(trial)
    assert (code, duration) == ("unknown_placeholder", 2000)
    where = "stages[0].task_graph.tasks[0].params.x"
    assert message.startswith(f"{where}: unknown placeholder ${{unknown}} (allowed: ")


# -- problems of the harness


def test_harness_problem_while_planning_is_recorded_and_raised(trial: Trial) -> None:
    with pytest.raises(HarnessError, match=r"^no port$"):
        trial.execute(raises(HarnessError("no port")))
    assert trial.recorder.types() == ["trial_started", "planning_started", "harness_problem"]
    assert trial.recorder.the(HarnessProblem).message == "no port"


def test_harness_problem_while_checking_is_recorded_and_raised(trial: Trial) -> None:
    def verify(plan: StandardPlan, results: Any) -> None:
        raise HarnessError("disk full")

    with pytest.raises(HarnessError, match=r"^disk full$"):
        trial.runner.execute(IDENTITY, lambda: plan_of(stage_of("a")), {}, verify)
    assert trial.recorder.types()[-2:] == ["checks_started", "harness_problem"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), GeneratorExit()], ids=type)
def test_interruption_is_not_a_failed_plan(trial: Trial, error: BaseException) -> None:
    with pytest.raises(type(error)):
        trial.execute(raises(error))
    assert trial.recorder.types() == ["trial_started", "planning_started"]


def test_interruption_of_a_stage_leaves_its_tasks_for_the_cleaning(trial: Trial) -> None:
    def interrupt() -> Any:
        trial.engine.script("a", "running")
        raise KeyboardInterrupt

    trial.engine.script("a", interrupt)
    with pytest.raises(KeyboardInterrupt):
        trial.execute(plan_of(stage_of("a")))
    assert not trial.runner.clean_up()
    assert trial.engine.deleted == ["run.s.a"]


def test_runner_uses_the_clock_of_the_machine_by_default() -> None:
    world = RunnerWorld()
    runner = TrialRunner(world.engine, world.recorder, world.fleet, world.chaos)
    assert isinstance(runner._tools.clock, SystemClock)


# -- what is left on ExecGo


def test_nothing_is_left_of_a_trial_that_did_not_run(trial: Trial) -> None:
    assert trial.runner.clean_up()
    assert trial.engine.requests == []


def test_ended_tasks_are_not_asked_for_again(trial: Trial) -> None:
    trial.engine.script("a", {"status": "failed", "run_status": "failed"})
    trial.execute(plan_of(stage_of("a", "b")))
    before = len(trial.engine.requests)
    assert trial.runner.clean_up()
    assert len(trial.engine.requests) == before


def stuck(trial: Trial, *names: str) -> None:
    """Execute a plan of tasks that do not end."""
    for name in names:
        trial.engine.script(name, "running")
    trial.execute(plan_of(stage_of(*names, deadline_ms=1)))
    assert trial.outcomes() == {"s": "stuck"}
    trial.engine.requests.clear()


def test_open_tasks_are_removed_and_named(trial: Trial) -> None:
    stuck(trial, "a", "b")
    assert not trial.runner.clean_up()
    left = [(event.engine_task_id, event.status) for event in trial.recorder.of(LeftoverFound)]
    assert left == [("run.s.a", "running"), ("run.s.b", "running")]
    assert trial.engine.deleted == ["run.s.a", "run.s.b"]
    assert [request.timeout for request in trial.engine.requests] == [
        pytest.approx(CLEAN_UP_SECONDS)
    ] * 4


def test_task_that_ended_in_the_meantime_is_not_left(trial: Trial) -> None:
    stuck(trial, "a", "b")
    trial.engine.script("a", "success")
    trial.engine.script("b", None)
    assert trial.runner.clean_up()
    assert trial.engine.deleted == []
    assert trial.recorder.of(LeftoverFound) == []


def test_one_open_task_is_enough_to_be_unclean(trial: Trial) -> None:
    stuck(trial, "a", "b")
    trial.engine.script("b", "success")
    assert not trial.runner.clean_up()
    assert trial.engine.deleted == ["run.s.a"]


def test_open_task_is_found_behind_an_ended_one(trial: Trial) -> None:
    trial.engine.script("b", "running")
    trial.execute(plan_of(stage_of("a", "b", deadline_ms=1)))
    assert not trial.runner.clean_up()
    assert trial.engine.deleted == ["run.s.b"]


def test_task_that_may_have_been_accepted_is_looked_for(trial: Trial) -> None:
    trial.engine.submissions = [Rejected(500, "broken")]
    trial.execute(plan_of(stage_of("a")))
    trial.engine.requests.clear()
    assert trial.runner.clean_up()
    assert [request.name for request in trial.engine.requests] == ["run.s.a"]


@pytest.mark.parametrize(
    ("status", "run_status", "clean"),
    [
        ("failed", "accepted", False),
        ("failed", "running", False),
        ("failed", "failed", True),
        ("failed", None, True),
        ("success", "running", True),
    ],
    ids=["accepted", "running", "failed", "never_handed_over", "succeeded"],
)
def test_task_that_execgo_gave_up_may_still_run(
    trial: Trial, status: str, run_status: str | None, clean: bool
) -> None:
    trial.engine.script("a", {"status": status, "run_status": run_status})
    trial.execute(plan_of(stage_of("a", "b")))
    trial.engine.requests.clear()
    assert trial.runner.clean_up() == clean
    assert trial.engine.requests == []


def test_cleaning_ends_when_execgo_does_not_answer(trial: Trial) -> None:
    stuck(trial, "a", "b")
    trial.engine.script("a", refused())
    assert not trial.runner.clean_up()
    assert [request.name for request in trial.engine.requests] == ["run.s.a"]


def test_cleaning_takes_one_second_at_most(trial: Trial) -> None:
    def slowly() -> str:
        trial.world.clock.advance(0.4)
        return "success"

    names = [f"t{number}" for number in range(20)]
    stuck(trial, *names)
    for name in names:
        trial.engine.script(name, slowly)
    before = trial.world.clock.seconds
    assert not trial.runner.clean_up()
    assert trial.world.clock.seconds - before < 1.5


def test_cleaning_continues_after_an_unusable_answer(trial: Trial) -> None:
    stuck(trial, "a", "b")
    trial.engine.script("a", ProtocolError("bad"))
    assert not trial.runner.clean_up()
    assert trial.engine.deleted == ["run.s.b"]


def test_unusable_answer_alone_is_enough_to_be_unclean(trial: Trial) -> None:
    stuck(trial, "a", "b")
    trial.engine.script("a", ProtocolError("bad"))
    trial.engine.script("b", "success")
    assert trial.runner.clean_up() is False
    assert trial.engine.deleted == []
