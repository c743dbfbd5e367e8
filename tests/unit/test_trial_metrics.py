"""Each metric of a trial, from the events that it counts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pytest_execgo.benchmark.metrics import (
    PlanFacts,
    outcome_digest,
    plan_facts,
    trial_metrics,
)
from pytest_execgo.models import events as t
from pytest_execgo.models.trial_result import TrialMetrics
from pytest_execgo.models.verdict import Verdict
from pytest_execgo.verdict.failure_counts import failure_counts

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def verdict(*checks: bool, **more: Any) -> Verdict:
    fields = {
        "status": "passed", "expectation": "measure", "outcome": "o", "recovery": "not_needed",
        "checks": [{"kind": "value", "ok": ok, "message": "m"} for ok in checks],
        "attribution": [], "explanation": [], **more,
    }  # fmt: skip
    return Verdict.model_validate(fields)


GOOD = verdict(True)


def metrics(*events: Any, of: Verdict = GOOD) -> TrialMetrics:
    return trial_metrics(list(events), of, failure_counts(list(events)))


def planned(duration_ms: float = 1, **more: Any) -> t.PlanReady:
    fields = {"plan_id": "p", "stages": 1, "tasks": 3, "digest": "d", **more}
    return t.PlanReady.model_validate({**fields, "duration_ms": duration_ms})


def no_plan(code: str = "c", duration_ms: float = 1) -> t.PlanFailed:
    return t.PlanFailed(code=code, message="m", duration_ms=duration_ms)


def end(
    engine_time_ms: float | None = 1, outcome: str = "succeeded", **more: Any
) -> t.StageFinished:
    fields = {"stage_id": "s", "outcome": outcome, "duration_ms": 1, "rounds": 1, **more}
    return t.StageFinished.model_validate({**fields, "engine_time_ms": engine_time_ms})


def task(name: str, status: str = "failed", **more: Any) -> t.TaskChanged:
    fields = {
        "stage_id": "s", "round": 0, "task_id": name, "engine_task_id": f"x.{name}",
        "status": status, "created_at": NOW, "updated_at": NOW, **more,
    }  # fmt: skip
    return t.TaskChanged.model_validate(fields)


def used(answers: int, **more: Any) -> t.ModelUsed:
    fields = {"provider": "p", "model": "m", "requests": answers + 1, "answers": answers, **more}
    return t.ModelUsed.model_validate(fields)


def rejected(message: str = "m") -> t.SubmitRejected:
    return t.SubmitRejected(stage_id="s", round=0, http_status=400, message=message)


ACCEPTED = t.Submitted(stage_id="s", round=0, task_ids={})


def test_times_and_counts() -> None:
    found = metrics(planned(2.0004), end(100.25), end(50.1), t.TrialFinished(wall_time_ms=200.4567))
    assert (found.plan_time_ms, found.engine_time_ms) == (2.0, 150.35)
    assert (found.wall_time_ms, found.overhead_ms) == (200.457, 50.107)
    assert (found.stage_count, found.task_count, found.plan_validity) == (2, 3, 1.0)


def test_unknown_time_of_one_stage_makes_the_sum_and_the_overhead_unknown() -> None:
    found = metrics(end(5), end(None), t.TrialFinished(wall_time_ms=200))
    assert (found.engine_time_ms, found.overhead_ms, found.wall_time_ms) == (None, None, 200)


def test_overhead_is_never_negative() -> None:
    assert metrics(end(300), t.TrialFinished(wall_time_ms=200)).overhead_ms == 0


def test_without_an_end_the_last_event_gives_the_wall_time() -> None:
    assert metrics(end(at_ms=70), planned(at_ms=20)).wall_time_ms == 70
    assert metrics().wall_time_ms == 0


@pytest.mark.parametrize(
    ("events", "validity", "plan_time_ms"),
    [
        ([], None, 0),
        ([planned(2)], 1.0, 2),
        ([planned(2, problems=["cycle: x"])], 0.0, 2),
        ([no_plan(duration_ms=3)], 0.0, 3),
        ([planned(2), no_plan(duration_ms=3)], 0.0, 5),
    ],
    ids=["no_planning", "legal", "broken_rule", "no_plan", "both"],
)
def test_plan_validity_and_time(
    events: list[Any], validity: float | None, plan_time_ms: float
) -> None:
    found = metrics(*events)
    assert (found.plan_validity, found.plan_time_ms) == (validity, plan_time_ms)


@pytest.mark.parametrize(
    ("events", "rate"),
    [([], None), ([ACCEPTED], 1.0), ([rejected()], 0.0), ([ACCEPTED, rejected(), ACCEPTED], 2 / 3)],
    ids=["none", "accepted", "rejected", "two_of_three"],
)
def test_submit_accept_rate(events: list[Any], rate: float | None) -> None:
    assert metrics(*events).submit_accept_rate == rate


@pytest.mark.parametrize(
    ("checks", "success"), [((), 0.0), ((True, True), 1.0), ((True, False), 0.0)]
)
def test_success_needs_a_check_and_no_failed_check(
    checks: tuple[bool, ...], success: float
) -> None:
    assert metrics(of=verdict(*checks)).scenario_success == success


@pytest.mark.parametrize(
    ("recovery", "expectation", "success"),
    [
        ("recovered", "should_recover", 1.0),
        ("stuck", "should_recover", 0.0),
        ("lost", "measure", 0.0),
        ("degraded", "measure", 0.0),
        ("not_needed", "should_recover", None),
        ("stuck", "expected_failure", None),
    ],
)
def test_recovery_success(recovery: str, expectation: str, success: float | None) -> None:
    found = metrics(of=verdict(True, recovery=recovery, expectation=expectation))
    assert found.recovery_success == success


def test_retries_are_attempts_beyond_the_first() -> None:
    events = [
        task("a", "running", attempt=1), task("a", "running", attempt=3), task("a", attempt=2),
        task("b", "running", attempt=0), task("c", "success", attempt=2),
    ]  # fmt: skip
    assert metrics(*events).retry_count == 3


def test_resubmissions_are_counted() -> None:
    again = t.Resubmitted(stage_id="s", round=1, tasks=("a",), waited_ms=1)
    assert metrics(again, again).resubmit_count == 2


def test_failures_are_counted_by_their_last_error() -> None:
    timeout = {"code": "timeout", "message": "m"}
    lost = {"code": "external_failure", "message": "handle not found: x", "source": "executor"}
    tool = {"code": "invalid_input", "message": "unknown os tool: teleport"}
    found = metrics(
        task("a", error=lost),
        task("a", error=timeout),
        task("b", error=lost),
        task("c", error=tool),
        task("d"),
        task("e", "running", error=timeout),
        rejected("unknown task type: x"),
        rejected("cycle detected"),
        rejected("invalid JSON"),
    )
    assert found.timeout_count == 1
    assert found.runtime_failure_count == 1
    assert found.invalid_action_count == 2


def artifact(sha256: str | None, expected: str | None) -> t.ArtifactSeen:
    return t.ArtifactSeen(stage_id="s", path="x", sha256=sha256, expected_sha256=expected)


@pytest.mark.parametrize(
    ("artifacts", "share"),
    [
        ([], None),
        ([artifact("a", None)], None),
        ([artifact("a", "a"), artifact("a", "b"), artifact(None, "a"), artifact("b", None)], 1 / 3),
    ],
    ids=["none", "without_hash", "one_of_three"],
)
def test_artifacts_with_a_hash_must_match(
    artifacts: list[t.ArtifactSeen], share: float | None
) -> None:
    assert metrics(*artifacts).artifact_hash_match == share


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([planned()], (None, None, None)),
        ([used(1), planned()], (0, 1.0, 1.0)),
        ([used(3), planned()], (2, 1.0, 0.0)),
        ([used(3), no_plan("never_valid")], (2, 0.0, 0.0)),
        ([used(0), no_plan("no_answer")], (0, 0.0, 0.0)),
        ([used(1), no_plan("budget_tokens")], (0, 0.0, 0.0)),
        ([used(1), no_plan("budget_requests")], (0, 0.0, 0.0)),
        ([used(0), no_plan("budget_tokens")], (0, None, None)),
        ([used(2), no_plan("budget_time")], (1, None, None)),
        ([used(0), no_plan("model_error")], (0, None, None)),
        ([used(5), used(1), planned()], (0, 1.0, 1.0)),
    ],
    ids=[
        "no_model", "first_answer", "third_answer", "never_valid", "no_answer", "tokens", "requests",
        "tokens_without_answer", "time", "endpoint", "last_planning_counts",
    ],
)  # fmt: skip
def test_landing(
    events: list[Any], expected: tuple[int | None, float | None, float | None]
) -> None:
    found = metrics(*events)
    assert (found.repair_count, found.landed, found.landed_at_first) == expected


def reply(attempt: int) -> t.ModelReplied:
    return t.ModelReplied(number=1, attempt=attempt, status=200, took_ms=1)


def test_requests_retries_and_tokens_of_a_model() -> None:
    found = metrics(
        reply(1), reply(2), reply(3), used(4, prompt_tokens=7, completion_tokens=9), planned()
    )
    assert (found.model_requests, found.model_retries) == (5, 2)
    assert (found.prompt_tokens, found.completion_tokens) == (7, 9)


def test_without_a_model_its_metrics_are_null() -> None:
    found = metrics(planned())
    assert found.model_requests is None
    assert found.model_retries is None
    assert found.prompt_tokens is None


def test_plan_facts_name_the_last_plan_and_model_and_each_rule_once() -> None:
    events: list[t.TimelineEvent] = [
        t.AnswerJudged(attempt=1, rules=("cycle", "schema")), t.AnswerJudged(attempt=2),
        t.AnswerJudged(attempt=3, rules=("schema", "bad_id")),
        used(1), used(2, provider="q"), planned(shape="1"), planned(shape="2"),
    ]  # fmt: skip
    assert plan_facts(events) == PlanFacts("2", "q/m", ("cycle", "schema", "bad_id"))
    assert plan_facts([]) == PlanFacts(None, None, ())


OUTCOME: list[t.TimelineEvent] = [
    planned(),
    task("a", "running"),
    task("a", "success", at_ms=5),
    end(),
]


def test_equal_outcomes_have_equal_digests() -> None:
    later: list[t.TimelineEvent] = [
        event.model_copy(update={"event_id": "e9"}) for event in OUTCOME
    ]
    assert outcome_digest(OUTCOME, GOOD) == outcome_digest(later, GOOD)
    assert len(outcome_digest([], GOOD)) == 64


@pytest.mark.parametrize(
    "events",
    [
        [*OUTCOME, planned(digest="other")],
        [*OUTCOME, end(outcome="stuck")],
        [*OUTCOME, task("a", at_ms=9)],
        [*OUTCOME, task("b", "success")],
    ],
    ids=["plan", "stage", "task", "another_task"],
)
def test_a_digest_depends_on_plan_stages_and_tasks(events: list[Any]) -> None:
    assert outcome_digest(events, GOOD) != outcome_digest(OUTCOME, GOOD)


def test_a_digest_depends_on_the_checks() -> None:
    assert outcome_digest(OUTCOME, verdict(False)) != outcome_digest(OUTCOME, GOOD)


FIRED = t.ChaosFired(fault=0, action="a", target="t", detail="d", at_ms=10.5)
RECOVERED = verdict(True, recovery="recovered")
EXIT = t.ServiceExited(service="runtime", pid=1, exit_status=-9)
SYMPTOMS: dict[str, t.Event] = {
    "task_failed": task("a"),
    "task_lost": t.TaskLost(stage_id="s", round=0, task_id="a", engine_task_id="x"),
    "unreachable": t.EngineUnreachable(stage_id="s", message="m"),
    "rejected": rejected(),
    "binding": t.BindingMissing(
        stage_id="s", source_task_id="a", source_path="x", target_task_id="b",
        target_param_path="input.y", required=True, reason="r",
    ),
    "exit": EXIT,
    "stopped": t.ServiceStopped(service="runtime", pid=1),
    "silent": t.ServiceSilent(service="runtime", waited_ms=1, message="m"),
    "limited": t.ServiceLimited(service="runtime", resource="cpu", limit="1"),
    "link": t.LinkDegraded(service="runtime", how="slow", direct_ms=1, message="m"),
    "wrong_answer": t.FixtureRequest(
        method="GET", path="/a", status=500, duration_ms=1, reference_sha256="r"
    ),
    "slow_answer": t.FixtureRequest(method="GET", path="/a", status=200, duration_ms=301),
    "model_error": t.ModelReplied(number=1, attempt=1, status=0, took_ms=1, code="c"),
    "model_slow": t.ModelReplied(number=1, attempt=1, status=200, took_ms=1, stalled_ms=1001),
    "broken_rule": t.AnswerJudged(attempt=1, rules=("cycle",)),
}  # fmt: skip


def at(event: t.Event, at_ms: float) -> Any:
    return event.model_copy(update={"at_ms": at_ms})


@pytest.mark.parametrize("kind", SYMPTOMS)
def test_each_symptom_is_a_detection(kind: str) -> None:
    found = metrics(FIRED, at(SYMPTOMS[kind], 30.75))
    assert (found.detection_ms, found.recovery_ms) == (20.25, None)


@pytest.mark.parametrize(
    "event",
    [
        task("a", "success"),
        t.AnswerJudged(attempt=1),
        t.ModelReplied(number=1, attempt=1, status=200, took_ms=1, stalled_ms=1000),
        t.FixtureRequest(method="GET", path="/a", status=200, duration_ms=300),
        t.ServiceReady(service="runtime"),
        t.StageStarted(stage_id="s", tasks=()),
    ],
    ids=["success", "legal", "quick_model", "quick_fixture", "ready", "stage"],
)
def test_other_events_are_not_symptoms(event: t.Event) -> None:
    assert metrics(FIRED, at(event, 30)).detection_ms is None


def test_only_symptoms_after_the_first_fault_count() -> None:
    assert metrics(at(EXIT, 10.4), FIRED).detection_ms is None
    assert metrics(at(EXIT, 10.5), FIRED).detection_ms == 0
    assert metrics(at(EXIT, 10)).detection_ms is None
    assert metrics(FIRED, at(FIRED, 20), at(EXIT, 30.5)).detection_ms == 20


def test_recovery_ends_with_the_next_success_after_the_symptom() -> None:
    events = [
        FIRED, at(end(), 15), at(EXIT, 20), at(end(), 20), at(planned(), 25),
        at(end(outcome="failed"), 28), at(end(), 30.5), at(end(), 40),
    ]  # fmt: skip
    assert metrics(*events, of=RECOVERED).recovery_ms == 20
    assert metrics(*events).recovery_ms is None, "nothing had to recover"
    assert metrics(*events[:4], of=RECOVERED).recovery_ms is None


@pytest.mark.parametrize("kind", ["model_error", "broken_rule"])
def test_a_problem_while_planning_is_recovered_with_the_plan(kind: str) -> None:
    events = [FIRED, at(SYMPTOMS[kind], 20), at(end(), 22), at(planned(), 30.5), at(end(), 40)]
    assert metrics(*events, of=RECOVERED).recovery_ms == 20


def test_events_may_come_in_any_order() -> None:
    events = [at(end(), 40), at(end(), 30.5), at(EXIT, 20), at(EXIT, 15), FIRED]
    found = metrics(*events, of=RECOVERED)
    assert (found.detection_ms, found.recovery_ms) == (4.5, 20)


def test_retries_do_not_depend_on_tasks_without_an_attempt() -> None:
    assert metrics(task("a", "running")).retry_count == 0
