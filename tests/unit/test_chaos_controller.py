"""The chaos controller: which event injects which fault, and how each fault is healed and recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random
from typing import Any, ClassVar

import pytest

from pytest_execgo.chaos.action import (
    Change,
    Injection,
    PlanAction,
    PlanScope,
    ServiceAction,
    replace_task,
)
from pytest_execgo.chaos.controller import ChaosController
from pytest_execgo.chaos.draws import all_left_out, draw
from pytest_execgo.chaos.loaded_profile import LoadedFault
from pytest_execgo.models.chaos import Fault, When
from pytest_execgo.models.events import (
    ChaosArmed,
    ChaosFired,
    ChaosHealed,
    ChaosHealFailed,
    ChaosNotFired,
    ChecksStarted,
    PlanFailed,
    PlanningStarted,
    PlanReady,
    SubmissionStarted,
    TaskChanged,
)
from pytest_execgo.models.plan import StandardPlan
from pytest_execgo.ports import Killable, Target
from tests.fakes import START, FakeClock, RecordingRecorder, plan_of, stage_of


@dataclass
class FakeService:
    """A service that can be killed; ``log`` keeps what happened to all services of a test."""

    name: str
    log: list[str]
    alive: bool = True
    url: str = "http://127.0.0.1:1"

    def running(self) -> bool:
        return self.alive

    def kill(self) -> int:
        self.log.append(f"kill {self.name}")
        self.alive = False
        return -9

    def revive(self) -> None:
        self.log.append(f"revive {self.name}")
        self.alive = True


@dataclass
class FakeSchedule:
    """Work that runs when a test lets time pass."""

    clock: FakeClock
    work: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    closed: bool = False

    def after(self, delay_ms: float, work: Callable[[], None]) -> None:
        if not self.closed:
            self.work.append((self.clock.seconds + delay_ms / 1000, work))

    def close(self) -> None:
        self.closed = True
        self.work.clear()

    def let_pass(self, seconds: float) -> None:
        """Advance the clock and run what is due, in order of time."""
        until = self.clock.seconds + seconds
        while due := sorted((one for one in self.work if one[0] <= until), key=lambda one: one[0]):
            at, work = due[0]
            self.work.remove(due[0])
            self.clock.advance(at - self.clock.seconds)
            work()
        self.clock.advance(until - self.clock.seconds)


class TakeDown(ServiceAction[Killable]):
    """Kills a service. ``fails`` says which step raises."""

    name = "take_down"
    needs_process = True
    fails: str = ""
    rngs: ClassVar[list[Random]] = []

    def inject(self, target: Killable, trial_id: str, rng: Random) -> Injection:
        if self.fails == "inject":
            raise OSError("no permission")
        self.rngs.append(rng)
        status = target.kill()

        def heal() -> str:
            if self.fails == "heal":
                raise OSError("no way back")
            target.revive()
            return f"{target.name} runs"

        return Injection(f"killed {target.name} ({status}) in {trial_id}", heal)


class Wait(ServiceAction[Target]):
    """Waits for a client; ``met_after`` is when a client meets it, in seconds after the start."""

    name = "wait"
    phases = frozenset({"plan", "runtime"})
    met_after: float | None = None
    fails: bool = False
    log: ClassVar[list[str]] = []

    def inject(self, target: Target, trial_id: str, rng: Random) -> Injection:
        def injected_at() -> float | None:
            if self.fails:
                raise OSError("connection refused")
            return None if self.met_after is None else START.timestamp() + self.met_after

        return Injection("waits", lambda: "removed", injected_at)


class Slow(TakeDown):
    """Takes long, so the controller injects it in the background."""

    name = "slow"
    takes_long = True


class Rename(PlanAction):
    """Gives one task in scope a tool name, drawn from the generator."""

    name = "rename"
    fails: bool = False

    def change(self, plan: StandardPlan, scope: PlanScope, rng: Random) -> Change | None:
        if self.fails:
            raise ValueError("bad plan")
        tasks = scope.tasks(plan)
        if not tasks:
            return None
        stage, task = rng.choice(tasks)
        changed = task.model_copy(update={"tool_name": f"tool{rng.randrange(100)}"})
        done = replace_task(plan, stage.stage_id, changed)
        return Change(done, f"renamed {task.id}", stage.stage_id, task.id)


def in_their_places(*faults: LoadedFault) -> list[LoadedFault]:
    """The faults as a profile has them."""
    return [replace(one, position=position) for position, one in enumerate(faults)]


class World:
    """A controller with its fakes."""

    def __init__(self, *faults: LoadedFault, seed: str = "7:0", rng_key: str = "trial") -> None:
        self.clock = FakeClock()
        self.recorder = RecordingRecorder(self.clock)
        self.schedule = FakeSchedule(self.clock)
        self.log: list[str] = []
        self.services = {
            name: FakeService(name, self.log) for name in ("runtime", "execgo", "fixtures")
        }
        self.chaos = ChaosController(
            in_their_places(*faults),
            self.services,
            self.recorder,
            trial_id="trial",
            rng_key=rng_key,
            seed=seed,
            schedule=self.schedule,
        )
        self.chaos.arm()

    def task(self, status: str, task: str = "a", stage: str = "s") -> None:
        """ExecGo shows a task in a new state."""
        now = START + timedelta(seconds=self.clock.seconds)
        self.recorder.add(
            TaskChanged(
                stage_id=stage, round=0, task_id=task, engine_task_id=f"x.{task}", status=status,
                created_at=now, updated_at=now,
            )
        )  # fmt: skip

    def submit(self, stage: str = "s") -> None:
        self.recorder.add(SubmissionStarted(stage_id=stage))

    def planned(self) -> None:
        self.recorder.add(PlanReady(plan_id="p", stages=1, tasks=1, digest="d", duration_ms=1))

    def fired(self) -> list[tuple[int, str, str | None, str | None, float]]:
        return [
            (e.fault, e.detail, e.stage_id, e.task_id, e.at_ms)
            for e in self.recorder.of(ChaosFired)
        ]

    def not_fired(self) -> list[tuple[int, str, str]]:
        return [(e.fault, e.reason, e.message) for e in self.recorder.of(ChaosNotFired)]


def fault(
    action: PlanAction | ServiceAction[Any],
    target: str = "runtime",
    probability: float = 1.0,
    **when: Any,
) -> LoadedFault:
    when.setdefault("phase", "runtime")
    condition = When.model_validate(when)
    plain = Fault(action=action.name, target=target, when=condition, probability=probability)
    return LoadedFault(plain, action)


RUNNING: dict[str, Any] = {"phase": "runtime", "after": "task_running"}


# -- conditions


@pytest.mark.parametrize("phase", ["submit", "runtime"])
def test_a_fault_of_a_stage_is_injected_before_its_submission(phase: str) -> None:
    world = World(fault(TakeDown(), phase=phase, stage="two"))
    world.submit("one")
    assert world.log == []
    world.submit("two")
    assert world.log == ["kill runtime"]
    assert world.fired() == [(0, "killed runtime (-9) in trial", "two", None, 0.0)]


@pytest.mark.parametrize("phase", ["runtime", "poll"])
def test_a_fault_can_wait_until_a_task_runs(phase: str) -> None:
    world = World(fault(TakeDown(), phase=phase, after="task_running", task="b"))
    world.submit()
    for status, task in (("pending", "b"), ("running", "a"), ("success", "b")):
        world.task(status, task)
        assert world.log == []
    world.task("running", "b")
    assert world.fired() == [(0, "killed runtime (-9) in trial", "s", "b", 0.0)]


@pytest.mark.parametrize("status", ["success", "failed", "skipped"])
def test_a_fault_can_wait_until_a_task_has_ended(status: str) -> None:
    world = World(fault(TakeDown(), phase="runtime", after="task_ended"))
    world.task("running")
    assert world.log == []
    world.task(status)
    assert world.log == ["kill runtime"]


def test_a_fault_of_phase_poll_is_injected_at_the_first_state_of_a_task() -> None:
    world = World(fault(TakeDown(), phase="poll", task="b"))
    world.task("pending", "b")
    world.task("running", "a")
    assert world.log == []
    world.task("success", "b")
    assert world.log == ["kill runtime"]


def test_a_fault_of_phase_verify_is_injected_before_the_checks() -> None:
    world = World(fault(TakeDown(), phase="verify"))
    world.submit()
    world.task("running")
    assert world.log == []
    world.recorder.add(ChecksStarted())
    assert world.fired() == [(0, "killed runtime (-9) in trial", None, None, 0.0)]


@pytest.mark.parametrize(
    ("when", "stage", "watched"),
    [
        pytest.param({"phase": "runtime"}, "s", False, id="phase_start needs no tasks"),
        pytest.param({**RUNNING, "stage": "s"}, "s", True, id="waits for a task of the stage"),
        pytest.param({**RUNNING, "stage": "other"}, "s", False, id="waits for another stage"),
        pytest.param({"phase": "poll", "task": "b"}, "s", True, id="poll of one task"),
        pytest.param({"phase": "poll"}, "s", False, id="poll of any task"),
    ],
)
def test_tasks_are_watched_only_while_a_fault_waits_for_one(
    when: dict[str, Any], stage: str, watched: bool
) -> None:
    assert World(fault(TakeDown(), **when)).chaos.watches_tasks(stage) is watched


def test_tasks_are_no_longer_watched_once_the_fault_was_injected() -> None:
    world = World(fault(TakeDown(), **RUNNING))
    assert world.chaos.watches_tasks("s")
    world.task("running")
    assert not world.chaos.watches_tasks("s")


def test_a_fault_that_the_draw_left_out_watches_nothing_and_is_never_injected() -> None:
    world = World(fault(TakeDown(), probability=1e-9, **RUNNING))
    assert not world.chaos.watches_tasks("s")
    world.task("running")
    world.chaos.heal()
    assert world.log == []
    assert world.not_fired() == [(0, "random_draw", "probability 1e-09")]


# -- delays, repetitions, healing


def test_a_delay_passes_between_the_condition_and_the_fault() -> None:
    world = World(fault(TakeDown(), delay_ms=200, **RUNNING))
    world.task("running")
    world.schedule.let_pass(0.199)
    assert world.log == []
    world.schedule.let_pass(0.001)
    assert world.fired() == [(0, "killed runtime (-9) in trial", "s", "a", 200.0)]


def test_a_fault_is_recorded_at_the_time_its_injection_began() -> None:
    world = World(fault(TakeDown(), **RUNNING))
    runtime = world.services["runtime"]
    kill = runtime.kill

    def slow_kill() -> int:
        world.clock.advance(0.3)
        return kill()

    runtime.kill = slow_kill  # type: ignore[method-assign]
    world.task("running")
    assert [at_ms for *_, at_ms in world.fired()] == [0.0]
    assert world.clock.seconds == 0.3


def test_an_action_gets_the_generator_of_its_fault() -> None:
    TakeDown.rngs.clear()
    loaded = fault(TakeDown(), **RUNNING)
    world = World(loaded)
    world.task("running")
    (rng,) = TakeDown.rngs
    assert rng.random() == draw(loaded, "7:0", "trial").rng.random()


def test_an_action_that_takes_long_does_not_hold_up_the_trial() -> None:
    world = World(fault(Slow(), **RUNNING))
    world.task("running")
    assert world.log == []
    world.schedule.let_pass(0)
    assert world.log == ["kill runtime"]


def test_a_fault_heals_by_time_and_the_record_says_when() -> None:
    world = World(fault(TakeDown(heal_after_ms=500), **RUNNING))
    world.task("running")
    assert world.chaos.returning("runtime")
    assert not world.chaos.returning("execgo")
    world.schedule.let_pass(0.5)
    assert world.log == ["kill runtime", "revive runtime"]
    assert not world.chaos.returning("runtime")
    healed = world.recorder.the(ChaosHealed)
    assert (healed.at_ms, healed.detail, healed.target) == (500.0, "runtime runs", "runtime")
    world.chaos.heal()
    assert world.log == ["kill runtime", "revive runtime"], "it is healed once"


def test_without_a_time_a_service_stays_down_until_the_trial_ends() -> None:
    world = World(fault(TakeDown(), **RUNNING))
    world.task("running")
    assert not world.chaos.returning("runtime")
    world.schedule.let_pass(100)
    assert world.log == ["kill runtime"]
    world.chaos.heal()
    assert world.log == ["kill runtime", "revive runtime"]


def test_faults_heal_in_reverse_order() -> None:
    world = World(
        fault(TakeDown(), "runtime", **RUNNING),
        fault(TakeDown(), "execgo", **RUNNING),
        fault(TakeDown(), "fixtures", **RUNNING),
    )
    world.task("running")
    assert world.log == ["kill runtime", "kill execgo", "kill fixtures"]
    world.log.clear()
    world.chaos.heal()
    assert world.log == ["revive fixtures", "revive execgo", "revive runtime"]
    assert [e.fault for e in world.recorder.of(ChaosHealed)] == [2, 1, 0]


def test_a_service_returns_as_long_as_one_of_its_faults_heals_by_time() -> None:
    slow = fault(TakeDown(heal_after_ms=900), phase="runtime", after="task_running")
    soon = fault(Wait(met_after=0.0, heal_after_ms=100), phase="runtime", after="task_running")
    world = World(slow, soon)
    world.task("running")
    world.schedule.let_pass(0.1)
    assert world.chaos.returning("runtime"), "the kill is not healed yet"
    world.schedule.let_pass(0.8)
    assert not world.chaos.returning("runtime")


def test_a_fault_is_injected_as_often_as_asked_and_only_while_it_is_healed() -> None:
    world = World(fault(TakeDown(heal_after_ms=100), times=2, **RUNNING))
    world.task("running")
    world.task("running", "b")
    assert world.log == ["kill runtime"], "it is still in place"
    world.schedule.let_pass(0.1)
    world.task("running", "c")
    world.schedule.let_pass(0.1)
    world.task("running", "d")
    assert world.log == ["kill runtime", "revive runtime"] * 2
    world.chaos.heal()
    assert world.not_fired() == [], "it fired"


def test_a_fault_that_could_not_be_injected_is_tried_again() -> None:
    world = World(fault(TakeDown(), times=2, **RUNNING))
    world.services["runtime"].alive = False
    world.task("running")
    world.services["runtime"].alive = True
    world.task("running", "b")
    assert world.log == ["kill runtime"]


def test_healing_twice_does_nothing() -> None:
    world = World(fault(TakeDown(), **RUNNING))
    world.task("running")
    world.chaos.heal()
    events = len(world.recorder.events)
    world.chaos.heal()
    world.task("running", "b")
    assert len(world.recorder.events) == events + 1, "the event of the task itself"


def test_healing_that_fails_is_recorded_and_does_not_stop_the_others() -> None:
    world = World(
        fault(TakeDown(), "runtime", **RUNNING),
        fault(TakeDown(fails="heal", heal_after_ms=1000), "execgo", **RUNNING),
    )
    world.task("running")
    assert not world.chaos.heal_failed
    world.chaos.heal()
    assert world.chaos.heal_failed
    failed = world.recorder.the(ChaosHealFailed)
    assert (failed.fault, failed.target, failed.message) == (1, "execgo", "OSError: no way back")
    assert world.log[-1] == "revive runtime"
    assert not world.chaos.returning("execgo")


# -- faults that are not injected


def test_an_action_that_raises_is_on_record_and_leaves_nothing_in_place() -> None:
    world = World(fault(TakeDown(fails="inject", heal_after_ms=9), **RUNNING))
    world.task("running")
    assert world.not_fired() == [(0, "inject_failed", "OSError: no permission")]
    assert not world.chaos.returning("runtime")
    world.chaos.heal()
    assert world.recorder.of(ChaosHealed) == []
    assert len(world.not_fired()) == 1


def test_a_target_that_is_down_is_not_taken_down_again() -> None:
    world = World(fault(TakeDown(), **RUNNING))
    world.services["runtime"].alive = False
    world.task("running")
    assert world.log == []
    assert world.not_fired() == [(0, "inject_failed", "RuntimeError: runtime is not running")]


def test_a_target_without_the_capability_is_left_alone() -> None:
    @dataclass
    class Remote:
        name: str = "runtime"
        url: str = ""

        def running(self) -> bool:
            return True

    world = World(fault(TakeDown(), **RUNNING))
    assert TakeDown().unsupported(Remote()) == "runtime does not support take_down"
    world.chaos._targets = {"runtime": Remote()}
    world.task("running")
    ((_, reason, message),) = world.not_fired()
    assert (reason, message) == (
        "inject_failed",
        "RuntimeError: runtime does not support take_down",
    )


def test_a_condition_that_never_came_true_is_on_record() -> None:
    world = World(fault(TakeDown(), phase="runtime", stage="x", task="y*", after="task_ended"))
    world.task("success")
    world.chaos.heal()
    assert world.not_fired() == [
        (
            0,
            "condition_never_met",
            "no stage or task met its condition: phase runtime, stage x, task y*, task_ended",
        )
    ]


def test_a_trial_that_ends_during_the_delay_is_on_record() -> None:
    world = World(fault(TakeDown(), delay_ms=500, **RUNNING))
    world.task("running")
    world.chaos.heal()
    assert world.log == []
    assert world.not_fired() == [
        (
            0,
            "condition_never_met",
            "its condition was met, but the trial ended before the delay had passed",
        )
    ]


# -- faults that wait for a client


def test_a_waiting_fault_fires_when_a_client_met_it() -> None:
    world = World(fault(Wait(met_after=0.25), **RUNNING))
    world.task("running")
    world.schedule.let_pass(2)
    assert world.fired() == []
    world.chaos.heal()
    assert world.fired() == [(0, "waits", "s", "a", 250.0)]


def test_a_waiting_fault_that_no_client_met_did_not_fire() -> None:
    world = World(fault(Wait(), **RUNNING))
    world.task("running")
    world.chaos.heal()
    assert world.not_fired() == [(0, "condition_never_met", "no client met the fault")]
    assert world.recorder.the(ChaosHealed).detail == "removed"


def test_a_waiting_fault_whose_target_cannot_be_asked_did_not_fire() -> None:
    world = World(fault(Wait(fails=True), **RUNNING))
    world.task("running")
    world.chaos.heal()
    assert world.not_fired() == [
        (0, "inject_failed", "cannot find out: OSError: connection refused")
    ]


@pytest.mark.parametrize("planned", [True, False], ids=["with a plan", "without a plan"])
def test_faults_of_planning_end_with_it(planned: bool) -> None:
    world = World(fault(Wait(met_after=0.1), phase="plan"), fault(TakeDown(), **RUNNING))
    world.recorder.add(PlanningStarted())
    world.task("running")
    assert world.recorder.of(ChaosHealed) == []
    if planned:
        world.planned()
    else:
        world.recorder.add(PlanFailed(code="c", message="m", duration_ms=1))
    assert [e.fault for e in world.recorder.of(ChaosHealed)] == [0]
    assert (0, "waits", None, None, 100.0) in world.fired()
    assert world.log == ["kill runtime"], "a fault of another phase stays in place"


# -- plans and graphs

PLAN = plan_of(stage_of("a", "b", stage_id="one"), stage_of("c", stage_id="two"))


def tools(plan: StandardPlan) -> dict[str, str | None]:
    return {t.id: t.tool_name for stage in plan.stages for t in stage.task_graph.tasks}


def test_a_plan_is_changed_in_scope_and_the_original_stays() -> None:
    world = World(fault(Rename(), "plan", phase="plan", task="b"))
    changed = world.chaos.change_plan(PLAN)
    assert [name for name, tool in tools(changed).items() if tool] == ["b"]
    assert set(tools(PLAN).values()) == {None}
    assert world.fired() == [(0, "renamed b", "one", "b", 0.0)]
    assert world.chaos.change_plan(changed) is changed, "once is enough"


def test_a_graph_is_changed_in_its_stage_only() -> None:
    world = World(fault(Rename(), "plan", phase="submit", stage="two"))
    assert world.chaos.change_plan(PLAN) is PLAN
    first, second = PLAN.stages
    assert world.chaos.change_graph(first, first.task_graph) == first.task_graph
    changed = world.chaos.change_graph(second, second.task_graph)
    assert changed.tasks[0].tool_name is not None
    assert world.fired() == [(0, "renamed c", "two", "c", 0.0)]
    assert world.chaos.change_graph(second, second.task_graph) == second.task_graph, "once"


def test_the_graph_that_is_changed_is_the_one_with_bound_values() -> None:
    world = World(fault(Rename(), "plan", phase="submit", stage="two"))
    second = PLAN.stages[1]
    bound = second.task_graph.tasks[0].model_copy(update={"params": {"bound": 1}})
    graph = second.task_graph.model_copy(update={"tasks": (bound,)})
    assert world.chaos.change_graph(second, graph).tasks[0].params == {"bound": 1}


def test_a_plan_action_changes_several_graphs_if_asked() -> None:
    world = World(fault(Rename(), "plan", phase="submit", times=2))
    for stage in PLAN.stages * 2:
        world.chaos.change_graph(stage, stage.task_graph)
    assert [stage for _, _, stage, _, _ in world.fired()] == ["one", "two"]


def test_a_plan_fault_that_raises_each_time_is_tried_as_often_as_asked() -> None:
    world = World(fault(Rename(fails=True), "plan", phase="submit", times=2))
    for stage in PLAN.stages * 2:
        world.chaos.change_graph(stage, stage.task_graph)
    assert len(world.not_fired()) == 2


def test_a_plan_action_that_raises_leaves_the_plan_unchanged() -> None:
    world = World(fault(Rename(fails=True), "plan", phase="plan"))
    assert world.chaos.change_plan(PLAN) is PLAN
    world.chaos.heal()
    assert world.not_fired() == [(0, "inject_failed", "ValueError: bad plan")]


def test_events_do_not_trigger_plan_actions() -> None:
    world = World(fault(Rename(), "plan", phase="submit"))
    world.submit()
    assert world.fired() == []


# -- random draws


def test_the_same_seed_and_key_repeat_the_draws_and_others_do_not() -> None:
    def changed(seed: str, key: str) -> dict[str, str | None]:
        world = World(fault(Rename(), "plan", phase="plan"), seed=seed, rng_key=key)
        return tools(world.chaos.change_plan(PLAN))

    assert changed("7:0", "trial") == changed("7:0", "trial")
    others = [changed("7:0", f"trial-{n}") for n in range(9)]
    assert any(one != changed("7:0", "trial") for one in others)
    assert any(changed(f"{n}:0", "trial") != changed("7:0", "trial") for n in range(9))


def test_a_fault_draws_its_own_numbers_whatever_other_faults_draw() -> None:
    first, second = in_their_places(*[fault(Rename(), "plan", phase="plan")] * 2)
    alone = draw(second, "7:0", "trial")
    assert alone.seed == "7:0:trial:1"
    assert alone.rng.random() == draw(second, "7:0", "trial").rng.random()
    assert alone.rng.random() != draw(first, "7:0", "trial").rng.random()


def test_each_armed_fault_is_on_record_with_the_seed_of_its_draws() -> None:
    world = World(fault(TakeDown(), **RUNNING), fault(Rename(), "plan", phase="plan"))
    armed = [(e.fault, e.action, e.target, e.seed) for e in world.recorder.of(ChaosArmed)]
    assert armed == [
        (0, "take_down", "runtime", "7:0:trial:0"),
        (1, "rename", "plan", "7:0:trial:1"),
    ]


def test_a_probability_is_the_share_of_trials_with_the_fault() -> None:
    half = fault(TakeDown(), probability=0.5, **RUNNING)
    exercised = [draw(half, "7:0", f"trial-{n}").exercised for n in range(2000)]
    assert 0.45 < sum(exercised) / len(exercised) < 0.55


def test_a_trial_is_left_out_only_if_all_of_its_faults_are() -> None:
    never, always = fault(TakeDown(), probability=1e-9, **RUNNING), fault(TakeDown(), **RUNNING)
    assert all_left_out([never, never], "7:0", "trial")
    assert not all_left_out([never, always], "7:0", "trial")
    assert not all_left_out([], "7:0", "trial"), "a trial without faults is not left out"


def test_whether_a_trial_is_left_out_follows_the_draws_of_its_faults() -> None:
    half = fault(TakeDown(), probability=0.5, **RUNNING)
    for seed in ("7:0", "8:0"):
        for number in range(40):
            key = f"trial-{number}"
            two = in_their_places(half, half)
            drawn = [draw(one, seed, key).exercised for one in two]
            assert all_left_out(two, seed, key) is (not any(drawn))


# -- actions with wrong return values


class ReturnsThePlan(PlanAction):
    """Returns the plan, instead of the change of it."""

    name = "returns_the_plan"

    def change(self, plan: StandardPlan, scope: PlanScope, rng: Random) -> Any:
        return plan


class ReturnsNothing(ServiceAction[Target]):
    """Returns no injection."""

    name = "returns_nothing"
    targets = frozenset({"runtime"})

    def inject(self, target: Target, trial_id: str, rng: Random) -> Any:
        return None


def test_a_plan_action_with_a_wrong_return_value_leaves_the_plan_unchanged() -> None:
    world = World(fault(ReturnsThePlan(), "plan", phase="plan"))
    assert world.chaos.change_plan(PLAN) is PLAN
    message = (
        "TypeError: change() of returns_the_plan returned StandardPlan, expected Change or None"
    )
    assert world.not_fired() == [(0, "inject_failed", message)]


def test_a_service_action_without_an_injection_did_not_fire() -> None:
    world = World(fault(ReturnsNothing(), **RUNNING))
    world.task("running")
    message = "TypeError: inject() of returns_nothing returned NoneType, expected Injection"
    assert world.not_fired() == [(0, "inject_failed", message)]
