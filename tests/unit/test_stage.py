"""Every way a stage can end, with exact times, ids, events and messages."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pytest_execgo.models.events import (
    EngineProtocolError,
    EngineReachable,
    EngineUnreachable,
    ResubmitDeclined,
    Resubmitted,
    StageFinished,
    StageStarted,
    SubmitRejected,
    Submitted,
    TaskChanged,
    TaskError,
    TaskLost,
)
from pytest_execgo.models.task import EngineTask
from pytest_execgo.runner.client import ProtocolError, Rejected, SeenTask
from pytest_execgo.runner.compile import compile_graph, engine_id, subgraph
from pytest_execgo.runner.task_events import task_changed
from pytest_execgo.verdict import wording
from tests.fakes import (
    START,
    Hang,
    LostAnswer,
    RunnerWorld,
    graph_of,
    no_answer,
    refused,
    stage_of,
)
from tests.ids import readable

CHAIN = {"b": ["a"]}


@pytest.fixture
def world() -> RunnerWorld:
    return RunnerWorld()


def at_ms(milliseconds: float) -> str:
    return (START + timedelta(milliseconds=milliseconds)).isoformat()


def finished(world: RunnerWorld) -> dict[str, Any]:
    """The members of the only ``stage_finished``, without those of every event."""
    event = world.recorder.the(StageFinished)
    return event.model_dump(exclude={"event_id", "at_ms", "wall_time", "event_type"})


def test_invalid_payload_is_not_submitted_again(world: RunnerWorld) -> None:
    error = {"code": "invalid_input", "message": "m"}
    world.engine.script("a", {"status": "failed", "runtime": {"error": error}})
    assert world.run_stage(stage_of("a", max_resubmits=3)) == "failed"
    reason = "the payload of a is invalid, so it would be refused again"
    assert world.recorder.the(ResubmitDeclined).reason == reason


# -- a hostile ExecGo


def test_task_that_changes_without_end_breaks_the_contract(world: RunnerWorld) -> None:
    world.engine.script(
        "a", lambda: {"status": "running", "updated_at": at_ms(world.clock.seconds)}
    )
    stage = stage_of("a", poll_interval_ms=10, max_poll_interval_ms=10, deadline_ms=60_000)
    assert world.run_stage(stage) == "failed"
    problem = world.recorder.the(EngineProtocolError)
    assert problem.message == "task a changed more than 1000 times"
    assert len(world.recorder.snapshots) == 1000


def test_results_of_a_trial_have_a_limit_together(
    world: RunnerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    get = world.engine.get

    def large(task_id: str, *, timeout: float | None = None) -> SeenTask | None:
        seen = get(task_id, timeout=timeout)
        return None if seen is None else replace(seen, size=8 * 1024**2)

    monkeypatch.setattr(world.engine, "get", large)
    assert world.run_stage(stage_of("a", "b", "c", "d", "e")) == "failed"
    problem = world.recorder.the(EngineProtocolError)
    assert problem.message == "the results of the trial are larger than 32 MB together"
    assert sorted(world.tasks.results) == ["a", "b", "c", "d"]


def test_slow_answers_after_the_deadline_end_the_last_look(world: RunnerWorld) -> None:
    def slowly() -> str:
        world.clock.advance(0.4)
        return "running"

    names = [f"t{number}" for number in range(20)]
    for name in names:
        world.engine.script(name, slowly)
    assert world.run_stage(stage_of(*names, deadline_ms=1000)) == "stuck"
    assert world.clock.seconds <= 1 + 1.4


@pytest.mark.parametrize("code", [7, ["x"], {}, None], ids=["number", "list", "mapping", "null"])
def test_raw_code_of_another_type_is_left_out(world: RunnerWorld, code: Any) -> None:
    error = {"code": "c", "message": "m", "details": {"raw_error_code": code}}
    world.engine.script("a", {"status": "failed", "runtime": {"error": error}})
    assert world.run_stage(stage_of("a")) == "failed"
    assert world.recorder.of(TaskChanged)[-1].error == TaskError(code="c", message="m")


def test_long_message_of_a_task_keeps_its_beginning_and_its_end(world: RunnerWorld) -> None:
    text = "begin" + "x" * 900_000 + ": context deadline exceeded"
    world.engine.script("a", {"status": "failed", "error": text})
    world.run_stage(stage_of("a"))
    error = world.recorder.of(TaskChanged)[-1].error
    assert error is not None
    assert error.message.startswith("beginx")
    assert wording.timed_out(error)
    assert len(error.message) < 2010


# -- succeeded


def test_stage_whose_tasks_succeed_is_succeeded(world: RunnerWorld) -> None:
    assert world.run_stage(stage_of("a")) == "succeeded"
    assert world.recorder.types() == [
        "stage_started",
        "submitted",
        "task_changed",
        "stage_finished",
    ]
    started = world.recorder.the(StageStarted)
    assert (started.stage_id, started.tasks) == ("s", ("a",))
    submitted = world.recorder.the(Submitted)
    assert (submitted.stage_id, submitted.round, submitted.task_ids) == ("s", 0, {"a": "run.s.a"})
    changed = world.recorder.the(TaskChanged)
    assert (changed.stage_id, changed.round, changed.task_id) == ("s", 0, "a")
    assert (changed.engine_task_id, changed.status) == ("run.s.a", "success")
    assert finished(world) == {
        "stage_id": "s",
        "outcome": "succeeded",
        "duration_ms": 0.0,
        "engine_time_ms": 0.0,
        "rounds": 1,
        "unfinished": (),
    }


def test_task_is_kept_as_execgo_returned_it(world: RunnerWorld) -> None:
    world.engine.script("a", {"status": "success", "result": {"stdout": "x"}, "new_member": 1})
    world.run_stage(stage_of("a"))
    raw = world.tasks.results["a"]
    assert (raw["id"], raw["result"], raw["new_member"]) == ("run.s.a", {"stdout": "x"}, 1)
    assert world.recorder.snapshots == [("s", 0, "a", raw)]
    last = world.tasks.submitted["run.s.a"]
    assert last is not None
    assert last.status == "success"


def test_stage_time_starts_before_the_submission(world: RunnerWorld) -> None:
    world.clock.advance(5)
    world.engine.submissions = [refused()]
    world.run_stage(stage_of("a"))
    assert round(finished(world)["duration_ms"], 6) == 20


def test_engine_time_spans_all_tasks_of_the_stage(world: RunnerWorld) -> None:
    def task(created: float, updated: float) -> dict[str, Any]:
        return {"status": "success", "created_at": at_ms(created), "updated_at": at_ms(updated)}

    world.engine.script("a", task(20, 30))
    world.engine.script("b", task(10, 70))
    world.engine.script("c", task(40, 50))
    world.engine.submissions = [refused()] * 5
    world.run_stage(stage_of("a", "b", "c"))
    assert finished(world)["duration_ms"] >= 60
    assert finished(world)["engine_time_ms"] == 60.0


@pytest.mark.parametrize(
    ("created", "updated"),
    [
        pytest.param(0, -3_600_000, id="set-back"),
        pytest.param(0, -1, id="one-millisecond-back"),
        pytest.param(0, 3_600_000, id="set-forward"),
        pytest.param(0, 200, id="longer-than-the-stage"),
    ],
)
def test_engine_time_that_cannot_have_passed_is_null(
    world: RunnerWorld, created: float, updated: float
) -> None:
    task = {"status": "success", "created_at": at_ms(created), "updated_at": at_ms(updated)}
    world.engine.script("a", task)
    world.engine.submissions = [refused()] * 5
    assert world.run_stage(stage_of("a")) == "succeeded"
    assert finished(world)["duration_ms"] < 200
    assert finished(world)["engine_time_ms"] is None


@pytest.mark.parametrize("jump", [-60, -0.05, 0.05, 60], ids=readable)
def test_engine_time_is_null_if_our_own_wall_clock_is_set_during_the_stage(
    world: RunnerWorld, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    """A jump may be too small to be noticed in the times of ExecGo."""
    now = world.clock.now

    def submit(*args: Any, **options: Any) -> Any:
        monkeypatch.setattr(world.clock, "now", lambda: now() + timedelta(seconds=jump))
        return submitted(*args, **options)

    submitted = world.engine.submit
    monkeypatch.setattr(world.engine, "submit", submit)
    assert world.run_stage(stage_of("a")) == "succeeded"
    assert finished(world)["engine_time_ms"] is None


def test_graph_without_tasks_that_execgo_accepts_is_succeeded(world: RunnerWorld) -> None:
    world.engine.submissions = [no_answer()]
    assert world.run_stage(stage_of()) == "succeeded"
    assert [request.method for request in world.engine.requests] == ["POST", "POST"]


# -- polling


def test_polls_back_off_while_nothing_changes(world: RunnerWorld) -> None:
    world.engine.script("a", *["pending"] * 6, "running", "running", "success")
    world.run_stage(stage_of("a"))
    times = [time for time, _ in world.engine.polled()]
    # 5 ms after a change, then 1.5 times and 1 ms more, at most 25 ms.
    assert times == [0, 5, 13, 26, 46, 71, 96, 101, 109]


def test_only_a_change_is_recorded(world: RunnerWorld) -> None:
    world.engine.script("a", "pending", "pending", "running", "running", "success")
    world.run_stage(stage_of("a"))
    statuses = [(event.at_ms, event.status) for event in world.recorder.of(TaskChanged)]
    assert statuses == [(0, "pending"), (13, "running"), (26, "success")]
    assert len(world.recorder.snapshots) == 3


@pytest.mark.parametrize(
    "members",
    [
        {"status": "running"},
        {"status": "pending", "run_status": "accepted"},
        {"status": "pending", "updated_at": at_ms(1)},
        {"status": "pending", "runtime": {"attempt": 1}},
    ],
    ids=["status", "run_status", "updated_at", "attempt"],
)
def test_each_part_of_a_state_counts_as_change(world: RunnerWorld, members: dict[str, Any]) -> None:
    first = {"status": "pending", "updated_at": at_ms(0), "runtime": {"attempt": 0}}
    world.engine.script("a", first, first | members, "success")
    world.run_stage(stage_of("a"))
    assert len(world.recorder.of(TaskChanged)) == 3


def test_first_attempt_is_a_change(world: RunnerWorld) -> None:
    first = {"status": "pending", "updated_at": at_ms(0)}
    world.engine.script("a", first, first | {"runtime": {"attempt": 1}}, "success")
    world.run_stage(stage_of("a"))
    assert [event.attempt for event in world.recorder.of(TaskChanged)] == [0, 1, 1]


def test_other_members_of_a_task_are_not_a_change(world: RunnerWorld) -> None:
    first = {"status": "pending", "updated_at": at_ms(0)}
    world.engine.script("a", first, first | {"type": "os"}, "success")
    world.run_stage(stage_of("a"))
    assert len(world.recorder.of(TaskChanged)) == 2


def test_only_sinks_are_polled_until_they_end(world: RunnerWorld) -> None:
    world.engine.script("b", "pending", "success")
    assert world.run_stage(stage_of("a", "b", dependencies=CHAIN)) == "succeeded"
    assert world.engine.polled() == [(0, "run.s.b"), (5, "run.s.b"), (5, "run.s.a")]


def test_parent_that_outlives_its_sink_is_polled_until_it_ends(world: RunnerWorld) -> None:
    world.engine.script("b", "skipped")
    world.engine.script("a", "running", "running", "success")
    assert world.run_stage(stage_of("a", "b", dependencies=CHAIN)) == "failed"
    polled = [(0, "run.s.b"), (0, "run.s.a"), (0, "run.s.a"), (8, "run.s.a")]
    assert world.engine.polled() == polled


def test_all_tasks_are_polled_while_a_fault_waits_for_one(world: RunnerWorld) -> None:
    world.chaos.watches = {"s"}
    world.engine.script("b", "pending", "success")
    world.run_stage(stage_of("a", "b", dependencies=CHAIN))
    assert world.engine.polled() == [(0, "run.s.a"), (0, "run.s.b"), (5, "run.s.b")]


def test_fault_in_another_stage_does_not_change_the_polling(world: RunnerWorld) -> None:
    world.chaos.watches = {"other"}
    world.run_stage(stage_of("a", "b", dependencies=CHAIN))
    assert world.engine.polled() == [(0, "run.s.b"), (0, "run.s.a")]


# -- failed


def test_stage_with_a_failed_task_is_failed(world: RunnerWorld) -> None:
    world.engine.script("a", "failed")
    world.engine.script("b", "skipped")
    assert world.run_stage(stage_of("a", "b", dependencies=CHAIN)) == "failed"
    declined = world.recorder.the(ResubmitDeclined)
    assert (declined.stage_id, declined.reason) == ("s", "max_resubmits is 0")
    assert world.recorder.types()[-2:] == ["resubmit_declined", "stage_finished"]
    assert finished(world)["outcome"] == "failed"
    assert finished(world)["unfinished"] == ()


def test_protocol_error_of_a_submission_fails_the_stage(world: RunnerWorld) -> None:
    world.engine.submissions = [ProtocolError("POST /tasks: 202 without task_ids")]
    assert world.run_stage(stage_of("a")) == "failed"
    problem = world.recorder.the(EngineProtocolError)
    assert (problem.stage_id, problem.message) == ("s", "POST /tasks: 202 without task_ids")
    assert world.recorder.types() == ["stage_started", "engine_protocol_error", "stage_finished"]
    assert finished(world)["rounds"] == 0


def test_protocol_error_of_a_poll_fails_the_stage(world: RunnerWorld) -> None:
    world.engine.script("a", ProtocolError("GET /tasks/run.s.a: status 500"))
    assert world.run_stage(stage_of("a", max_resubmits=3)) == "failed"
    assert world.recorder.the(EngineProtocolError).message == "GET /tasks/run.s.a: status 500"
    assert world.recorder.of(ResubmitDeclined) == []
    assert (finished(world)["rounds"], finished(world)["unfinished"]) == (1, ("a",))


# -- rejected


def test_refused_submission_is_rejected(world: RunnerWorld) -> None:
    world.engine.submissions = [Rejected(400, "cycle detected")]
    assert world.run_stage(stage_of("a", max_resubmits=3)) == "rejected"
    refusal = world.recorder.the(SubmitRejected)
    assert (refusal.stage_id, refusal.round) == ("s", 0)
    assert (refusal.http_status, refusal.message) == (400, "cycle detected")
    assert world.recorder.types() == ["stage_started", "submit_rejected", "stage_finished"]
    assert (finished(world)["rounds"], finished(world)["engine_time_ms"]) == (0, 0.0)
    assert world.tasks.submitted == {"run.s.a": None}


def test_refused_resubmission_is_rejected(world: RunnerWorld) -> None:
    def fail_and_refuse_the_next() -> str:
        world.engine.submissions = [Rejected(409, "duplicate")]
        return "failed"

    world.engine.script("a", fail_and_refuse_the_next)
    assert world.run_stage(stage_of("a", max_resubmits=3)) == "rejected"
    assert world.recorder.the(SubmitRejected).round == 1
    assert finished(world)["rounds"] == 1


# -- stuck


def test_task_that_does_not_end_before_the_deadline_is_stuck(world: RunnerWorld) -> None:
    world.engine.script("a", "running")
    assert world.run_stage(stage_of("a", deadline_ms=20, max_resubmits=3)) == "stuck"
    # The last sleep ends at the deadline; the second request at 20 ms is the last look.
    assert [time for time, _ in world.engine.polled()] == [0, 5, 13, 20, 20]
    assert world.recorder.of(ResubmitDeclined) == []
    assert world.recorder.of(TaskLost) == []
    assert finished(world) == {
        "stage_id": "s",
        "outcome": "stuck",
        "duration_ms": 20.0,
        "engine_time_ms": 0.0,
        "rounds": 1,
        "unfinished": ("a",),
    }


def test_last_look_at_the_deadline_includes_parents(world: RunnerWorld) -> None:
    world.engine.script("b", "pending")
    stage = stage_of("a", "b", dependencies=CHAIN, deadline_ms=5)
    assert world.run_stage(stage) == "stuck"
    assert world.engine.polled()[-2:] == [(5, "run.s.a"), (5, "run.s.b")]
    assert finished(world)["unfinished"] == ("b",)


def test_task_that_ends_at_the_deadline_succeeds(world: RunnerWorld) -> None:
    world.engine.script("a", "running", "running", "success")
    assert world.run_stage(stage_of("a", deadline_ms=5)) == "succeeded"
    assert [time for time, _ in world.engine.polled()] == [0, 5, 5]


# -- lost


def test_task_that_execgo_does_not_know_is_lost(world: RunnerWorld) -> None:
    world.engine.script("a", "running", None)
    assert world.run_stage(stage_of("a")) == "lost"
    lost = world.recorder.the(TaskLost)
    assert (lost.stage_id, lost.round, lost.task_id) == ("s", 0, "a")
    assert (lost.engine_task_id, lost.how, lost.at_ms) == ("run.s.a", "forgotten", 5)
    assert "a" not in world.tasks.results
    assert world.recorder.the(ResubmitDeclined).reason == "max_resubmits is 0"
    assert finished(world)["unfinished"] == ()


def test_task_that_was_never_seen_can_be_lost(world: RunnerWorld) -> None:
    world.engine.script("a", None)
    assert world.run_stage(stage_of("a")) == "lost"
    assert world.tasks.submitted == {"run.s.a": None}


def test_lost_task_counts_more_than_a_failed_one(world: RunnerWorld) -> None:
    world.engine.script("a", "failed")
    world.engine.script("b", None)
    assert world.run_stage(stage_of("a", "b")) == "lost"


def test_lost_sink_lets_its_parents_be_polled_at_once(world: RunnerWorld) -> None:
    world.engine.script("b", None)
    world.run_stage(stage_of("a", "b", dependencies=CHAIN))
    assert world.engine.polled() == [(0, "run.s.b"), (0, "run.s.a")]


def restarted(world: RunnerWorld) -> Any:
    """A step: ExecGo is down for one request, and another process answers the next one."""

    def step() -> Exception:
        world.fleet.process_id = 2
        return refused()

    return step


EVERY_20_MS: dict[str, Any] = {"poll_interval_ms": 20, "max_poll_interval_ms": 20}


def test_task_that_a_restarted_execgo_does_not_touch_is_lost(world: RunnerWorld) -> None:
    world.engine.script("a", "running", restarted(world), "running")
    assert world.run_stage(stage_of("a", **EVERY_20_MS)) == "lost"
    lost = world.recorder.the(TaskLost)
    assert (lost.how, lost.engine_task_id) == ("orphaned", "run.s.a")
    # ExecGo answers again at 40 ms and has one second to resume the task.
    assert world.recorder.the(EngineReachable).at_ms == 40
    assert lost.at_ms == 1040
    assert world.engine.polled()[-2:] == [(1040, "run.s.a"), (1040, "run.s.a")]
    assert "a" not in world.tasks.results


def test_orphaned_task_is_submitted_again(world: RunnerWorld) -> None:
    world.engine.script("a", "running", restarted(world), "running")
    assert world.run_stage(stage_of("a", max_resubmits=1, **EVERY_20_MS)) == "succeeded"
    assert world.recorder.the(Resubmitted).tasks == ("a",)
    assert world.tasks.results["a"]["id"] == "run.s.a.r1"


def test_last_look_after_a_restart_includes_parents(world: RunnerWorld) -> None:
    world.engine.script("b", "running", restarted(world), "running")
    world.engine.script("a", "running", lambda: "running" if world.clock.seconds < 2 else "success")
    stage = stage_of("a", "b", dependencies=CHAIN, **EVERY_20_MS)
    assert world.run_stage(stage) == "lost"
    # The last look at 1040 ms shows a change of the parent after the restart.
    assert [lost.task_id for lost in world.recorder.of(TaskLost)] == ["b"]
    looks = [time for time, name in world.engine.polled() if name == "run.s.a"]
    # The lost sink lets the parent be polled at once, without a sleep.
    assert (looks[:4], looks[-1]) == ([1000, 1040, 1040, 1060], 2000)


def test_task_that_a_restarted_execgo_resumes_is_not_lost(world: RunnerWorld) -> None:
    def later() -> str:
        return "running" if world.clock.seconds < 1.5 else "success"

    # The state changes in the same moment in which the restart is detected.
    world.engine.script("a", "pending", restarted(world), later)
    assert world.run_stage(stage_of("a", **EVERY_20_MS)) == "succeeded"
    assert world.recorder.of(TaskLost) == []
    assert finished(world)["duration_ms"] == 1500.0


def test_task_that_ends_in_the_last_look_after_a_restart_is_not_lost(world: RunnerWorld) -> None:
    late: list[str] = []

    def second_request_at_the_end() -> str:
        if world.clock.seconds >= 1.04:
            late.append("request")
        return "success" if len(late) > 1 else "running"

    world.engine.script("a", "running", restarted(world), second_request_at_the_end)
    assert world.run_stage(stage_of("a", **EVERY_20_MS)) == "succeeded"
    assert finished(world)["duration_ms"] == 1040.0


def test_interruption_of_the_same_process_does_not_make_tasks_orphans(world: RunnerWorld) -> None:
    def later() -> str:
        return "running" if world.clock.seconds < 1.5 else "success"

    world.engine.script("a", "running", refused(), later)
    assert world.run_stage(stage_of("a", **EVERY_20_MS)) == "succeeded"
    assert world.recorder.of(TaskLost) == []


# -- unreachable


def test_stage_ends_at_once_when_execgo_will_not_return(world: RunnerWorld) -> None:
    world.fleet.returning = {"execgo": False}
    world.engine.script("a", "running", refused())
    assert world.run_stage(stage_of("a", max_resubmits=3)) == "unreachable"
    problem = world.recorder.the(EngineUnreachable)
    assert (problem.stage_id, problem.message, problem.at_ms) == ("s", "connection refused", 5)
    assert world.clock.sleeps == [0.005]
    assert world.recorder.types()[-2:] == ["engine_unreachable", "stage_finished"]
    assert (finished(world)["duration_ms"], finished(world)["unfinished"]) == (5.0, ("a",))


def test_submission_ends_at_once_when_execgo_will_not_return(world: RunnerWorld) -> None:
    world.fleet.returning = {"execgo": False}
    world.engine.submissions = [refused()]
    assert world.run_stage(stage_of("a")) == "unreachable"
    assert world.clock.sleeps == []
    assert finished(world)["rounds"] == 0
    assert finished(world)["unfinished"] == ()


@pytest.mark.parametrize(
    ("deadline_ms", "duration_ms"), [(40, 40.0), (41, 60.0)], ids=["at_deadline", "after_deadline"]
)
def test_execgo_is_awaited_until_the_deadline(
    world: RunnerWorld, deadline_ms: int, duration_ms: float
) -> None:
    world.engine.script("a", refused())
    assert world.run_stage(stage_of("a", deadline_ms=deadline_ms)) == "unreachable"
    assert finished(world)["duration_ms"] == duration_ms
    assert set(world.clock.sleeps) == {0.02}
    # One event for the whole outage.
    assert world.recorder.the(EngineUnreachable).at_ms == 0


def test_hanging_execgo_delays_the_stage_by_one_second_at_most(world: RunnerWorld) -> None:
    world.engine.script("a", Hang())
    assert world.run_stage(stage_of("a", deadline_ms=500)) == "unreachable"
    assert world.recorder.the(EngineUnreachable).message == "no answer in time"
    assert finished(world)["duration_ms"] == 1000.0


# -- recovered


def test_submission_is_repeated_until_execgo_answers(world: RunnerWorld) -> None:
    world.engine.submissions = [refused(), refused()]
    assert world.run_stage(stage_of("a")) == "succeeded"
    posts = [request.at for request in world.engine.requests if request.method == "POST"]
    assert posts == [0.0, 0.02, 0.04]
    assert world.recorder.the(EngineUnreachable).at_ms == 0
    reachable = world.recorder.the(EngineReachable)
    assert (reachable.stage_id, reachable.at_ms) == ("s", 40)
    assert world.recorder.the(Submitted).at_ms == 40


def test_each_outage_is_recorded(world: RunnerWorld) -> None:
    world.engine.script("a", "running", refused(), "running", refused(), refused(), "success")
    assert world.run_stage(stage_of("a")) == "succeeded"
    outages = ["engine_unreachable", "engine_reachable"]
    assert [name for name in world.recorder.types() if name in outages] == outages * 2


def test_graph_is_not_sent_twice_when_only_the_answer_was_lost(world: RunnerWorld) -> None:
    world.engine.submissions = [LostAnswer()]
    assert world.run_stage(stage_of("a", "b")) == "succeeded"
    methods = [(request.method, request.name) for request in world.engine.requests]
    assert methods[:2] == [("POST", ""), ("GET", "run.s.a")]
    assert [method for method, _ in methods].count("POST") == 1
    assert world.recorder.types()[:4] == [
        "stage_started", "engine_unreachable", "engine_reachable", "submitted",
    ]  # fmt: skip


def test_graph_is_sent_again_when_execgo_did_not_accept_it(world: RunnerWorld) -> None:
    world.engine.submissions = [no_answer()]
    assert world.run_stage(stage_of("a")) == "succeeded"
    methods = [request.method for request in world.engine.requests]
    assert methods == ["POST", "GET", "POST", "GET"]
    assert len(world.recorder.of(EngineReachable)) == 1


def test_failed_task_is_submitted_again_with_doubled_pauses(world: RunnerWorld) -> None:
    world.engine.script("a", "failed")
    world.engine.script("a.r1", "failed")
    world.engine.script("a.r2", "failed")
    assert world.run_stage(stage_of("a", max_resubmits=3)) == "succeeded"
    assert world.clock.sleeps == [0.2, 0.4, 0.8]
    resubmitted = world.recorder.of(Resubmitted)
    assert [event.at_ms for event in resubmitted] == [200, 600, 1400]
    assert [event.round for event in resubmitted] == [1, 2, 3]
    assert [round(event.waited_ms, 6) for event in resubmitted] == [200, 400, 800]
    assert {(event.stage_id, event.tasks) for event in resubmitted} == {("s", ("a",))}
    assert [event.round for event in world.recorder.of(Submitted)] == [0, 1, 2, 3]
    assert [event.round for event in world.recorder.of(TaskChanged)] == [0, 1, 2, 3]
    assert list(world.tasks.submitted) == ["run.s.a", "run.s.a.r1", "run.s.a.r2", "run.s.a.r3"]
    assert [snapshot[1] for snapshot in world.recorder.snapshots] == [0, 1, 2, 3]
    assert world.tasks.results["a"]["id"] == "run.s.a.r3"
    assert finished(world)["rounds"] == 4


def test_only_unsuccessful_tasks_are_submitted_again(world: RunnerWorld) -> None:
    world.engine.script("b", "failed")
    world.engine.script("c", "skipped")
    stage = stage_of("a", "b", "c", dependencies={"b": ["a"], "c": ["b"]}, max_resubmits=1)
    assert world.run_stage(stage) == "succeeded"
    assert world.recorder.the(Resubmitted).tasks == ("b", "c")
    second = world.engine.graphs[1].tasks
    assert [(task.id, task.depends_on) for task in second] == [
        ("run.s.b.r1", ()),
        ("run.s.c.r1", ("run.s.b.r1",)),
    ]
    assert world.tasks.results["a"]["id"] == "run.s.a"


def test_lost_round_stays_failed_when_the_next_one_fails(world: RunnerWorld) -> None:
    world.engine.script("a", None)
    world.engine.script("a.r1", "failed")
    assert world.run_stage(stage_of("a", max_resubmits=1)) == "failed"
    assert world.recorder.the(ResubmitDeclined).reason == "max_resubmits is 1 (1 used)"


def test_resubmission_waits_for_services_that_return(world: RunnerWorld) -> None:
    world.engine.script("a", "failed")
    world.fleet.unready_answers = [["runtime"], ["runtime", "fixtures"]]
    assert world.run_stage(stage_of("a", max_resubmits=1)) == "succeeded"
    assert world.clock.sleeps == [0.2, 0.02, 0.02]
    assert world.fleet.asked == ["runtime", "runtime", "fixtures"]
    assert round(world.recorder.the(Resubmitted).waited_ms, 6) == 240


# -- resubmission declined


def test_resubmission_is_declined_when_the_deadline_comes_first(world: RunnerWorld) -> None:
    world.engine.script("a", "failed")
    assert world.run_stage(stage_of("a", max_resubmits=1, deadline_ms=200)) == "failed"
    reason = "the deadline leaves no time for another round"
    assert world.recorder.the(ResubmitDeclined).reason == reason
    assert world.clock.sleeps == []


def test_resubmission_is_declined_when_a_service_will_not_return(world: RunnerWorld) -> None:
    world.engine.script("a", "failed")
    world.fleet.unready_answers = [["runtime"]]
    world.fleet.returning = {"runtime": False}
    assert world.run_stage(stage_of("a", max_resubmits=1)) == "failed"
    declined = world.recorder.the(ResubmitDeclined)
    assert (declined.reason, declined.at_ms) == ("services that will not return: runtime", 200)
    assert world.recorder.of(Resubmitted) == []


def test_resubmission_is_declined_when_services_stay_away(world: RunnerWorld) -> None:
    world.engine.script("a", "failed")
    world.fleet.unready_answers = [["runtime"]] * 100
    assert world.run_stage(stage_of("a", max_resubmits=1, deadline_ms=260)) == "failed"
    declined = world.recorder.the(ResubmitDeclined)
    assert declined.reason == "the deadline passed while waiting for runtime"
    assert declined.at_ms == 260


# -- ids on ExecGo


def test_engine_ids_name_trial_stage_task_and_round() -> None:
    assert engine_id("run.t", "s", "a", 0) == "run.t.s.a"
    assert engine_id("run.t", "s", "a", 2) == "run.t.s.a.r2"


def test_longest_engine_id_is_not_cut() -> None:
    name = engine_id("p", "s", "a" * 196, 0)
    assert name == "p.s." + "a" * 196
    assert len(name) == 200


def test_longer_engine_ids_are_cut_and_stay_unique() -> None:
    names = [engine_id("p", "s", "a" * 196 + last, 0) for last in ("x", "y")]
    names.append(engine_id("p", "s", "a" * 196, 1))
    assert {len(name) for name in names} == {200}
    assert len(set(names)) == 3
    assert names[0] == "p.s." + "a" * 179 + "-dbde0aac86336c39"


def test_dependencies_are_compiled_within_the_graph_only() -> None:
    graph = graph_of("a", "b", b=["a", "elsewhere"])
    compiled, ids = compile_graph(graph, "p", "s", 1)
    assert ids == {"a": "p.s.a.r1", "b": "p.s.b.r1"}
    assert [task.id for task in compiled.tasks] == ["p.s.a.r1", "p.s.b.r1"]
    assert [task.depends_on for task in compiled.tasks] == [(), ("p.s.a.r1", "elsewhere")]


def test_subgraph_drops_the_other_tasks_and_dependencies_on_them() -> None:
    graph = graph_of("a", "b", "c", b=["a"], c=["a", "b"])
    kept = subgraph(graph, ["b", "c"])
    assert [(task.id, task.depends_on) for task in kept.tasks] == [("b", ()), ("c", ("b",))]


# -- tasks as events


def engine_task(**members: Any) -> EngineTask:
    times = {"created_at": at_ms(1), "updated_at": at_ms(2)}
    return EngineTask.model_validate(
        {"id": "e", "type": "os", "status": "failed"} | times | members
    )


def test_event_holds_what_execgo_reports() -> None:
    task = engine_task(
        status="running",
        run_status="accepted",
        handle_id="h1",
        runtime={"attempt": 2, "duration_ms": 7},
    )
    assert task_changed("s", 1, "a", task) == TaskChanged(
        stage_id="s",
        round=1,
        task_id="a",
        engine_task_id="e",
        status="running",
        run_status="accepted",
        handle_id="h1",
        attempt=2,
        duration_ms=7,
        error=None,
        created_at=task.created_at,
        updated_at=task.updated_at,
    )


def test_task_without_a_runtime_state_has_no_attempt() -> None:
    event = task_changed("s", 0, "a", engine_task(status="success"))
    assert (event.attempt, event.duration_ms, event.error) == (0, 0, None)


FAILURE = {"code": "timeout", "message": "too slow", "source": "execgo"}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, TaskError()),
        ({"error": "broken"}, TaskError(message="broken")),
        ({"status": "skipped", "error": "a failed"}, TaskError(message="a failed")),
        ({"runtime": {}, "error": "broken"}, TaskError(message="broken")),
        (
            {"error": "broken", "runtime": {"error": FAILURE}},
            TaskError(code="timeout", message="too slow", source="execgo"),
        ),
        (
            {"error": "broken", "runtime": {"error": FAILURE | {"message": ""}}},
            TaskError(code="timeout", message="broken", source="execgo"),
        ),
        (
            {"runtime": {"error": FAILURE | {"message": ""}}},
            TaskError(code="timeout", message="", source="execgo"),
        ),
        (
            {"status": "running", "runtime": {"error": FAILURE | {"details": "text"}}},
            TaskError(code="timeout", message="too slow", source="execgo"),
        ),
        (
            {"runtime": {"error": FAILURE | {"details": {"raw_error_code": "E7"}}}},
            TaskError(code="timeout", message="too slow", source="execgo", raw_code="E7"),
        ),
    ],
    ids=[
        "nothing", "execgo_only", "skipped", "no_failure", "runtime_first", "message_of_execgo",
        "no_message", "details_are_text", "raw_code",
    ],
)  # fmt: skip
def test_error_comes_from_the_runtime_or_else_from_execgo(
    members: dict[str, Any], expected: TaskError
) -> None:
    assert task_changed("s", 0, "a", engine_task(**members)).error == expected
