"""Attribution sees evidence and nothing else, and each rule names its layer."""

from __future__ import annotations

import inspect
import typing

import pytest

from pytest_execgo.models import events as t
from pytest_execgo.verdict.attribute import attribute
from tests.event_makers import (
    AGREED,
    CANCELLED,
    CUT_OFF,
    DOWN,
    EXIT,
    LOST,
    NO_PATIENCE,
    PLANNED,
    TIME_IS_UP,
    UNREACHABLE,
    accepted,
    checked,
    ended,
    exited,
    failed,
    gone_at,
    healthy,
    judged,
    limited,
    link,
    lost,
    no_plan,
    ready,
    replied,
    request,
    running,
    silent,
    slow,
    stopped,
    submitted,
    unbound,
)
from tests.ids import readable


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([replied(), judged(), PLANNED], [("none", "no_failure", False)]),
        (
            [replied("model_rate_limit"), replied(None, 3), judged(), PLANNED],
            [("adapter", "model_rate_limit", True)],
        ),
        (
            [replied(), judged("schema", "cycle"), judged(attempt=2), PLANNED],
            [("plan", "cycle", True), ("plan", "schema", True)],
        ),
        ([replied(stalled_ms=1500), judged(), PLANNED], [("adapter", "model_slow", True)]),
        ([replied(stalled_ms=900), judged(), PLANNED], [("none", "no_failure", False)]),
        # The plan failed because of it: it is blamed, once.
        (
            [replied("model_error"), replied("model_error", 3), no_plan("model_error")],
            [("adapter", "model_error", False)],
        ),
        # Answers came after it, and the plan failed because of the answers.
        (
            [replied("model_error"), replied(None, 3), judged("cycle"), no_plan("never_valid")],
            [("plan", "never_valid", False), ("adapter", "model_error", True)],
        ),
        # No answer came after it, so it may have exhausted the budget.
        (
            [replied("model_timeout"), no_plan("budget_time")],
            [("adapter", "budget_time", False), ("adapter", "model_timeout", False)],
        ),
        (
            [replied(), judged("cycle"), no_plan("budget_tokens")],
            [("adapter", "budget_tokens", False), ("plan", "cycle", False)],
        ),
        # A slow answer exhausts the time, not the tokens.
        (
            [replied(stalled_ms=1500), judged("cycle"), no_plan("budget_time")],
            [
                ("adapter", "budget_time", False),
                ("plan", "cycle", False),
                ("adapter", "model_slow", False),
            ],
        ),
        (
            [replied(stalled_ms=1500), no_plan("budget_tokens")],
            [("adapter", "budget_tokens", False), ("adapter", "model_slow", True)],
        ),
        # A mitigated cause comes last and explains no later failure.
        (
            [replied("model_error"), replied(None, 3), PLANNED, exited("execgo"), ended("failed")],
            [("engine", "process_exited", False), ("adapter", "model_error", True)],
        ),
        (
            [replied(), judged("cycle"), PLANNED, ended("failed")],
            [("unknown", "unexplained", False), ("plan", "cycle", True)],
        ),
    ],
    ids=readable,
)
def test_problems_of_a_model_are_blamed_or_mitigated(
    events: list[t.EvidenceEvent], expected: list[tuple[str, str, bool]]
) -> None:
    assert [(c.layer, c.code, c.mitigated) for c in attribute(events)] == expected


@pytest.mark.parametrize("code", ["model_error", "unknown_placeholder"])
def test_a_broken_answer_is_only_a_possible_cause_if_the_plan_failed_for_another_reason(
    code: str,
) -> None:
    first, broken = attribute([replied(), judged("cycle"), no_plan(code)])
    assert (first.code, first.confidence) == (code, "certain")
    assert (broken.code, broken.confidence, broken.mitigated) == ("cycle", "possible", False)


