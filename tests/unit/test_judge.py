"""The verdict for each expectation: what was not proven is never green."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pytest_execgo.models import events as t
from pytest_execgo.models.cause import ExpectedCause
from pytest_execgo.models.chaos import ChaosProfile
from pytest_execgo.models.events import TimelineEvent
from pytest_execgo.verdict.verify import judge
from tests import event_makers as make
from tests.ids import readable

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FAULT = {"action": "kill", "target": "runtime", "when": {"phase": "runtime"}}
ARMED = t.ChaosArmed(fault=0, action="kill", target="runtime", seed="s")
FIRED = t.ChaosFired(fault=0, action="kill", target="runtime", detail="d", at_ms=1)
SILENT = t.ChaosNotFired(
    fault=0, action="kill", target="runtime", reason="condition_never_met", message="never"
)
NOT_DRAWN = t.ChaosNotFired(
    fault=0, action="kill", target="runtime", reason="random_draw", message="probability 0.3"
)
DONE = t.TrialFinished(wall_time_ms=9, at_ms=9)
REFUSED = t.SubmitRejected(
    stage_id="s", round=0, http_status=400, message="cycle detected", at_ms=2
)
EXIT = t.ServiceExited(service="execgo", pid=1, exit_status=-9, at_ms=3)


def profile(expectation: str, cause: dict[str, str] | None = None) -> ChaosProfile:
    faults = [] if expectation == "not_applicable" else [FAULT]
    return ChaosProfile.model_validate(
        {"id": "p", "expectation": expectation, "expected_cause": cause, "faults": faults}
    )


def check(*, ok: bool) -> t.CheckEvaluated:
    return t.CheckEvaluated(index=0, kind="value", ok=ok, message="m", at_ms=8)


GOOD, BAD = check(ok=True), check(ok=False)
DSL = {"layer": "dsl"}
CLEAN, RECOVER = profile("not_applicable"), profile("should_recover")
FAIL, MEASURE = profile("expected_failure", DSL), profile("measure")


@pytest.mark.parametrize(
    ("expected", "events", "status"),
    [
        (CLEAN, [GOOD, DONE], "passed"),
        (CLEAN, [GOOD, BAD, DONE], "failed"),
        (CLEAN, [DONE], "inconclusive"),
        (CLEAN, [GOOD], "inconclusive"),
        (CLEAN, [GOOD, t.HarnessProblem(message="no access log"), DONE], "inconclusive"),
        (CLEAN, [t.PlanFailed(code="c", message="m", duration_ms=1), DONE], "failed"),
        (RECOVER, [ARMED, FIRED, GOOD, DONE], "passed"),
        (RECOVER, [ARMED, FIRED, BAD, DONE], "failed"),
        (RECOVER, [ARMED, SILENT, GOOD, DONE], "inconclusive"),
        (RECOVER, [ARMED, GOOD, DONE], "inconclusive"),
        (RECOVER, [ARMED, NOT_DRAWN, GOOD, DONE], "passed"),
        (RECOVER, [ARMED, NOT_DRAWN, BAD, DONE], "failed"),
        (FAIL, [ARMED, FIRED, REFUSED, BAD, DONE], "passed"),
        (FAIL, [ARMED, FIRED, BAD, DONE], "failed"),
        (FAIL, [ARMED, FIRED, GOOD, DONE], "failed"),
        (FAIL, [ARMED, FIRED, REFUSED, EXIT, BAD, DONE], "failed"),
        (FAIL, [ARMED, SILENT, REFUSED, BAD, DONE], "inconclusive"),
        (MEASURE, [ARMED, FIRED, BAD, DONE], "passed"),
    ],
    ids=readable,
)
def test_status(expected: ChaosProfile, events: list[TimelineEvent], status: str) -> None:
    verdict, _ = judge(expected, events)
    assert verdict.status == status, verdict.outcome


@pytest.mark.parametrize(
    ("events", "named"),
    [
        ([FIRED, REFUSED, BAD, DONE], True),
        ([FIRED, BAD, DONE], False),
        ([NOT_DRAWN, BAD, DONE], None),
    ],
    ids=readable,
)
def test_a_cause_counts_only_when_the_fault_fired(
    events: list[TimelineEvent], named: bool | None
) -> None:
    verdict, _ = judge(FAIL, [ARMED, *events])
    assert verdict.cause_named is named


STUCK = t.TaskStuck(
    stage_id="s", round=0, task_id="a", engine_task_id="x.a", handle_id="h", how="ended",
    watched_ms=2000, at_ms=2,
)  # fmt: skip
LOSES_ENDS = ExpectedCause(layer="runtime", code="stuck")


def test_a_known_defect_beside_the_injected_cause_is_no_mistake() -> None:
    events: list[TimelineEvent] = [ARMED, FIRED, STUCK, REFUSED, BAD, DONE]
    alone, _ = judge(FAIL, events)
    assert (alone.status, alone.cause_named) == ("failed", False)
    known, _ = judge(FAIL, events, [LOSES_ENDS])
    assert (known.status, known.cause_named) == ("passed", True)
    assert known.attribution == alone.attribution, "the defect is named all the same"


def test_a_known_defect_does_not_stand_for_the_injected_cause() -> None:
    verdict, _ = judge(FAIL, [ARMED, FIRED, STUCK, BAD, DONE], [LOSES_ENDS])
    assert (verdict.status, verdict.cause_named) == ("failed", False)
    wanted = profile("expected_failure", {"layer": "runtime"})
    verdict, _ = judge(wanted, [ARMED, FIRED, STUCK, BAD, DONE], [LOSES_ENDS])
    assert (verdict.status, verdict.cause_named) == ("passed", True)


@pytest.mark.parametrize(
    ("event", "status"),
    [(FIRED, "fired"), (SILENT, "not_fired"), (NOT_DRAWN, "not_exercised")],
    ids=readable,
)
def test_what_becomes_of_a_fault(event: TimelineEvent, status: str) -> None:
    _, faults = judge(RECOVER, [ARMED, event, GOOD, DONE])
    assert [fault.status for fault in faults] == [status]


SLOW = t.FixtureRequest(
    method="GET", path="/a", status=200, duration_ms=900, sha256="r", reference_sha256="r", at_ms=4
)  # fmt: skip
BOTH = ChaosProfile.model_validate(
    {
        "id": "p", "expectation": "should_recover", "faults": [FAULT, FAULT],
        "expected_cause": [{"layer": "fixture", "code": "slow"}, {"layer": "engine"}],
    }
)  # fmt: skip
SECOND = {"fault": 1}


@pytest.mark.parametrize(
    ("events", "named"),
    [([SLOW, EXIT], True), ([SLOW], False), ([EXIT], False), ([SLOW, EXIT, REFUSED], False)],
    ids=readable,
)
def test_two_faults_are_two_causes_and_nothing_else(
    events: list[TimelineEvent], named: bool
) -> None:
    fired = FIRED.model_copy(update=SECOND)
    verdict, _ = judge(BOTH, [ARMED, FIRED, fired, *events, GOOD, DONE])
    assert verdict.expected_cause == "fixture/slow + engine"
    assert verdict.cause_named is named


def replied(code: str | None, at_ms: float) -> t.ModelReplied:
    status = 429 if code else 200
    return t.ModelReplied(number=1, attempt=1, status=status, took_ms=1, code=code, at_ms=at_ms)


LIMITED = profile("should_recover", {"layer": "adapter", "code": "model_rate_limit"})
PLANNED = t.PlanReady(plan_id="p", stages=1, tasks=1, digest="d", duration_ms=1, at_ms=4)
MITIGATED: list[TimelineEvent] = [replied("model_rate_limit", 2), replied(None, 3), PLANNED]


@pytest.mark.parametrize(
    ("events", "named"),
    [
        ([FIRED, *MITIGATED, GOOD, DONE], True),
        ([FIRED, replied(None, 3), PLANNED, GOOD, DONE], False),
        # Another layer failed, too, without an injected fault.
        ([FIRED, *MITIGATED, EXIT, GOOD, DONE], False),
    ],
    ids=readable,
)
def test_a_mitigated_cause_counts_as_named(events: list[TimelineEvent], named: bool) -> None:
    verdict, _ = judge(LIMITED, [ARMED, *events])
    assert verdict.cause_named is named


def test_a_mitigated_cause_is_not_the_expected_failure() -> None:
    wanted = profile("expected_failure", {"layer": "adapter", "code": "model_error"})
    mitigated = [replied("model_error", 2), replied(None, 3)]
    refused = t.PlanFailed(code="model_key_refused", message="m", duration_ms=1, at_ms=5)
    verdict, _ = judge(wanted, [ARMED, FIRED, *mitigated, refused, DONE])
    assert (verdict.status, verdict.cause_named) == ("failed", False)
    never = t.PlanFailed(code="model_error", message="m", duration_ms=1, at_ms=5)
    verdict, _ = judge(wanted, [ARMED, FIRED, replied("model_error", 2), never, DONE])
    assert (verdict.status, verdict.cause_named) == ("passed", True)


def test_a_mitigated_cause_in_another_layer_is_allowed() -> None:
    verdict, _ = judge(FAIL, [ARMED, FIRED, *MITIGATED, REFUSED, BAD, DONE])
    assert (verdict.status, verdict.cause_named) == ("passed", True)


@pytest.mark.parametrize(
    ("events", "recovery"),
    [
        ([ARMED, FIRED, *MITIGATED, GOOD, DONE], "recovered"),
        ([ARMED, FIRED, replied(None, 3), PLANNED, GOOD, DONE], "not_needed"),
        ([*MITIGATED, GOOD, DONE], "not_needed"),
        # The model failed before the fault was injected.
        ([ARMED, replied("model_rate_limit", 0), PLANNED, FIRED, GOOD, DONE], "not_needed"),
    ],
    ids=readable,
)
def test_a_trial_that_had_to_ask_the_model_again_recovered(
    events: list[TimelineEvent], recovery: str
) -> None:
    assert judge(LIMITED, events)[0].recovery == recovery


def test_of_two_faults_only_those_that_fired_must_be_named() -> None:
    left_out = NOT_DRAWN.model_copy(update=SECOND)
    verdict, _ = judge(BOTH, [ARMED, FIRED, left_out, SLOW, GOOD, DONE])
    assert verdict.expected_cause == "fixture/slow"
    assert verdict.cause_named


def test_a_list_of_causes_has_one_for_each_fault() -> None:
    with pytest.raises(ValueError, match="one cause per fault"):
        ChaosProfile.model_validate(BOTH.model_dump() | {"faults": [FAULT]})


STAGE = {"stage_id": "s", "duration_ms": 1, "engine_time_ms": 1, "rounds": 1}


def test_a_fault_after_the_last_stage_proves_no_recovery() -> None:
    end = t.StageFinished.model_validate({**STAGE, "at_ms": 5, "outcome": "succeeded"})
    late = FIRED.model_copy(update={"at_ms": 6.0})
    verdict, _ = judge(RECOVER, [ARMED, late, end, GOOD, DONE])
    assert verdict.status == "inconclusive"
    assert "was injected after the last stage" in verdict.outcome


def test_a_wrong_result_is_not_the_failure_that_was_expected() -> None:
    """The trial recovered from the fault; a check fails for another reason."""
    end = t.StageFinished.model_validate({**STAGE, "at_ms": 7, "outcome": "succeeded"})
    runtime = profile("expected_failure", {"layer": "runtime"})
    gone = t.ServiceExited(service="runtime", pid=1, exit_status=-9, at_ms=3)
    verdict, _ = judge(runtime, [ARMED, FIRED, gone, end, BAD, DONE])
    assert verdict.status == "failed"
    assert "task/wrong_output" in verdict.outcome


def test_each_injection_is_counted() -> None:
    again = FIRED.model_copy(update={"at_ms": 20.0})
    healed = [
        t.ChaosHealed(fault=0, action="kill", target="runtime", detail="d", at_ms=at)
        for at in (10, 30)
    ]
    _, (fault,) = judge(RECOVER, [ARMED, FIRED, healed[0], again, healed[1], GOOD, DONE])
    assert (fault.injections, fault.at_ms, fault.healed_at_ms) == (2, 1, 30)


def seen(task: str, status: str, at_ms: float) -> t.TaskChanged:
    return t.TaskChanged(
        at_ms=at_ms, stage_id="s", round=0, task_id=task, engine_task_id=f"x.{task}",
        status=status, created_at=NOW, updated_at=NOW,
    )  # fmt: skip


def test_a_fault_knows_what_ran_while_it_was_in_place() -> None:
    events = [
        seen("before", "running", 1), seen("before", "success", 4),
        seen("through", "running", 2), seen("through", "success", 90),
        seen("within", "running", 20), seen("within", "success", 25),
        seen("after", "running", 60),
    ]  # fmt: skip
    injected_at = FIRED.model_copy(update={"at_ms": 10.0})
    healed = t.ChaosHealed(fault=0, action="kill", target="runtime", detail="d", at_ms=50)
    _, (fault,) = judge(RECOVER, [ARMED, injected_at, healed, *events, GOOD, DONE])
    assert sorted(fault.tasks_inside) == ["through", "within"]


def stage(outcome: str, at_ms: float = 7) -> t.StageFinished:
    return t.StageFinished.model_validate({**STAGE, "at_ms": at_ms, "outcome": outcome})


GONE_TASK = t.TaskLost(stage_id="s", round=0, task_id="a", engine_task_id="x.a", at_ms=4)
NO_ANSWER = t.EngineUnreachable(stage_id="s", message="m", at_ms=4)
AGAIN = t.Resubmitted(stage_id="s", round=1, tasks=("a",), waited_ms=1, at_ms=4)


@pytest.mark.parametrize(
    ("events", "recovery"),
    [
        ([stage("stuck"), BAD, DONE], "stuck"),
        ([stage("lost"), BAD, DONE], "lost"),
        ([stage("lost"), stage("stuck"), BAD, DONE], "stuck"),
        ([stage("failed"), BAD, DONE], "not_needed"),
        ([GONE_TASK, stage("failed"), BAD, DONE], "degraded"),
        ([GONE_TASK, GOOD, DONE], "recovered"),
        ([NO_ANSWER, GOOD, DONE], "recovered"),
        ([AGAIN, GOOD, DONE], "recovered"),
        ([GONE_TASK, stage("stuck"), GOOD, DONE], "recovered"),
        ([seen("a", "failed", 4), GOOD, DONE], "not_needed"),
        ([FIRED, seen("a", "failed", 4), GOOD, DONE], "recovered"),
        ([FIRED, seen("a", "running", 4), GOOD, DONE], "not_needed"),
        ([REFUSED, GOOD, DONE], "not_needed"),
        ([FIRED, REFUSED, GOOD, DONE], "recovered"),
        ([NOT_DRAWN, REFUSED, GOOD, DONE], "not_needed"),
        ([FIRED, t.AnswerJudged(attempt=1, rules=("cycle",), at_ms=1), GOOD, DONE], "recovered"),
        ([FIRED, t.AnswerJudged(attempt=1, at_ms=2), GOOD, DONE], "not_needed"),
    ],
    ids=[
        "stuck", "lost", "stuck_before_lost", "failed_by_itself", "degraded", "task_lost",
        "engine_silent", "resubmitted", "success_wins", "task_failed_without_fault",
        "task_failed_after_fault", "task_runs", "rejected_without_fault", "rejected_after_fault",
        "rejected_without_draw", "broken_answer", "legal_answer",
    ],
)  # fmt: skip
def test_recovery_is_what_became_of_the_trial(events: list[TimelineEvent], recovery: str) -> None:
    assert judge(RECOVER, [ARMED, *events])[0].recovery == recovery


@pytest.mark.parametrize(
    ("expected", "events", "outcome"),
    [
        (CLEAN, [GOOD, DONE], "all 1 checks hold"),
        (CLEAN, [GOOD, BAD, DONE],
         "expected: all checks hold · got: 1 of 2 checks do not hold"),
        (CLEAN, [BAD], "the record ends before the trial does"),
        (CLEAN, [t.HarnessProblem(message="x"), DONE], "evidence is missing: x"),
        (CLEAN, [DONE], "no check was evaluated"),
        (CLEAN, [t.PlanFailed(code="c", message="m", duration_ms=1), DONE],
         "expected: all checks hold · got: no plan: m"),
        (CLEAN, [stage("binding_missing"), BAD, DONE],
         "expected: all checks hold · got: stage s did not finish (binding missing)"),
        (CLEAN, [stage("succeeded"), BAD, DONE],
         "expected: all checks hold · got: 1 of 1 checks do not hold"),
        (MEASURE, [ARMED, SILENT, GOOD, DONE], "measured: all 1 checks hold"),
        (RECOVER, [ARMED, SILENT, GOOD, DONE],
         "armed, but not injected: kill on runtime (never)"),
        (RECOVER, [ARMED, GOOD, DONE],
         "armed, but not injected: kill on runtime "
         "(the record does not show whether it was injected)"),
        (RECOVER, [ARMED, FIRED, GOOD, DONE], "not needed: all checks hold in the end"),
        (RECOVER, [ARMED, FIRED, AGAIN, GOOD, DONE], "recovered: all checks hold in the end"),
        (RECOVER, [ARMED, FIRED, stage("stuck"), BAD, DONE],
         "expected: should recover · got: stage s did not finish (stuck)"),
        (FAIL, [ARMED, FIRED, GOOD, DONE],
         "expected: failure caused by dsl · got: all checks hold, the fault had no effect"),
        (FAIL, [ARMED, FIRED, BAD, DONE],
         "expected: failure caused by dsl · got: 1 of 1 checks do not hold, attributed to "
         "none/no_failure"),
        (FAIL, [ARMED, FIRED, REFUSED, EXIT, BAD, DONE],
         "expected: failure caused by dsl · got: 1 of 1 checks do not hold, attributed to "
         "engine/process_exited, dsl/cycle, partly in other layers"),
        (FAIL, [ARMED, FIRED, REFUSED, BAD, DONE],
         "failed as expected (dsl): 1 of 1 checks do not hold"),
    ],
)  # fmt: skip
def test_the_outcome_compares_expectation_and_events(
    expected: ChaosProfile, events: list[TimelineEvent], outcome: str
) -> None:
    assert judge(expected, events)[0].outcome == outcome


def test_a_fault_at_the_end_of_the_last_stage_still_counts() -> None:
    fault = FIRED.model_copy(update={"at_ms": 5.0})
    verdict, _ = judge(RECOVER, [ARMED, fault, stage("succeeded", 5), GOOD, DONE])
    assert verdict.status == "passed"
    verdict, _ = judge(RECOVER, [ARMED, FIRED, GOOD, DONE])
    assert verdict.status == "passed", "without a stage there is no last stage"


def test_a_verdict_lists_checks_in_their_order() -> None:
    first = t.CheckEvaluated(
        index=0, kind="file", ok=False, message="m", expected=1, got=2, at_ms=9
    )
    second = t.CheckEvaluated(index=1, kind="value", ok=True, message="n", at_ms=8)
    verdict, _ = judge(CLEAN, [second, first, DONE])
    assert [(c.kind, c.ok, c.message, c.expected, c.got) for c in verdict.checks] == [
        ("file", False, "m", 1, 2), ("value", True, "n", None, None),
    ]  # fmt: skip
    assert verdict.expectation == "not_applicable"


def test_the_expected_cause_is_shown_only_if_a_fault_was_injected() -> None:
    verdict, _ = judge(FAIL, [ARMED, FIRED, REFUSED, BAD, DONE])
    assert verdict.expected_cause == "dsl"
    verdict, _ = judge(FAIL, [ARMED, NOT_DRAWN, BAD, DONE])
    assert verdict.expected_cause is None
    verdict, _ = judge(MEASURE, [ARMED, FIRED, GOOD, DONE])
    assert (verdict.expected_cause, verdict.cause_named) == (None, None)


@pytest.mark.parametrize(
    ("events", "ending"),
    [
        ([AGAIN, stage("succeeded"), GOOD, DONE], "all 1 checks hold: recovered"),
        ([stage("succeeded"), GOOD, DONE], "all 1 checks hold: nothing had to recover"),
        ([AGAIN, stage("succeeded"), BAD, DONE], None),
    ],
    ids=["recovered", "not_needed", "failed"],
)
def test_a_trial_that_passed_after_a_fault_explains_its_end(
    events: list[TimelineEvent], ending: str | None
) -> None:
    verdict, _ = judge(RECOVER, [ARMED, FIRED, *events])
    texts = [step.text for step in verdict.explanation if "checks hold" in step.text]
    expected = [f"{ending}; the last stage ended 0.01 s after the fault"] if ending else []
    assert texts == expected


def test_a_fault_record_tells_where_and_how_the_fault_was_injected() -> None:
    fired = FIRED.model_copy(update={"stage_id": "s", "task_id": "a", "event_id": "e2"})
    armed = ARMED.model_copy(update={"event_id": "e1"})
    failed = t.ChaosHealFailed(
        fault=0, action="kill", target="runtime", message="m", at_ms=8, event_id="e3"
    )
    other = fired.model_copy(update={"fault": 1, "event_id": "e4"})
    _, (fault,) = judge(RECOVER, [armed, fired, failed, other, GOOD, DONE])
    assert (fault.action, fault.target, fault.phase) == ("kill", "runtime", "runtime")
    assert (fault.detail, fault.stage_id, fault.task_id) == ("d", "s", "a")
    assert (fault.events, fault.healed_at_ms, fault.reason) == (("e1", "e2", "e3"), None, None)


def test_a_fault_that_was_not_injected_has_a_reason_and_no_time() -> None:
    _, (fault,) = judge(RECOVER, [ARMED, SILENT, GOOD, DONE])
    assert (fault.injections, fault.at_ms, fault.detail, fault.reason) == (0, None, None, "never")
    assert fault.tasks_inside == ()


def test_a_fault_that_was_injected_once_and_not_again_is_fired_with_the_reason() -> None:
    _, (fault,) = judge(RECOVER, [ARMED, FIRED, SILENT, GOOD, DONE])
    assert (fault.status, fault.reason) == ("fired", "never")


@pytest.mark.parametrize(
    ("began", "ended", "inside"),
    [(10, 20, True), (5, 10, True), (5, 9.9, False), (50, 60, True), (50.1, 60, False)],
    ids=["during", "ends_with_fault", "ends_before", "begins_with_healing", "begins_after"],
)
def test_a_task_is_inside_if_it_ran_between_fault_and_healing(
    began: float, ended: float, inside: bool
) -> None:
    fault = FIRED.model_copy(update={"at_ms": 10.0})
    healed = t.ChaosHealed(fault=0, action="kill", target="runtime", detail="d", at_ms=50)
    events = [seen("a", "running", began), seen("a", "success", ended)]
    _, (record,) = judge(RECOVER, [ARMED, fault, healed, *events, GOOD, DONE])
    assert record.tasks_inside == (("a",) if inside else ())


def test_a_lost_task_is_inside_only_until_it_was_lost() -> None:
    fault = FIRED.model_copy(update={"at_ms": 10.0})
    _, (record,) = judge(RECOVER, [ARMED, fault, seen("a", "running", 1), GONE_TASK, GOOD, DONE])
    assert record.tasks_inside == ()


def test_without_healing_a_fault_lasts_to_the_end() -> None:
    events = [seen("a", "running", 500), seen("a", "running", 600), seen("b", "pending", 500)]
    _, (record,) = judge(RECOVER, [ARMED, FIRED, *events, GOOD, DONE])
    assert record.tasks_inside == ("a",)


def test_the_first_of_several_faults_begins_the_time_of_a_recovery() -> None:
    late = FIRED.model_copy(update={"fault": 1, "at_ms": 6.0})
    verdict, _ = judge(BOTH, [ARMED, FIRED, late, replied("model_error", 3), GOOD, DONE])
    assert verdict.recovery == "recovered"


def test_one_injected_fault_of_two_makes_a_failed_task_a_recovery() -> None:
    left_out = NOT_DRAWN.model_copy(update=SECOND)
    verdict, _ = judge(BOTH, [ARMED, FIRED, left_out, seen("a", "failed", 4), GOOD, DONE])
    assert verdict.recovery == "recovered"


def test_a_fault_between_two_stages_can_be_recovered_from() -> None:
    fault = FIRED.model_copy(update={"at_ms": 6.0})
    events: list[TimelineEvent] = [stage("succeeded", 5), fault, stage("succeeded", 7)]
    verdict, _ = judge(RECOVER, [ARMED, *events, GOOD, DONE])
    assert verdict.status == "passed"


def test_tasks_inside_do_not_depend_on_the_order_of_the_record() -> None:
    events = [seen("a", "success", 9), seen("a", "running", 2)]
    _, (fault,) = judge(RECOVER, [ARMED, FIRED, *events, GOOD, DONE])
    assert fault.tasks_inside == ("a",)
    late = FIRED.model_copy(update={"at_ms": 8.0})
    events = [seen("a", "success", 9), seen("a", "failed", 5), seen("a", "running", 2)]
    _, (fault,) = judge(RECOVER, [ARMED, late, *events, GOOD, DONE])
    assert fault.tasks_inside == ("a",)


def test_a_possible_cause_counts_only_if_no_other_cause_is_blamed() -> None:
    wanted = profile("expected_failure", {"layer": "plan"})
    broken = t.AnswerJudged(attempt=1, rules=("cycle",), at_ms=2)
    no_plan = t.PlanFailed(code="adapter_raised", message="m", duration_ms=1, at_ms=5)
    verdict, _ = judge(wanted, [ARMED, FIRED, broken, no_plan, DONE])
    assert (verdict.status, verdict.cause_named) == ("failed", False)
    task = profile("expected_failure", {"layer": "task", "code": "wrong_output"})
    verdict, _ = judge(task, [ARMED, FIRED, stage("succeeded"), BAD, DONE])
    assert (verdict.status, verdict.cause_named) == ("passed", True)


DEMANDED_FAILURE = t.TaskChanged(
    stage_id="s", round=0, task_id="a", engine_task_id="x.a", status="failed", at_ms=2,
    error=t.TaskError(message="exit status 3", raw_code="exit_non_zero"), created_at=NOW, updated_at=NOW,
)  # fmt: skip
STAGE_FAILED = t.StageFinished(
    stage_id="s",
    outcome="failed",
    duration_ms=1,
    engine_time_ms=1,
    rounds=1,
    unfinished=(),
    at_ms=3,
)
DEMAND = t.CheckEvaluated(
    index=0, kind="task", ok=True, message="m", task="a", expected="failed", got="failed", at_ms=8
)


def test_a_failure_that_a_check_demands_needs_no_recovery() -> None:
    events: list[TimelineEvent] = [ARMED, FIRED, DEMANDED_FAILURE, STAGE_FAILED, DEMAND, DONE]
    verdict, _ = judge(RECOVER, events)
    assert verdict.recovery == "not_needed"
    verdict, _ = judge(RECOVER, [*events[:4], GOOD, DONE])
    assert verdict.recovery == "recovered"


def test_a_stage_that_failed_as_demanded_is_not_what_went_wrong() -> None:
    events: list[TimelineEvent] = [DEMANDED_FAILURE, STAGE_FAILED, DEMAND, BAD, DONE]
    verdict, _ = judge(CLEAN, events)
    assert verdict.outcome == "expected: all checks hold · got: 1 of 2 checks do not hold"


def test_the_verdict_quotes_the_end_of_what_the_failed_task_wrote() -> None:
    lines = [f"line {number}" for number in range(20)] + ["x" * 1000]
    events: list[TimelineEvent] = [
        make.failed(make.EXIT), make.wrote("\n".join(lines)), make.ended("failed"), check(ok=False),
    ]  # fmt: skip
    verdict, _ = judge(profile("not_applicable"), events)
    assert verdict.failed_task is not None
    assert verdict.failed_task.task_id == "a"
    assert verdict.failed_task.stderr[:2] == ("line 13", "line 14")
    assert [len(line) for line in verdict.failed_task.stderr[-1:]] == [300]
