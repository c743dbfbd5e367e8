"""Attribution sees evidence and nothing else, and each rule names its layer."""

from __future__ import annotations

import inspect
import typing
from datetime import UTC, datetime, timedelta

import pytest

from pytest_execgo.models import events as t
from pytest_execgo.verdict.attribute import attribute
from tests.ids import readable

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def failed(error: t.TaskError, task: str = "a", at_ms: float = 10) -> t.TaskChanged:
    return t.TaskChanged(
        event_id=f"task-{task}", at_ms=at_ms, stage_id="s", round=0, task_id=task,
        engine_task_id=f"x.{task}", status="failed", error=error,
        created_at=NOW, updated_at=NOW,
    )  # fmt: skip


def ended(outcome: str, *unfinished: str) -> t.StageFinished:
    return t.StageFinished.model_validate(
        {
            "event_id": "end", "at_ms": 90, "stage_id": "s", "outcome": outcome, "duration_ms": 1,
            "engine_time_ms": 1, "rounds": 1, "unfinished": unfinished,
        }
    )  # fmt: skip


def exited(service: str, at_ms: float = 5) -> t.ServiceExited:
    return t.ServiceExited(event_id="exit", at_ms=at_ms, service=service, pid=1, exit_status=-9)


def request(status: int, *, good: bool) -> t.FixtureRequest:
    return t.FixtureRequest(
        event_id="req", at_ms=6, method="GET", path="/a", status=status, duration_ms=1,
        sha256="x" if not good else "r", reference_sha256="r",
    )  # fmt: skip


def checked(*, raised: bool = False) -> t.CheckEvaluated:
    return t.CheckEvaluated(
        event_id="check", at_ms=95, index=0, kind="value", ok=False, message="m", raised=raised
    )


def running(task: str, handle: str | None) -> t.TaskChanged:
    return failed(EXIT, task).model_copy(
        update={"status": "running", "handle_id": handle, "error": None}
    )


def stopped(service: str, at_ms: float = 5) -> t.ServiceStopped:
    return t.ServiceStopped(event_id="stop", at_ms=at_ms, service=service, pid=1)


def silent(service: str, at_ms: float = 5) -> t.ServiceSilent:
    return t.ServiceSilent(
        event_id="silent", at_ms=at_ms, service=service, waited_ms=600, message="no answer"
    )


def limited(service: str) -> t.ServiceLimited:
    return t.ServiceLimited(
        event_id="limit", at_ms=5, service=service, resource="memory", limit="16 MB"
    )


def link(service: str, how: str, at_ms: float = 5) -> t.LinkDegraded:
    ms = 400.0 if how == "slow" else None
    facts = {"service": service, "how": how, "link_ms": ms, "direct_ms": 1.0, "message": "reset"}
    return t.LinkDegraded.model_validate({"event_id": "link", "at_ms": at_ms, **facts})


def slow(duration_ms: float) -> t.FixtureRequest:
    return request(200, good=True).model_copy(update={"duration_ms": duration_ms})


def lost(how: str) -> t.TaskLost:
    facts = {"stage_id": "s", "round": 0, "task_id": "a", "engine_task_id": "x", "how": how}
    return t.TaskLost.model_validate({"event_id": "lost", "at_ms": 8, **facts})


def unbound(code: str) -> t.BindingMissing:
    return t.BindingMissing.model_validate(
        {
            "event_id": "bind", "at_ms": 7, "stage_id": "s", "source_task_id": "a",
            "source_path": "x", "target_task_id": "b", "target_param_path": "input.y",
            "required": True, "reason": "r", "code": code,
        }
    )  # fmt: skip


def gone_at(seconds: float) -> t.ServiceExited:
    """ExecGo's process ended ``seconds`` after the failures of this module, by ExecGo's own time."""
    return exited("execgo", 8).model_copy(update={"wall_time": NOW + timedelta(seconds=seconds)})


def healthy(service: str, at_ms: float) -> t.ServiceHealthy:
    return t.ServiceHealthy(event_id="healthy", at_ms=at_ms, service=service)


def ready(service: str, at_ms: float) -> t.ServiceReady:
    return t.ServiceReady(at_ms=at_ms, service=service, pid=2)


def accepted(at_ms: float) -> t.Submitted:
    return t.Submitted(at_ms=at_ms, stage_id="s", round=0, task_ids={"a": "x.a"})


def replied(code: str | None = None, at_ms: float = 2, stalled_ms: float = 0) -> t.ModelReplied:
    return t.ModelReplied(
        event_id=f"reply-{at_ms}", at_ms=at_ms, number=1, attempt=1, status=0 if code else 200,
        took_ms=1, stalled_ms=stalled_ms, code=code, message=code or "",
    )  # fmt: skip


def judged(*rules: str, attempt: int = 1) -> t.AnswerJudged:
    return t.AnswerJudged(event_id=f"judged-{attempt}", at_ms=3, attempt=attempt, rules=rules)


def no_plan(code: str) -> t.PlanFailed:
    return t.PlanFailed(event_id="no-plan", at_ms=4, code=code, message="m", duration_ms=1)


PLANNED = t.PlanReady(at_ms=4, plan_id="p", stages=1, tasks=1, digest="d", duration_ms=1)


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
            [("plan", "schema", True), ("plan", "cycle", True)],
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