def test_the_cause_of_a_failed_plan_shows_the_replies_as_evidence() -> None:
    events: list[t.EvidenceEvent]
    events = [replied("model_error"), replied("model_error", 3), no_plan("model_error")]
    assert attribute(events)[0].evidence == ("reply-2", "reply-3", "no-plan")


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], ["none/no_failure/certain"]),
        ([ended("succeeded")], ["none/no_failure/certain"]),
        ([ended("failed")], ["unknown/unexplained/possible"]),
        (
            [t.PlanFailed(code="adapter_raised", message="m", duration_ms=1)],
            ["adapter/adapter_raised/certain"],
        ),
        ([t.HarnessProblem(message="m")], ["harness/problem/certain"]),
        (
            [t.HarnessProblem(message="m", service="fixtures")],
            ["unknown/unobserved/possible"],
        ),
        ([failed(LOST), ended("failed")], ["runtime/handle_lost/likely"]),
        ([exited("runtime"), failed(LOST), ended("failed")], ["runtime/handle_lost/certain"]),
        ([failed(LOST), exited("runtime", 50), ended("failed")], ["runtime/handle_lost/likely"]),
        ([exited("runtime"), ended("succeeded")], ["runtime/process_exited/certain"]),
        ([stopped("execgo"), ended("succeeded")], ["engine/process_stopped/certain"]),
        ([stopped("runtime"), silent("runtime")], ["runtime/process_stopped/certain"]),
        (
            [stopped("runtime", 5), healthy("runtime", 300), accepted(1), failed(EXIT, at_ms=400)],
            ["runtime/process_stopped/certain"],
        ),
        (
            [stopped("runtime", 5), healthy("runtime", 300), accepted(1), failed(EXIT, at_ms=5000)],
            ["runtime/process_stopped/certain", "task/exit_non_zero/possible"],
        ),
        (
            [
                stopped("runtime", 5),
                healthy("runtime", 300),
                accepted(4000),
                failed(EXIT, at_ms=5000),
            ],
            ["runtime/process_stopped/certain", "task/exit_non_zero/possible"],
        ),
        (
            [failed(EXIT, at_ms=100), stopped("runtime", 900)],
            ["runtime/process_stopped/certain", "task/exit_non_zero/possible"],
        ),
        ([silent("fixtures")], ["fixture/silent/likely"]),
        ([exited("runtime"), silent("runtime")], ["runtime/process_exited/certain"]),
        ([limited("runtime"), failed(EXIT), ended("failed")], ["runtime/limited/certain"]),
        (
            [link("runtime", "broken"), failed(DOWN), ended("failed")],
            ["runtime/link_broken/certain"],
        ),
        (
            [failed(DOWN, at_ms=10), link("runtime", "broken", 90)],
            ["runtime/link_broken/certain"],
        ),
        ([link("runtime", "slow"), ended("succeeded")], ["runtime/link_slow/certain"]),
        ([link("fixtures", "broken"), failed(EXIT)], ["fixture/link_broken/certain"]),
        (
            [failed(EXIT, at_ms=10), link("fixtures", "broken", 2000)],
            ["fixture/link_broken/certain", "task/exit_non_zero/possible"],
        ),
        ([link("execgo", "broken"), UNREACHABLE], ["engine/link_broken/certain"]),
        ([UNREACHABLE], ["engine/unreachable/likely"]),
        ([slow(800), ended("succeeded")], ["fixture/slow/likely"]),
        ([slow(20), ended("succeeded")], ["none/no_failure/certain"]),
        ([slow(800), failed(EXIT, at_ms=900)], ["fixture/slow/likely"]),
        (
            [slow(800), accepted(3000), failed(EXIT, at_ms=4000)],
            ["fixture/slow/likely", "task/exit_non_zero/possible"],
        ),
        (
            [
                exited("fixtures"),
                ready("fixtures", 400),
                accepted(1000),
                failed(EXIT, at_ms=2000),
            ],
            ["fixture/process_exited/certain", "task/exit_non_zero/possible"],
        ),
        ([lost("forgotten")], ["engine/task_lost/likely"]),
        (
            [exited("execgo"), lost("orphaned")],
            ["engine/process_exited/certain", "engine/task_lost/certain"],
        ),
        ([failed(CANCELLED, at_ms=4), exited("execgo")], ["engine/process_exited/certain"]),
        ([exited("execgo", 5), failed(CANCELLED, at_ms=900)], ["engine/process_exited/certain"]),
        ([failed(CANCELLED)], ["engine/cancelled/possible"]),
        ([failed(CUT_OFF), exited("execgo", 50)], ["engine/process_exited/certain"]),
        ([failed(CUT_OFF)], ["runtime/unreachable/likely"]),
        ([failed(TIME_IS_UP)], ["task/timeout/likely"]),
        ([failed(NO_PATIENCE)], ["runtime/unreachable/likely"]),
        ([silent("runtime"), failed(TIME_IS_UP)], ["runtime/silent/likely"]),
        (
            [gone_at(0.5), failed(t.TaskError(message="signal: killed"), at_ms=9)],
            ["engine/process_exited/certain"],
        ),
        (
            [failed(t.TaskError(message="signal: killed"), at_ms=9), gone_at(9)],
            ["engine/process_exited/certain", "task/failed/possible"],
        ),
        ([unbound("absent")], ["binding/binding_missing/possible"]),
        ([unbound("absent"), AGREED], ["binding/binding_missing/likely"]),
        (
            [unbound("unreadable")],
            ["unknown/task_or_output/possible", "task/bad_output/possible"],
        ),
        ([unbound("unreadable"), AGREED], ["task/bad_output/likely"]),
        ([request(200, good=False), unbound("unreadable")], ["fixture/wrong_content/likely"]),
        (
            [slow(800), exited("runtime"), failed(LOST)],
            ["runtime/handle_lost/certain", "fixture/slow/likely"],
        ),
        ([failed(DOWN), ended("failed")], ["runtime/unreachable/likely"]),
        ([failed(EXIT), ended("failed")], ["task/exit_non_zero/possible"]),
        (
            [request(200, good=True), failed(EXIT), ended("failed")],
            ["task/exit_non_zero/possible"],
        ),
        (
            [request(503, good=False), failed(EXIT), ended("failed")],
            ["fixture/http_error/certain"],
        ),
        ([request(200, good=False), checked()], ["fixture/wrong_content/likely"]),
        ([exited("execgo"), ended("unreachable")], ["engine/process_exited/certain"]),
        ([t.EngineUnreachable(stage_id="s", message="m")], ["engine/unreachable/likely"]),
        (
            [t.TaskLost(stage_id="s", round=0, task_id="a", engine_task_id="x"), ended("lost")],
            ["engine/task_lost/likely"],
        ),
        ([t.EngineProtocolError(stage_id="s", message="m")], ["engine/protocol_error/likely"]),
        (
            [
                submitted(limit_ms=5),
                running("a", "h"),
                ended("stuck", "a", "b").model_copy(update={"at_ms": 6000}),
            ],
            ["runtime/stuck/possible"],
        ),
        ([running("a", None), ended("stuck", "a")], ["engine/stuck/likely"]),
        ([ended("succeeded"), checked()], ["task/wrong_output/possible"]),
        ([ended("succeeded"), checked(raised=True)], ["verifier/check_raised/likely"]),
        (
            [failed(EXIT, "a", at_ms=3), request(503, good=False), failed(EXIT, "b")],
            ["fixture/http_error/certain", "task/exit_non_zero/possible"],
        ),
        (
            [
                failed(
                    t.TaskError(
                        code="internal",
                        message="task terminated by signal 11",
                        source="execgo-runtime",
                    )
                )
            ],
            ["task/killed_by_signal/likely"],
        ),
        (
            [ended("rejected"), failed(EXIT, at_ms=95), checked(raised=True)],
            ["task/exit_non_zero/possible", "verifier/check_raised/possible"],
        ),
        (
            [exited("runtime"), failed(LOST, "a"), request(503, good=False), failed(EXIT, "b")],
            ["runtime/handle_lost/certain", "fixture/http_error/certain"],
        ),
    ],
    ids=readable,
)
def test_each_rule_names_layer_code_and_confidence(
    events: list[t.EvidenceEvent], expected: list[str]
) -> None:
    causes = attribute(events)
    assert [f"{c.layer}/{c.code}/{c.confidence}" for c in causes] == expected


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("unknown task type: x (available: ...)", "dsl/unknown_task_type"),
        ('task "a" depends on unknown task "b"', "dsl/unknown_dependency"),
        ('task "a" cannot depend on itself', "dsl/self_dependency"),
        ("cycle detected in task graph", "dsl/cycle"),
        ('duplicate task id: "a"', "dsl/duplicate_task_id"),
        ("invalid JSON: EOF", "engine/http_400"),
        ("something new", "engine/http_400"),
    ],
)
def test_a_rejection_is_named_by_its_message(message: str, code: str) -> None:
    event = t.SubmitRejected(stage_id="s", round=0, http_status=400, message=message)
    (cause,) = attribute([event])
    assert f"{cause.layer}/{cause.code}" == code


