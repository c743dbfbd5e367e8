"""The explanation of a verdict: the sentence of each event, in order, with many joined or left out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from pytest_execgo.models import events as t
from pytest_execgo.verdict.explain import MAX_STEPS, explain

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STAGE = {"stage_id": "s"}
BINDING = {
    **STAGE, "source_task_id": "a", "source_path": "x", "target_task_id": "b",
    "target_param_path": "input.y", "reason": "no such key",
}  # fmt: skip
FAULT = {"fault": 0, "action": "kill", "target": "runtime"}
REPLY = {"number": 2, "attempt": 1, "status": 200, "took_ms": 1}
REQUEST = {"method": "GET", "path": "/a", "status": 200, "duration_ms": 1, "reference_sha256": "r"}
LOST = {**STAGE, "round": 0, "task_id": "a", "engine_task_id": "run.t.s.a"}
FINISHED = {**STAGE, "duration_ms": 1, "engine_time_ms": 1, "rounds": 1}
SEVEN = tuple("abcdefg")


def task(status: str, name: str = "a", at_ms: float = 0, **more: Any) -> t.TaskChanged:
    return t.TaskChanged.model_validate(
        {
            **LOST, "task_id": name, "engine_task_id": f"run.t.s.{name}", "status": status,
            "created_at": NOW, "updated_at": NOW, "at_ms": at_ms, "event_id": f"{status}-{name}",
            **more,
        }
    )  # fmt: skip


LINK = {
    "service": "runtime", "connections": 3, "request_bytes": 1, "request_bytes_passed_on": 1,
    "answer_bytes": 1, "answer_bytes_passed_on": 1, "slowest_first_byte_ms": 1, "longest_ms": 1,
}  # fmt: skip
DIFFERS = {"subject": "task", "name": "a", "field": "stdout.n", "expected": "7"}
SENTENCES: list[tuple[str, dict[str, Any], str | None]] = [
    ("trial_started", {"trial_id": "t", "cell_id": "c", "seed": 1}, None),
    ("answer_judged", {"attempt": 2, "rules": ["schema", "cycle"]},
     "answer 2 of the model breaks schema, cycle"),
    ("answer_judged", {"attempt": 2}, None),
    ("model_replied", REPLY, None),
    ("model_replied", {**REPLY, "attempt": 3}, "model request 2 succeeded at attempt 3"),
    ("model_replied", {**REPLY, "code": "model_error", "message": "HTTP 500"},
     "model request 2: HTTP 500"),
    ("model_replied", {**REPLY, "attempt": 2, "code": "model_error", "message": "HTTP 500"},
     "model request 2, attempt 2: HTTP 500"),
    ("model_replied", {**REPLY, "stalled_ms": 1000}, None),
    ("model_replied", {**REPLY, "stalled_ms": 1540},
     "model request 2: the answer paused for 1.5 s"),
    ("model_replied", {**REPLY, "attempt": 2, "stalled_ms": 1540},
     "model request 2, attempt 2: the answer paused for 1.5 s"),
    ("plan_failed", {"code": "never_valid", "message": "m", "duration_ms": 1},
     "no plan (never_valid): m"),
    ("binding_missing", {**BINDING, "required": True},
     "binding a -> b.input.y has no value: no such key"),
    ("binding_missing", {**BINDING, "required": False},
     "binding a -> b.input.y is optional and left out: no such key"),
    ("submit_rejected", {**STAGE, "round": 0, "http_status": 400, "message": "m"},
     "ExecGo rejected stage s (400): m"),
    ("task_lost", LOST, "ExecGo no longer knows task a"),
    ("task_lost", {**LOST, "how": "orphaned"},
     "ExecGo restarted and did not resume task a: it is lost"),
    ("engine_unreachable", {**STAGE, "message": "m"}, "ExecGo does not answer: m"),
    ("engine_unavailable", {**STAGE, "message": "m", "http_status": 502},
     "ExecGo asks to try again later: m"),
    ("task_stuck", {**LOST, "how": "ended", "watched_ms": 2549},
     "task a is stuck: its processes ended at least 2.5 s ago, "
     "but the runtime still reports it as running"),
    ("task_stuck", {**LOST, "how": "overdue", "watched_ms": 17549, "limit_ms": 5000},
     "task a is stuck: it has run for 17.5 s, its limit is 5 s"),
    ("cancel_asked", {**STAGE, "task_id": "a", "handle_id": "h", "answer": "status 200"},
     "asked the runtime to cancel task a: status 200"),
    ("engine_reachable", STAGE, "ExecGo answers again"),
    ("engine_contradiction",
     {**STAGE, "round": 0, "task_id": "a", "how": "other_task", "message": "the answer is about b"},
     "ExecGo contradicts itself about task a: the answer is about b"),
    ("witnesses_differ", {"task_id": "a", "member": "stdout", "link_alters": False},
     "ExecGo and the runtime differ about stdout of task a"),
    ("witnesses_differ", {"task_id": "a", "member": "stdout", "link_alters": True},
     "ExecGo and the runtime differ about stdout of task a; over ExecGo's connection, the runtime's "
     "answer is altered"),
    ("request_differs", {"task_id": "a", "member": "env.X"},
     "the runtime got another env.X for task a than ExecGo was given"),
    ("task_still_known", {"task_id": "a", "status": "running"},
     "ExecGo gave up task a, but the runtime knows it (running)"),
    ("task_still_known", {"task_id": "a", "status": "success", "other_handle": "h7"},
     "ExecGo gave up task a and asked for h7, but the runtime knows it (success)"),
    ("service_logged", {"service": "execgo", "line": "ERROR disk"}, "the log of execgo: ERROR disk"),
    ("engine_protocol_error", {**STAGE, "message": "m"},
     "ExecGo's answer does not follow its API: m"),
    ("resubmitted", {**STAGE, "round": 1, "tasks": SEVEN[:6], "waited_ms": 199.6},
     "resubmitted a, b, c, d, e, f (round 2, after 200 ms)"),
    ("resubmitted", {**STAGE, "round": 1, "tasks": SEVEN, "waited_ms": 1},
     "resubmitted a, b, c, d, e, f and 1 more (round 2, after 1 ms)"),
    ("resubmit_declined", {**STAGE, "reason": "r"}, "not resubmitted: r"),
    ("stage_finished", {**FINISHED, "outcome": "succeeded"}, None),
    ("stage_finished", {**FINISHED, "outcome": "succeeded", "rounds": 2},
     "stage s succeeded in round 2"),
    ("stage_finished", {**FINISHED, "outcome": "binding_missing"},
     "stage s ended: binding missing"),
    ("stage_finished", {**FINISHED, "outcome": "stuck", "unfinished": SEVEN},
     "stage s ended: stuck; unfinished: a, b, c, d, e, f and 1 more"),
    ("service_exited", {"service": "runtime", "pid": 1, "exit_status": -9},
     "the process of runtime ended with exit status -9"),
    ("service_exited", {"service": "runtime", "pid": 1, "exit_status": 137, "out_of_memory": True,
                        "limits": {"memory": "16 MB"}},
     "the process of runtime ended with exit status 137, killed for lack of memory "
     "(new limits: memory 16 MB)"),
    ("service_ready", {"service": "runtime"}, "runtime is ready"),
    ("service_stopped", {"service": "runtime", "pid": 1}, "the process of runtime is stopped"),
    ("service_silent", {"service": "runtime", "waited_ms": 600.4, "message": "m"},
     "runtime runs, but has not answered for 600 ms"),
    ("service_limited", {"service": "runtime", "resource": "memory", "limit": "16 MB"},
     "runtime runs with a new limit on memory: 16 MB"),
    ("link_degraded", {"service": "runtime", "how": "slow", "direct_ms": 1, "message": "late"},
     "runtime answers directly, but its link is slow (late)"),
    ("service_healthy", {"service": "runtime"}, "runtime is healthy again"),
    ("answer_differs", {"path": "/x", "status": 200, "sha256": "a", "expected_sha256": "b"},
     "a later request for /x gets another answer than fixtures gives"),
    ("link_used", {**LINK, "problems": []}, None),
    ("link_used", {**LINK, "problems": [{"how": "reset", "at_ms": 1, "waited_ms": 0},
                                        {"how": "refused", "at_ms": 2, "waited_ms": 0},
                                        {"how": "reset", "at_ms": 3, "waited_ms": 0}]},
     "connections to runtime without an answer: reset 2, refused 1"),
    ("machine_seen", {"when": "end", "cpu_busy": 0, "available_memory": 1,
                      "engine_clock_ms": -2000},
     "ExecGo's clock is 2.0 s behind this machine's"),
    ("baseline_differs", {**DIFFERS, "got": "8"},
     "task a, with the same payload: stdout.n is '8'; in the clean trials, it is '7'"),
    ("baseline_differs", DIFFERS,
     "task a, with the same payload: stdout.n is missing; in the clean trials, it is '7'"),
    ("baseline_differs", {**DIFFERS, "subject": "file"},
     "a in the workspace has other content than in the clean trials"),
    ("baseline_differs", {**DIFFERS, "subject": "link"}, None),
    ("observer_starved", {"gap_ms": 1500.4}, "nothing was observed for 1500 ms"),
    ("file_changed", {"task_id": "a", "path": "x.py", "how": "removed"},
     "x.py, which task a names, is gone"),
    ("file_changed", {"stage_id": "s", "path": "x.py", "how": "removed"},
     "x.py was removed before stage s, while no task ran"),
    ("file_changed", {"stage_id": "s", "path": "x.py", "how": "mode"},
     "x.py was given other permissions before stage s, while no task ran"),
    ("file_changed", {"stage_id": "s", "path": "x.py", "how": "content"},
     "x.py was changed before stage s, while no task ran"),
    ("file_changed", {"task_id": "a", "path": "x.py", "how": "mode"},
     "x.py, which task a names, has other permissions than at the start"),
    ("task_output", {"stage_id": "s", "round": 0, "task_id": "a", "engine_task_id": "x",
                     "stderr": "Traceback\nKeyError: 'x'\n"},
     "task a wrote to stderr: KeyError: 'x'"),
    ("task_output", {"stage_id": "s", "round": 0, "task_id": "a", "engine_task_id": "x"}, None),
    ("fixture_request", {**REQUEST, "sha256": "r"}, None),
    ("fixture_request", {**REQUEST, "sha256": "r", "duration_ms": 300}, None),
    ("fixture_request", {**REQUEST, "sha256": "x"},
     "fixtures: GET /a answered 200 with other content than the fixture's"),
    ("fixture_request", {**REQUEST, "sha256": "x", "status": 400},
     "fixtures: GET /a answered 400"),
    ("fixture_request", {**REQUEST, "sha256": "x", "status": 399},
     "fixtures: GET /a answered 399 with other content than the fixture's"),
    ("fixture_request", {**REQUEST, "sha256": "r", "duration_ms": 301},
     "fixtures: GET /a was answered after 301 ms"),
    ("fixture_request", {**REQUEST, "status": 0, "duration_ms": 900},
     "fixtures: GET /a was not answered after 900 ms"),
    ("fixture_request", {**REQUEST, "reference_sha256": None, "sha256": "x"}, None),
    ("check_evaluated", {"index": 0, "kind": "value", "ok": True, "message": "m"}, None),
    ("check_evaluated", {"index": 0, "kind": "value", "ok": False, "message": "m"},
     "check value failed: m"),
    ("process_left", {"service": "runtime", "pid": 7, "command": "sleep 9"},
     "left over: process 7 (sleep 9) of a task, below runtime"),
    ("leftover_found", {"engine_task_id": "x", "status": "running"},
     "left over: x is still running on ExecGo"),
    ("harness_problem", {"message": "m"}, "harness: m"),
    ("chaos_armed", {**FAULT, "seed": "s"}, None),
    ("chaos_fired", {**FAULT, "detail": "d"}, "fault injected: kill runtime: d"),
    ("chaos_fired", {**FAULT, "detail": "d", "task_id": "a"},
     "fault injected: kill runtime (task a): d"),
    ("chaos_not_fired", {**FAULT, "reason": "random_draw", "message": "m"},
     "fault not injected: kill runtime: m"),
    ("chaos_healed", {**FAULT, "detail": "d"}, "healed: d"),
    ("chaos_heal_failed", {**FAULT, "message": "m"}, "healing failed: kill runtime: m"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "fields", "sentence"),
    SENTENCES,
    ids=[f"{kind}-{number}" for number, (kind, *_) in enumerate(SENTENCES)],
)
def test_each_event_has_its_sentence(
    kind: str, fields: dict[str, Any], sentence: str | None
) -> None:
    assert t.EVENT.validate_python({"event_type": kind, **fields}).sentence() == sentence


def test_every_event_that_overrides_the_sentence_is_covered() -> None:
    covered = {kind for kind, _, sentence in SENTENCES if sentence} | {"task_changed"}
    kinds = get_args(t.EvidenceEvent) + get_args(t.ChaosEvent)
    own = [kind for kind in kinds if kind.sentence is not t.Event.sentence]
    assert {kind.model_fields["event_type"].default for kind in own} == covered


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (None, "task a failed: no error given"),
        ({"message": "run.t.s.a: exit 1"}, "task a failed: a: exit 1"),
        ({"message": "m", "raw_code": "conflict"}, "task a failed: m [conflict]"),
    ],
    ids=["without_error", "engine_id_in_message", "raw_code"],
)
def test_a_failed_task_is_named_by_its_plan_id(error: dict[str, Any] | None, sentence: str) -> None:
    assert task("failed", error=error).sentence() == sentence
    assert task("success").sentence() is None


def test_skipped_tasks_that_follow_each_other_share_one_step() -> None:
    events = [
        task("skipped", "a", 1), task("skipped", "b", 2),
        task("failed", "c", 3), task("success", "d", 4), task("skipped", "e", 5),
    ]  # fmt: skip
    steps = explain(events)
    assert [(step.at_ms, step.text) for step in steps] == [
        (1, "ExecGo skipped a, b"),
        (3, "task c failed: no error given"),
        (5, "ExecGo skipped e"),
    ]
    assert steps[0].events == ("skipped-a", "skipped-b")
    assert steps[1].events == ("failed-c",)


def test_steps_are_in_order_of_time() -> None:
    steps = explain([task("failed", "late", 9), task("failed", "early", 1)])
    assert [step.at_ms for step in steps] == [1, 9]


@pytest.mark.parametrize("count", [MAX_STEPS, MAX_STEPS + 1, 100])
def test_of_many_steps_the_first_and_last_twenty_are_kept(count: int) -> None:
    steps = explain([task("failed", f"t{k}", k) for k in range(count)])
    if count <= MAX_STEPS:
        assert len(steps) == count
        return
    assert len(steps) == 41
    assert [step.at_ms for step in steps] == [*range(20), 20, *range(count - 20, count)]
    assert (steps[20].text, steps[20].events) == (f"… {count - 40} steps left out …", ())


def end(at_ms: float, outcome: str = "succeeded") -> t.StageFinished:
    fields = {**FINISHED, "at_ms": at_ms, "outcome": outcome, "event_id": f"end-{at_ms}"}
    return t.StageFinished.model_validate(fields)


def fired(at_ms: float) -> t.ChaosFired:
    return t.ChaosFired.model_validate({**FAULT, "detail": "d", "at_ms": at_ms})


def test_the_ending_stands_at_the_last_success_after_the_first_fault() -> None:
    events: list[t.EvidenceEvent | t.ChaosEvent] = [
        fired(1000),
        fired(1500),
        end(2000),
        end(3500),
        end(4000, "failed"),
    ]
    (step,) = [step for step in explain(events, "all hold") if "all hold" in step.text]
    assert step.text == "all hold; the last stage ended 2.50 s after the fault"
    assert (step.at_ms, step.events) == (3500, ("end-3500",))


@pytest.mark.parametrize(
    "events",
    [[end(5)], [fired(5)], [fired(5), end(5)], [end(4), fired(5)], [fired(4), end(5, "failed")]],
    ids=["no_fault", "no_stage", "same_time", "fault_after_end", "no_success"],
)
def test_without_a_success_after_a_fault_there_is_no_ending(events: list[Any]) -> None:
    assert not [step for step in explain(events, "all hold") if "all hold" in step.text]


def test_the_ending_is_in_order_of_time() -> None:
    events: list[t.TimelineEvent] = [fired(0), end(250_000), task("failed", "late", 300_000)]
    texts = [step.text for step in explain(events, "all hold")]
    assert texts[1:] == [
        "all hold; the last stage ended 250.00 s after the fault",
        "task late failed: no error given",
    ]


def test_an_early_success_before_the_fault_does_not_prevent_the_ending() -> None:
    events: list[t.TimelineEvent] = [end(1), fired(5), end(9)]
    assert [step for step in explain(events, "all hold") if "all hold" in step.text]


def test_checks_after_a_stage_that_did_not_finish_are_one_step() -> None:
    def check(index: int, at_ms: float) -> t.CheckEvaluated:
        return t.CheckEvaluated(
            event_id=f"c{index}", at_ms=at_ms, index=index, kind="file", ok=False, message="m",
            raised=False,
        )  # fmt: skip

    ended = t.StageFinished.model_validate({**FINISHED, "outcome": "failed", "at_ms": 5})
    two = explain([ended, check(0, 6), check(1, 7)])
    assert [(step.text, step.events) for step in two][1:] == [
        ("2 checks do not hold, as stage s did not finish", ("c0", "c1"))
    ]
    assert two[1].at_ms == 6
    after = t.HarnessProblem(event_id="h", at_ms=8, message="m")
    many = explain([ended, check(0, 6), check(1, 7), after, check(2, 9)])
    assert [step.events for step in many][1:] == [("c0", "c1", "c2"), ("h",)]
    assert [step.text for step in explain([ended, check(0, 6)])][1:] == ["check file failed: m"]
    well = ended.model_copy(update={"outcome": "succeeded"})
    assert len(explain([well, check(0, 6), check(1, 7)])) == 2