UNREACHABLE = t.EngineUnreachable(event_id="quiet", at_ms=6, stage_id="s", message="m")
TIME_IS_UP = t.TaskError(
    code="external_failure",
    message="Post: context deadline exceeded",
    source="runtime-executor",
)
NO_PATIENCE = TIME_IS_UP.model_copy(
    update={
        "message": "Post: context deadline exceeded"
        " (Client.Timeout exceeded while awaiting headers)"
    }
)
CUT_OFF = t.TaskError(
    code="external_failure", message="Get: context canceled", source="runtime-executor"
)
CANCELLED = t.TaskError(code="cancelled", message="context canceled", source="scheduler")
LOST = t.TaskError(code="external_failure", message="handle not found: x", source="executor")
EXIT = t.TaskError(
    code="external_failure", message="m", source="execgo-runtime", raw_code="exit_non_zero"
)
DOWN = t.TaskError(code="external_failure", message="Post: refused", source="runtime-executor")


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
            ["runtime/process_stopped/certain", "task/exit_non_zero/certain"],
        ),
        (
            [failed(EXIT, at_ms=100), stopped("runtime", 900)],
            ["runtime/process_stopped/certain", "task/exit_non_zero/certain"],
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
            ["fixture/link_broken/certain", "task/exit_non_zero/certain"],
        ),
        ([link("execgo", "broken"), UNREACHABLE], ["engine/link_broken/certain"]),
        ([UNREACHABLE], ["engine/unreachable/likely"]),
        ([slow(800), ended("succeeded")], ["fixture/slow/likely"]),
        ([slow(20), ended("succeeded")], ["none/no_failure/certain"]),
        ([slow(800), failed(EXIT, at_ms=900)], ["fixture/slow/likely"]),
        (
            [slow(800), accepted(3000), failed(EXIT, at_ms=4000)],
            ["task/exit_non_zero/certain", "fixture/slow/likely"],
        ),
        (
            [
                exited("fixtures"),
                ready("fixtures", 400),
                accepted(1000),
                failed(EXIT, at_ms=2000),
            ],
            ["fixture/process_exited/certain", "task/exit_non_zero/certain"],
        ),
        ([lost("forgotten")], ["engine/task_lost/certain"]),
        (
            [exited("execgo"), lost("orphaned")],
            ["engine/process_exited/certain", "engine/task_lost/certain"],
        ),
        ([failed(CANCELLED, at_ms=4), exited("execgo")], ["engine/process_exited/certain"]),
        ([exited("execgo", 5), failed(CANCELLED, at_ms=900)], ["engine/process_exited/certain"]),
        ([failed(CANCELLED)], ["task/cancelled/certain"]),
        ([failed(CUT_OFF), exited("execgo", 50)], ["engine/process_exited/certain"]),
        ([failed(CUT_OFF)], ["runtime/unreachable/likely"]),
        ([failed(TIME_IS_UP)], ["task/timeout/certain"]),
        ([failed(NO_PATIENCE)], ["runtime/unreachable/likely"]),
        ([silent("runtime"), failed(TIME_IS_UP)], ["runtime/silent/likely"]),
        (
            [gone_at(0.5), failed(t.TaskError(message="signal: killed"), at_ms=9)],
            ["engine/process_exited/certain"],
        ),
        (
            [failed(t.TaskError(message="signal: killed"), at_ms=9), gone_at(9)],
            ["engine/process_exited/certain", "task/failed/certain"],
        ),
        ([unbound("absent")], ["binding/binding_missing/certain"]),
        ([unbound("unreadable")], ["task/bad_output/certain"]),
        ([request(200, good=False), unbound("unreadable")], ["fixture/wrong_content/likely"]),
        (
            [slow(800), exited("runtime"), failed(LOST)],
            ["runtime/handle_lost/certain", "fixture/slow/likely"],
        ),
        ([failed(DOWN), ended("failed")], ["runtime/unreachable/likely"]),
        ([failed(EXIT), ended("failed")], ["task/exit_non_zero/certain"]),
        (
            [request(200, good=True), failed(EXIT), ended("failed")],
            ["task/exit_non_zero/certain"],
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
            ["engine/task_lost/certain"],
        ),
        ([t.EngineProtocolError(stage_id="s", message="m")], ["engine/protocol_error/certain"]),
        ([running("a", "h"), ended("stuck", "a", "b")], ["runtime/stuck/likely"]),
        ([running("a", None), ended("stuck", "a")], ["engine/stuck/likely"]),
        ([ended("succeeded"), checked()], ["task/wrong_output/possible"]),
        ([ended("succeeded"), checked(raised=True)], ["verifier/check_raised/certain"]),
        (
            [failed(EXIT, "a", at_ms=3), request(503, good=False), failed(EXIT, "b")],
            ["fixture/http_error/certain", "task/exit_non_zero/certain"],
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
            ["task/killed_by_signal/certain"],
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
        ("invalid JSON: EOF", "dsl/invalid_json"),
        ("something new", "dsl/http_400"),
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
    """The only argument has the type of evidence, and there is no profile."""
    (parameter,) = inspect.signature(attribute).parameters.values()
    assert parameter.name == "events"
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