def test_a_rejection_with_status_500_blames_the_engine() -> None:
    event = t.SubmitRejected(stage_id="s", round=0, http_status=500, message="cycle detected")
    assert attribute([event])[0].layer == "engine"


def test_the_input_type_excludes_chaos_events() -> None:
    """Beside the rules, the only argument has the type of evidence, and there is no profile."""
    parameters = inspect.signature(attribute).parameters
    assert list(parameters) == ["events", "rules"]
    chaos = set(typing.get_args(t.ChaosEvent))
    assert chaos
    assert not chaos & set(typing.get_args(t.EvidenceEvent))


def test_a_cause_shows_the_events_behind_it() -> None:
    (cause,) = attribute([exited("runtime"), failed(LOST), ended("failed")])
    assert cause.evidence == ("exit", "task-a")


def test_an_event_can_be_read_back_without_its_nulls() -> None:
    """The timeline leaves nulls out, so what may be null must have a default."""
    for event in typing.get_args(t.EvidenceEvent) + typing.get_args(t.ChaosEvent):
        for name, member in event.model_fields.items():
            nullable = type(None) in typing.get_args(member.annotation)
            assert not (nullable and member.is_required()), f"{event.__name__}.{name}"


REFUSED = t.SubmitRejected(
    event_id="no", stage_id="s", round=0, http_status=400, message="cycle detected"
)
RETRIED = {"code": "external_failure", "message": "conflict", "raw_code": "conflict"}


