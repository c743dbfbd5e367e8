"""When a task counts as stuck, what follows, and what does not count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_execgo.models.events import (
    CancelAsked,
    ResubmitDeclined,
    Resubmitted,
    StageFinished,
    TaskStuck,
)
from pytest_execgo.models.plan import PlanStage
from pytest_execgo.models.task import EngineTask, Task
from pytest_execgo.runner.client import SeenTask
from pytest_execgo.runner.watchdog import (
    Observed,
    StuckTask,
    Watchdog,
    find_stuck,
    named_processes,
    own_limit_ms,
)
from tests.fakes import START, RunnerWorld

HELPER, OWN = 11, 12
FIVE_SECONDS: dict[str, Any] = {"limits": {"wall_time_ms": 5000}}
OVERDUE = 5 * 1.5 + 10
"""Seconds after which a task with a limit of five is overdue."""


NO_LIMITS: list[Any] = [0, -1, True, "5", None, [], float("nan"), float("inf"), 10**30]


def gone(name: str = "a", seconds: float = 2.0, **more: Any) -> Observed:
    return Observed(name, "running", ended=seconds, **{"answers": 4, **more})


def late(name: str = "a", seconds: float = OVERDUE) -> Observed:
    return Observed(name, "running", running=seconds, limit_ms=5000)


def stuck_names(*tasks: Observed, quiet: float = 5.0) -> list[str] | None:
    found = find_stuck(tasks, quiet)
    return None if found is None else [one.name for one in found.stuck]


# -- the decision


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (gone(), "ended"),
        (gone(seconds=1.9), None),
        (gone(answers=3), None),
        (gone(seconds=3.9, needed=4.0), None),
        (gone(seconds=4.0, needed=4.0), "ended"),
        (late(), "overdue"),
        (late(seconds=OVERDUE - 0.1), None),
        (Observed("a", "running", running=1e9), None),
        (Observed("a", "queued", running=1e9, ended=1e9, answers=9, limit_ms=1), None),
    ],
    ids=[
        "processes ended", "too short", "too few answers", "shorter than needed", "long enough",
        "past its limit", "a little past its limit", "no limit", "queued",
    ],
)  # fmt: skip
def test_a_task_is_stuck_by_evidence_with_a_margin(task: Observed, expected: str | None) -> None:
    assert task.stuck() == expected


def test_a_task_that_its_runtime_ends_with_the_second_signal_is_not_stuck() -> None:
    # Such a runtime sends the second signal five seconds after the limit.
    assert not any(
        Observed("a", "running", running=limit + 6, limit_ms=limit * 1000).stuck()
        for limit in (0.001, 1, 20, 600)
    )


def test_while_another_task_moves_nothing_is_decided() -> None:
    assert stuck_names(gone("a"), Observed("b", "running", running=60)) is None
    assert stuck_names(gone("a"), gone("b")) == ["a", "b"]
    assert stuck_names(gone("a"), Observed("b", "waiting")) == ["a"]
    assert stuck_names(gone("a"), quiet=0.9) is None
    assert stuck_names(Observed("b", "waiting")) is None


def test_a_task_that_could_begin_gets_time_before_its_place_counts_as_kept() -> None:
    tasks = (gone("a"), Observed("b", "queued"), Observed("c", "waiting"))
    assert find_stuck(tasks, 4.9) is None
    found = find_stuck(tasks, 5.0)
    assert found is not None
    assert found.queued == ("b",)


def test_the_decision_says_what_was_observed() -> None:
    found = find_stuck([gone("a", 2.5), late("b", 20.0)], 5.0)
    assert found is not None
    assert found.stuck == (
        StuckTask("a", "ended", 2500.0, None),
        StuckTask("b", "overdue", 20000.0, 5000),
    )


# -- the limit of a task


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, None),
        ({"timeout": 700}, 700),
        ({"input": FIVE_SECONDS}, 5000),
        ({"params": FIVE_SECONDS}, 5000),
        ({"input": FIVE_SECONDS, "timeout": 700}, 700),
        ({"input": FIVE_SECONDS, "timeout": 9000}, 5000),
        ({"timeout": 700, "retry": 2}, 3 * 700 + 100 + 200),
        ({"timeout": 1, "retry": 9}, 10 + 100 + 200 + 400 + 800 + 1600 + 3200 + 6400 + 2 * 10000),
        ({"input": {"limits": {"wall_time_ms": 1.5}}}, 1.5),
        *[({"input": {"limits": {"wall_time_ms": bad}}}, None) for bad in NO_LIMITS],
        ({"input": {"limits": 7}}, None),
        ({"input": [1]}, None),
    ],
)
def test_a_task_has_the_smallest_of_its_own_limits(
    members: dict[str, Any], expected: float | None
) -> None:
    assert own_limit_ms(Task(id="a", type="runtime", **members)) == expected


def test_any_number_of_retries_gives_a_limit() -> None:
    assert own_limit_ms(Task(id="a", type="runtime", timeout=1, retry=10**12)) is not None


# -- what an answer of ExecGo says


def engine_task(output: Any = None, **members: Any) -> EngineTask:
    now = START.isoformat()
    known = {"id": "x", "type": "runtime", "created_at": now, "updated_at": now}
    runtime = {"runtime": {"output": output}}
    return EngineTask.model_validate({**known, "status": "running", **runtime, **members})


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ({"status": "running", "shim_pid": HELPER, "pid": OWN}, [HELPER, OWN]),
        ({"status": "running", "shim_pid": HELPER}, [HELPER]),
        ({"status": "running", "pid": OWN}, [OWN]),
        ({"status": "success", "shim_pid": HELPER, "pid": OWN}, []),
        ({"status": "running", "shim_pid": True, "pid": OWN}, [OWN]),
        ({"status": "running", "shim_pid": 0, "pid": OWN}, [OWN]),
        ({"status": "running", "shim_pid": -1}, []),
        ({"status": "running", "shim_pid": 2**40}, []),
        ({"status": "running", "shim_pid": "11"}, []),
        ({"status": "running", "shim_pid": HELPER, "pid": [1]}, [HELPER]),
        ("text", []),
        (None, []),
    ],
)
def test_processes_are_those_that_the_runtime_names(output: Any, expected: list[int]) -> None:
    assert named_processes(engine_task(output)) == expected


class Watched:
    """A watchdog over task ``a``, with answers of a runtime that names processes."""

    def __init__(self, *, ended: bool, helper: bool = True) -> None:
        self.now, self.ended, self.duration = 0.0, ended, 0
        self.processes = {"shim_pid": HELPER, "pid": OWN} if helper else {"pid": OWN}
        task = Task(id="a", type="runtime", input={"limits": {"wall_time_ms": 60_000}})
        self.dog = Watchdog([task], lambda pids: self.ended, 0.0)

    def look(self, seconds: float = 0.5, *, fresh: bool = True, status: str = "running") -> bool:
        """Look after ``seconds``; whether the task is stuck. ``fresh``: the answer is a new one."""
        self.now += seconds
        self.duration += fresh
        output = {"status": "running", **self.processes, "n": self.duration}
        task = engine_task(output, status="running", run_status=status)
        seen = SeenTask(task, task.model_dump(mode="json"))
        return self.dog.look({"a": seen}, self.now) is not None

    def looks_until_stuck(self, seconds: float = 0.5, most: int = 1000, **how: Any) -> int | None:
        """The number of looks until the task is stuck; ``None`` if it never is."""
        return next((n for n in range(1, most) if self.look(seconds, **how)), None)


def test_ended_processes_are_stuck_after_two_seconds_of_new_answers() -> None:
    assert Watched(ended=True).looks_until_stuck() == 5


def test_running_processes_are_stuck_only_past_the_limit() -> None:
    assert Watched(ended=False).looks_until_stuck() == 1 + (60 * 1.5 + 10) / 0.5


def test_old_answers_prove_nothing_about_processes_that_ended() -> None:
    watched = Watched(ended=False)
    assert not watched.look()
    assert not watched.look()
    watched.ended = True
    assert watched.looks_until_stuck(fresh=False) is None, (
        "as behind a broken link or a paused runtime"
    )
    assert watched.looks_until_stuck(fresh=True) == 5


def test_without_a_helper_that_ended_the_runtime_gets_more_time() -> None:
    assert Watched(ended=True, helper=False).looks_until_stuck() == 9


def test_answers_that_never_differ_count_when_they_cannot_be_old_ones() -> None:
    assert Watched(ended=True).looks_until_stuck(fresh=False) == 33


def test_a_starved_observer_needs_as_many_looks_as_others() -> None:
    late_looks = Watched(ended=False).looks_until_stuck(seconds=60)
    assert late_looks == 1 + 60 * 1.5 + 10, "at most a second of each minute counts"
    assert Watched(ended=True).looks_until_stuck(seconds=60) == 4


def test_a_process_that_lives_again_resets_the_count() -> None:
    watched = Watched(ended=True)
    assert not any(watched.look() for _ in range(4))
    watched.ended = False
    assert not watched.look()
    watched.ended = True
    assert watched.looks_until_stuck() == 5


def test_a_queued_task_is_never_stuck() -> None:
    watched = Watched(ended=True)
    assert watched.looks_until_stuck(status="accepted") is None
    assert watched.looks_until_stuck(status="running") == 5, "counted from the start of the task"


def test_looks_are_due_only_while_nothing_moves() -> None:
    dog = Watched(ended=False).dog
    assert not dog.due(0.9)
    assert dog.due(1.0)
    dog.moved(1.0)
    assert not dog.due(1.9)
    assert dog.due(2.0)
    dog.look({}, 2.0)
    assert not dog.due(2.4)
    assert dog.due(2.5)


# -- a stage


def stage(*tasks: dict[str, Any], **policy: Any) -> PlanStage:
    return PlanStage.model_validate(
        {
            "stage_id": "s",
            "task_graph": {
                "tasks": [{"type": "runtime", "input": FIVE_SECONDS, **task} for task in tasks]
            },
            "submit_policy": {"deadline_ms": 60_000, "max_resubmits": 3, **policy},
        }
    )


A, B = {"id": "a"}, {"id": "b", "depends_on": ["a"]}


@pytest.fixture
def world() -> RunnerWorld:
    return RunnerWorld()


def never_ends(world: RunnerWorld) -> Callable[[], dict[str, Any]]:
    """What ExecGo shows of a task whose runtime never reports its end."""

    def answer() -> dict[str, Any]:
        running = {"status": "running", "shim_pid": HELPER, "pid": OWN}
        output = {**running, "duration_ms": world.clock.seconds * 1000}
        return {
            "status": "running",
            "run_status": "running",
            "handle_id": "h",
            "updated_at": START.isoformat(),
            "runtime": {"output": output},
        }

    return answer


def outcome(world: RunnerWorld) -> tuple[str, float]:
    event = world.recorder.the(StageFinished)
    return event.outcome, event.duration_ms / 1000


def test_a_task_whose_end_is_never_reported_is_submitted_again_in_seconds(
    world: RunnerWorld,
) -> None:
    world.fleet.ended = {HELPER, OWN}
    world.engine.script("a", never_ends(world))
    world.engine.script("b", "pending")
    world.engine.script("b.r1", "success")
    assert world.run_stage(stage(A, B)) == "succeeded"
    assert world.clock.seconds < 5
    stuck = world.recorder.the(TaskStuck)
    assert (stuck.task_id, stuck.handle_id, stuck.how, stuck.round) == ("a", "h", "ended", 0)
    assert stuck.watched_ms >= 2000
    assert world.recorder.the(Resubmitted).tasks == ("a", "b")


def test_an_overdue_task_is_cancelled_before_it_is_submitted_again(world: RunnerWorld) -> None:
    world.engine.script("a", never_ends(world))
    world.engine.script("b", "pending")
    world.engine.script("b.r1", "success")
    assert world.run_stage(stage(A, B)) == "succeeded"
    assert OVERDUE < world.clock.seconds < OVERDUE + 5
    assert world.recorder.the(TaskStuck).how == "overdue"
    assert world.recorder.the(TaskStuck).limit_ms == 5000
    assert world.fleet.cancelled == ["h"]
    assert world.recorder.the(CancelAsked).answer == "status 200"
    kinds = world.recorder.types()
    assert kinds.index("cancel_asked") < kinds.index("resubmitted")


def test_a_task_whose_processes_ended_is_not_cancelled(world: RunnerWorld) -> None:
    # There is nothing to cancel, and its process ids may belong to other processes by now.
    world.fleet.ended = {HELPER, OWN}
    world.engine.script("a", never_ends(world))
    world.run_stage(stage(A))
    assert world.fleet.cancelled == []


def test_tasks_that_wait_for_a_stuck_one_are_removed_so_that_they_never_run_twice(
    world: RunnerWorld,
) -> None:
    world.fleet.ended = {HELPER, OWN}
    world.engine.script("a", never_ends(world))
    world.engine.script("b", "pending")
    world.engine.script("b.r1", "success")
    world.run_stage(stage(A, B))
    # The record of the stuck task stays: the clean-up finds it, and the fleet is replaced.
    assert world.engine.deleted == ["run.s.b"]


def test_a_stuck_task_that_may_not_be_submitted_again_ends_the_stage(world: RunnerWorld) -> None:
    world.fleet.ended = {HELPER, OWN}
    world.engine.script("a", never_ends(world))
    assert world.run_stage(stage(A, max_resubmits=0)) == "stuck"
    assert world.clock.seconds < 5
    assert world.recorder.the(StageFinished).unfinished == ("a",)
    assert world.recorder.the(ResubmitDeclined).reason == "max_resubmits is 0"
    assert world.engine.deleted == []


def test_each_round_may_be_stuck_within_max_resubmits(world: RunnerWorld) -> None:
    world.fleet.ended = {HELPER, OWN}
    for name in ("a", "a.r1", "a.r2"):
        world.engine.script(name, never_ends(world))
    assert world.run_stage(stage(A, max_resubmits=2)) == "stuck"
    assert [event.round for event in world.recorder.of(TaskStuck)] == [0, 1, 2]
    assert world.recorder.the(ResubmitDeclined).reason == "max_resubmits is 2 (2 used)"


def test_when_stuck_tasks_keep_all_places_the_stage_ends(world: RunnerWorld) -> None:
    world.fleet.ended = {HELPER, OWN}
    world.engine.script("a", never_ends(world))
    world.engine.script("c", {"status": "running", "run_status": "accepted", "handle_id": "k"})
    assert world.run_stage(stage(A, {"id": "c"})) == "stuck"
    assert outcome(world)[1] < 10
    reason = world.recorder.the(ResubmitDeclined).reason
    assert reason == "stuck tasks keep all places: c cannot begin"
    assert set(world.recorder.the(StageFinished).unfinished) == {"a", "c"}


def test_a_task_beside_a_stuck_one_is_awaited(world: RunnerWorld) -> None:
    world.fleet.ended = {HELPER, OWN}
    world.engine.script("a", never_ends(world))

    def slow() -> dict[str, Any]:
        ended = world.clock.seconds > 4
        return {"status": "success" if ended else "running", "run_status": "running"}

    world.engine.script("c", slow)
    assert world.run_stage(stage(A, {"id": "c"})) == "succeeded"
    assert world.recorder.the(Resubmitted).tasks == ("a",)
    assert world.clock.seconds > 4


def test_a_slow_task_within_its_limit_is_not_stuck(world: RunnerWorld) -> None:
    def slow() -> dict[str, Any]:
        return never_ends(world)() | ({"status": "success"} if world.clock.seconds > 8 else {})

    world.engine.script("a", slow)
    assert world.run_stage(stage(A)) == "succeeded"
    assert world.recorder.of(TaskStuck) == []
    assert world.fleet.cancelled == []


def test_a_task_of_execgo_itself_past_its_timeout_is_stuck(world: RunnerWorld) -> None:
    world.engine.script("a", {"status": "running", "run_status": "running"})
    world.engine.script("a.r1", "success")
    only = stage({"id": "a", "type": "shell", "input": None, "timeout": 100})
    assert world.run_stage(only) == "succeeded"
    stuck = world.recorder.the(TaskStuck)
    assert (stuck.handle_id, stuck.how, stuck.limit_ms) == (None, "overdue", 100)
    assert world.fleet.cancelled == [], "ExecGo has no request that cancels"


def test_a_task_without_a_limit_waits_for_the_deadline(world: RunnerWorld) -> None:
    world.engine.script("a", {"status": "running", "run_status": "running"})
    assert world.run_stage(stage({"id": "a", "type": "shell", "input": None})) == "stuck"
    assert outcome(world) == ("stuck", 60.0)
    assert world.recorder.of(TaskStuck) == []


def test_quiet_stages_are_looked_at_twice_a_second(world: RunnerWorld) -> None:
    world.engine.script("a", never_ends(world))
    world.engine.script("b", "pending")
    world.run_stage(stage(A, B, deadline_ms=3000))
    looks = [time for time, name in world.engine.polled() if name == "run.s.a"]
    assert len(looks) <= 6