@pytest.mark.parametrize(
    ("events", "message", "evidence"),
    [
        ([], "nothing failed", ()),
        ([ended("failed")], "no rule explains: s failed", ("end",)),
        ([no_plan("adapter_raised")], "m", ("no-plan",)),
        ([t.HarnessProblem(event_id="h", message="no log")], "no log", ("h",)),
        ([replied("model_error"), replied(None, 3), PLANNED], "model_error", ("reply-2",)),
        ([replied(stalled_ms=1549), replied(at_ms=3, stalled_ms=1200), PLANNED],
         "the model's answer paused for 1.5 s", ("reply-2", "reply-3")),
        ([judged("cycle"), judged(attempt=2), judged("cycle", attempt=3), PLANNED],
         "the model's answer 1, 3 breaks cycle", ("judged-1", "judged-3")),
        ([unbound("absent")], "b.input.y: r", ("bind",)),
        (
            [unbound("unreadable")],
            "task a succeeded with output that r; "
            "either the plan, or what passed the output on, is wrong",
            ("bind",),
        ),
        ([unbound("unreadable"), AGREED], "task a succeeded with output that r", ("bind",)),
        ([REFUSED], "ExecGo rejected stage s (400): cycle detected", ("no",)),
        ([exited("execgo")], "the process of execgo ended with exit status -9", ("exit",)),
        ([lost("forgotten"), lost("orphaned")], "ExecGo lost a, a", ("lost", "lost")),
        ([UNREACHABLE, UNREACHABLE], "m", ("quiet", "quiet")),
        ([t.EngineProtocolError(event_id="p", stage_id="s", message="not JSON")],
         "not JSON", ("p",)),
        ([running("a", "h"), running("b", "h"), ended("stuck", "a", "b")],
         "a, b still ran, within its own limit, when the deadline of the stage passed; the task may be "
         "slow, or have waited for something",
         ("task-a", "task-b", "end")),
        ([running("a", None), ended("stuck", "a", "b")],
         "ExecGo had not finished a, b when the deadline passed", ("end",)),
        ([stopped("runtime")], "the process of runtime was stopped", ("stop",)),
        ([limited("runtime")], "runtime ran with a new limit on memory (16 MB)", ("limit",)),
        ([silent("fixtures")], "fixtures ran, but did not answer: no answer", ("silent",)),
        ([link("execgo", "slow")],
         "execgo is healthy, but its link is slow: 400 ms over its link, 1 ms directly", ("link",)),
        ([link("execgo", "broken")], "execgo is healthy, but its link is broken: reset", ("link",)),
        ([exited("runtime"), failed(LOST, at_ms=6)],
         "the process of runtime ended with exit status -9 while task a needed it",
         ("exit", "task-a")),
        ([failed(LOST)], "task a: handle not found: x", ("task-a",)),
        ([exited("runtime")],
         "the process of runtime ended with exit status -9; no task failed", ("exit",)),
        ([exited("fixtures")], "the process of fixtures ended with exit status -9", ("exit",)),
        ([request(400, good=False)], "GET /a was answered with 400", ("req",)),
        ([request(399, good=False)],
         "GET /a was answered with content that is not the fixture's", ("req",)),
        ([slow(400), slow(800)], "GET /a took 800 ms in the server", ("req", "req")),
        ([failed(EXIT)], "task a: m", ("task-a",)),
        ([failed(t.TaskError())], "task a: failed without a message", ("task-a",)),
        ([failed(t.TaskError(**RETRIED)).model_copy(update={"attempt": 2})],
         "task a: conflict; ExecGo's retry reused an id that the runtime already knows, so the "
         "error of the first attempt is lost: use max_resubmits instead of retry", ("task-a",)),
        ([ended("succeeded"), checked(raised=True)], "m", ("check",)),
        ([ended("succeeded"), checked()],
         "the run succeeded, but check value failed (m): either the plan's result or the "
         "expectation is wrong", ("check",)),
        ([ended("succeeded"), checked().model_copy(update={"task": "a"}), checked()],
         "task a succeeded, but check value failed (m): either the plan's result or the "
         "expectation is wrong", ("check", "check")),
    ],
)  # fmt: skip
def test_a_cause_has_a_message_and_its_events(
    events: list[t.EvidenceEvent], message: str, evidence: tuple[str, ...]
) -> None:
    cause = attribute(sorted(events, key=lambda event: event.at_ms))[0]
    assert (cause.message, cause.evidence) == (message, evidence)


@pytest.mark.parametrize(
    ("error", "attempt", "expected"),
    [
        (None, 1, "unknown/no_reason/possible"),
        ({"message": "unknown os tool: x"}, 1, "dsl/unknown_tool/likely"),
        ({"code": "invalid_input", "message": "m"}, 1, "dsl/invalid_input/likely"),
        ({"message": "Failed to parse"}, 1, "dsl/invalid_input/likely"),
        ({"code": "timeout", "message": "m"}, 1, "task/timeout/likely"),
        ({"message": "task terminated by signal 11"}, 1, "task/killed_by_signal/likely"),
        (RETRIED, 2, "task/retry_refused/likely"),
        (RETRIED, 1, "task/conflict/possible"),
        ({"code": "external_failure", "raw_code": "exit_non_zero"}, 2, "task/exit_non_zero/possible"),
        ({"code": "other"}, 1, "task/other/possible"),
        ({"message": "runtime submit returned 500"}, 1, "runtime/http_error/likely"),
        ({"code": "internal", "source": "execgo-runtime"}, 1, "runtime/internal/likely"),
        ({"code": "resource_limit_exceeded", "source": "execgo-runtime"}, 1,
         "runtime/resource_limit_exceeded/likely"),
        ({"code": "sandbox_setup_failed", "source": "execgo-runtime"}, 1,
         "runtime/sandbox_setup_failed/likely"),
        ({"code": "internal", "source": "scheduler"}, 1, "task/internal/possible"),
        ({"code": "external_failure", "source": "execgo-runtime"}, 1,
         "runtime/http_error/likely"),
    ],
)  # fmt: skip
def test_a_task_error_is_named_by_what_execgo_reports(
    error: dict[str, str] | None, attempt: int, expected: str
) -> None:
    event = failed(EXIT).model_copy(
        update={"attempt": attempt, "error": None if error is None else t.TaskError(**error)}
    )
    (cause,) = attribute([event])
    assert f"{cause.layer}/{cause.code}/{cause.confidence}" == expected


@pytest.mark.parametrize(
    ("message", "code"),
    [("task graph is empty", "empty_graph"), ("type is required", "missing_type"),
     ("task id is required", "missing_id"), ('duplicate task id: "a"', "duplicate_task_id")],
)  # fmt: skip
def test_further_rejections_are_named_by_their_message(message: str, code: str) -> None:
    event = t.SubmitRejected(stage_id="s", round=0, http_status=499, message=message)
    (cause,) = attribute([event])
    assert (cause.layer, cause.code) == ("dsl", code)


def names(*events: t.EvidenceEvent) -> list[str]:
    found = attribute(sorted(events, key=lambda event: event.at_ms))
    return [f"{cause.layer}/{cause.code}/{cause.confidence}" for cause in found]


def test_an_unsuccessful_rejection_by_the_server_has_its_status_as_code() -> None:
    event = t.SubmitRejected(stage_id="s", round=0, http_status=503, message="invalid JSON")
    assert names(event) == ["engine/http_503/certain"]


def test_causes_are_sorted_by_confidence_and_mitigated_ones_come_last() -> None:
    found = names(
        failed(EXIT, "b", at_ms=95), ended("stuck", "a"), exited("execgo", 80),
        replied("model_error", 1), replied(None, 2), PLANNED,
    )  # fmt: skip
    assert found == [
        "engine/process_exited/certain", "engine/stuck/likely", "task/exit_non_zero/possible",
        "adapter/model_error/certain",
    ]  # fmt: skip


def test_a_cause_that_was_named_is_not_named_twice() -> None:
    assert names(exited("execgo", 5), exited("execgo", 9)) == ["engine/process_exited/certain"]


@pytest.mark.parametrize(
    ("at_ms", "found"),
    [(749, ["runtime/process_stopped/certain", "task/exit_non_zero/possible"]),
     (750, ["runtime/process_stopped/certain"]),
     (2500, ["runtime/process_stopped/certain"]),
     (2501, ["runtime/process_stopped/certain", "task/exit_non_zero/possible"])],
    ids=["before", "first_moment", "last_moment", "after"],
)  # fmt: skip
def test_a_task_that_fails_in_the_window_of_an_outage_is_a_symptom(
    at_ms: float, found: list[str]
) -> None:
    outage: list[t.EvidenceEvent] = [
        stopped("runtime", 1000),
        healthy("runtime", 2000),
        accepted(1),
    ]
    assert names(*outage, failed(EXIT, at_ms=at_ms)) == found


@pytest.mark.parametrize(
    ("submitted_at", "confidence"), [(2500, "possible"), (2501, "likely")], ids=["inside", "after"]
)
def test_a_task_submitted_in_the_window_may_have_failed_because_of_it(
    submitted_at: float, confidence: str
) -> None:
    found = names(
        stopped("runtime", 1000), healthy("runtime", 2000), accepted(submitted_at),
        failed(EXIT, at_ms=9000), submitted(),
    )  # fmt: skip
    assert found[1:] == [f"task/exit_non_zero/{confidence}"]


@pytest.mark.parametrize(("at_ms", "confidence"), [(90, "likely"), (90.1, "possible")])
def test_a_task_that_fails_after_a_failed_stage_is_only_possible(
    at_ms: float, confidence: str
) -> None:
    found = names(ended("failed"), failed(EXIT, at_ms=at_ms), submitted())
    assert found == [f"task/exit_non_zero/{confidence}"]


@pytest.mark.parametrize(
    ("seconds", "cancelled"),
    [(-0.001, False), (0, True), (0.999, True), (1, False)],
    ids=["before", "same_time", "just_before_a_second", "a_second"],
)
def test_a_killed_task_was_cancelled_if_execgo_ended_within_a_second(
    seconds: float, cancelled: bool
) -> None:
    found = names(gone_at(seconds), failed(t.TaskError(message="signal: killed"), at_ms=9))
    assert found == ["engine/process_exited/certain"] + (
        [] if cancelled else ["task/failed/possible"]
    )


@pytest.mark.parametrize("text", ["context canceled", "shutting down"])
def test_a_cancelled_task_is_a_symptom_of_the_end_of_execgo(text: str) -> None:
    assert names(exited("execgo"), failed(t.TaskError(message=text))) == [
        "engine/process_exited/certain"
    ]
    assert names(exited("runtime"), failed(t.TaskError(message=text)))[1:] == [
        "engine/cancelled/possible"
    ]


def test_a_runtime_that_ended_at_the_time_of_the_failure_explains_it() -> None:
    assert names(exited("runtime", 10), failed(LOST, at_ms=10)) == ["runtime/handle_lost/certain"]
    assert names(exited("runtime", 11), failed(LOST, at_ms=10)) == ["runtime/handle_lost/likely"]


def test_a_value_is_missing_because_its_source_failed_before() -> None:
    source = failed(EXIT, "a", at_ms=3)
    early = ended("failed").model_copy(update={"at_ms": 5})
    assert names(source, early, unbound("source_failed")) == ["task/exit_non_zero/possible"]
    late = ended("failed").model_copy(update={"at_ms": 7})
    assert names(source, late, unbound("source_failed")) == ["task/exit_non_zero/possible"]
    succeeded = source.model_copy(update={"status": "success", "at_ms": 4})
    assert names(succeeded, early, unbound("absent"), AGREED) == ["binding/binding_missing/likely"]
    assert names(succeeded, early, unbound("absent")) == [
        "unknown/task_or_output/possible", "binding/binding_missing/possible",
    ]  # fmt: skip


def test_an_optional_value_may_be_missing() -> None:
    optional = unbound("absent").model_copy(update={"required": False})
    assert names(optional) == ["none/no_failure/certain"]


@pytest.mark.parametrize(
    ("at_ms", "found"),
    [(7, "fixture/wrong_content/likely"), (7.1, "task/bad_output/possible")],
    ids=["before_or_with_it", "after_it"],
)
def test_wrong_content_explains_output_that_cannot_be_read_later(at_ms: float, found: str) -> None:
    wrong = request(200, good=False).model_copy(update={"at_ms": at_ms})
    assert found in names(wrong, unbound("unreadable"))


def again(at_ms: float) -> t.Resubmitted:
    return t.Resubmitted(at_ms=at_ms, stage_id="s", round=1, tasks=("a",), waited_ms=1)


@pytest.mark.parametrize(
    ("at_ms", "found"), [(5, False), (6, True)], ids=["answer_after", "answer_before"]
)
def test_a_resubmission_discards_earlier_wrong_answers(at_ms: float, found: bool) -> None:
    events: list[t.EvidenceEvent] = [
        request(200, good=False),
        again(at_ms),
        ended("succeeded"),
        checked(),
    ]
    assert ("task/wrong_output/possible" in names(*events)) is found


def test_a_wrong_output_needs_stages_that_all_succeeded() -> None:
    assert names(checked()) == ["none/no_failure/certain"]
    assert names(ended("succeeded"), ended("failed"), failed(EXIT), checked()) == [
        "task/exit_non_zero/possible"
    ]


@pytest.mark.parametrize(
    ("at_ms", "confidence"), [(5, "likely"), (6, "certain")], ids=["before", "with_it"]
)
def test_a_wrong_fixture_is_certain_if_a_task_failed_after_it(
    at_ms: float, confidence: str
) -> None:
    found = names(request(500, good=False), failed(EXIT, at_ms=at_ms))
    assert f"fixture/http_error/{confidence}" in found
    assert (
        f"fixture/http_error/{confidence}"
        not in names(request(500, good=False), failed(LOST, at_ms=at_ms))
        or confidence == "likely"
    )


def test_a_slow_answer_is_not_named_if_the_service_was_unhealthy() -> None:
    assert names(slow(800), link("fixtures", "slow")) == ["fixture/link_slow/certain"]
    assert names(slow(300)) == ["none/no_failure/certain"]


def test_an_unreachable_engine_is_explained_by_its_exit_or_its_health() -> None:
    assert names(UNREACHABLE, silent("execgo")) == ["engine/silent/likely"]
    assert names(UNREACHABLE, exited("runtime"))[-1] == "engine/unreachable/likely"


def test_a_stuck_stage_blames_only_its_own_unfinished_tasks() -> None:
    other = running("a", "h").model_copy(update={"stage_id": "other"})
    assert names(other, ended("stuck", "a")) == ["engine/stuck/likely"]
    assert names(running("b", "h"), ended("stuck", "a")) == ["engine/stuck/likely"]
    done = running("a", "h").model_copy(update={"status": "pending"})
    assert names(running("a", "h"), done, ended("stuck", "a")) == ["engine/stuck/likely"]


@pytest.mark.parametrize("outcome", ["lost", "failed", "rejected", "unreachable"])
def test_only_a_stuck_stage_is_named_stuck(outcome: str) -> None:
    assert names(running("a", "h"), ended(outcome, "a")) == ["unknown/unexplained/possible"]


def demanded(task: str = "a", *, ok: bool = True, expected: str = "failed") -> t.CheckEvaluated:
    return t.CheckEvaluated(
        event_id=f"check-{task}", at_ms=95, index=0, kind="task", ok=ok, message="m", task=task,
        expected=expected, got="failed",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("events", "causes"),
    [
        ([failed(EXIT), ended("failed"), demanded()], ["none/no_failure/certain"]),
        (
            [failed(EXIT), failed(EXIT, "b"), ended("failed"), demanded(), demanded("b")],
            ["none/no_failure/certain"],
        ),
        (
            [failed(EXIT), failed(EXIT, "b"), ended("failed"), demanded()],
            ["task/exit_non_zero/possible"],
        ),
        (
            [failed(EXIT), ended("failed"), demanded(ok=False, expected="success")],
            ["task/exit_non_zero/possible"],
        ),
        ([failed(EXIT), ended("failed"), demanded(ok=False)], ["task/exit_non_zero/possible"]),
        ([failed(EXIT), ended("stuck", "b"), demanded()], ["engine/stuck/likely"]),
        ([failed(EXIT), ended("failed"), demanded(), checked()], ["task/wrong_output/possible"]),
        (
            [failed(EXIT), exited("runtime"), failed(LOST, "b"), ended("failed"), demanded()],
            ["runtime/handle_lost/certain"],
        ),
    ],
)
def test_a_failure_that_a_check_demands_has_no_cause(
    events: list[t.EvidenceEvent], causes: list[str]
) -> None:
    assert [f"{c.name}/{c.confidence}" for c in attribute(events)] == causes


# -- tasks that were seen stuck, and an engine that asks to try again


def task_stuck(task: str, how: str = "ended", handle: str | None = "h") -> t.TaskStuck:
    return t.TaskStuck.model_validate(
        {
            "event_id": f"stuck-{task}", "at_ms": 50, "stage_id": "s", "round": 0, "task_id": task,
            "engine_task_id": f"x.{task}", "handle_id": handle, "how": how, "watched_ms": 2000,
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([task_stuck("a")], ["runtime/stuck/certain"]),
        ([task_stuck("a", "overdue")], ["runtime/stuck/likely"]),
        ([task_stuck("a", "overdue"), task_stuck("b")], ["runtime/stuck/certain"]),
        ([task_stuck("a", "overdue", None)], ["engine/stuck/likely"]),
        ([task_stuck("a"), ended("succeeded")], ["runtime/stuck/certain"]),
        ([task_stuck("a"), ended("stuck", "a", "b")], ["runtime/stuck/certain"]),
    ],
    ids=["ended", "overdue", "both", "in_execgo", "recovered", "not_recovered"],
)
def test_a_stuck_task_names_who_never_reported_its_end(
    events: list[t.EvidenceEvent], expected: list[str]
) -> None:
    assert names(*events) == expected


def test_all_stuck_tasks_are_evidence_of_one_cause() -> None:
    (cause,) = attribute([task_stuck("a"), task_stuck("b"), task_stuck("a")])
    assert cause.evidence == ("stuck-a", "stuck-b", "stuck-a")
    assert cause.message == "the runtime never reported the end of a, b"


def test_an_engine_that_asks_to_try_again_is_named_once() -> None:
    put_off = t.EngineUnavailable(event_id="later", stage_id="s", http_status=502, message="m")
    assert names(put_off, put_off, ended("succeeded")) == ["engine/unavailable/certain"]


def test_an_end_that_is_reported_after_the_failure_of_a_task_is_named() -> None:
    events: list[t.EvidenceEvent] = [
        silent("runtime", 219), failed(LOST, at_ms=415), exited("runtime", 1209),
        ready("runtime", 2112), healthy("runtime", 2364), ended("succeeded"),
    ]  # fmt: skip
    assert [f"{c.name}/{c.confidence}" for c in attribute(events)] == [
        "runtime/handle_lost/certain"
    ]


def test_an_end_after_the_silence_does_not_explain_an_earlier_failure() -> None:
    events: list[t.EvidenceEvent] = [
        silent("runtime", 219), failed(LOST, at_ms=415), healthy("runtime", 600),
        exited("runtime", 5000), ended("succeeded"),
    ]  # fmt: skip
    assert "runtime/handle_lost/certain" not in [
        f"{c.name}/{c.confidence}" for c in attribute(events)
    ]
