"""Trials into cells: nothing vanishes from a denominator."""

from __future__ import annotations

import pytest

from pytest_execgo.benchmark.reports.markdown import MarkdownReport
from pytest_execgo.models.benchmark import ControlRecord
from pytest_execgo.models.finding import AcceptedFinding
from pytest_execgo.models.run_record import NotApplicable
from pytest_execgo.models.trial_result import FaultRecord, TrialResult
from tests.results import missing, result, trial


def test_a_mitigated_cause_is_counted_and_is_not_a_false_cause() -> None:
    cause = {
        "layer": "plan", "code": "x", "confidence": "certain", "evidence": [], "message": "m",
    }  # fmt: skip
    mitigated, false = (
        trial(1, attribution=[{**cause, "mitigated": True}]),
        trial(2, attribution=[cause]),
    )
    score = result([trial(0), mitigated, false], []).attribution
    assert (score.clean, score.false_causes, score.mitigated) == (3, 1, 1)
    assert score.confusion == {"none": {"none/x": 1, "none/no_failure": 1, "plan/x": 1}}


def test_a_mitigated_cause_counts_as_first_named_only_in_an_injected_layer() -> None:
    fault = FaultRecord(action="a", target="t", phase="plan", status="fired")
    cause = {
        "layer": "plan", "code": "x", "confidence": "certain", "evidence": [], "message": "m",
        "mitigated": True,
    }  # fmt: skip
    injected_at = [
        trial(n, attribution=[cause], expected_cause=wanted, cause_named=wanted != "runtime")
        for n, wanted in enumerate(["plan/x", "runtime", "plan"])
    ]
    injected_at = [t.model_copy(update={"faults": (fault,)}) for t in injected_at]
    score = result(injected_at, []).attribution
    assert (score.trials, score.correct, score.abstained) == (3, 2, 1)
    assert score.confusion == {
        "plan": {"plan/x": 1},
        "plan/x": {"plan/x": 1},
        "runtime": {"none/no_failure": 1},
    }


def test_a_rate_is_given_with_and_without_harness_errors() -> None:
    (cell,) = result([trial(0), trial(1, "failed")], [missing(2, "error")]).cells
    assert (cell.trials, cell.passed, cell.failed, cell.errors) == (3, 1, 1, 1)
    assert (cell.rates.success.count, cell.rates.success.of) == (1, 2)
    assert (cell.rates.success_errors_as_failures.of) == 3


def test_a_cell_of_errors_alone_is_still_a_row() -> None:
    report = result([], [missing(0, "error")])
    (cell,) = report.cells
    assert (cell.trials, cell.passed, cell.errors) == (1, 0, 1)
    assert not report.trustworthy
    text = MarkdownReport().render(report)
    assert "NOT TRUSTWORTHY" in text
    assert "0/1 (1 error)" in text


def test_skipped_trials_leave_a_run_trustworthy() -> None:
    assert result([trial(0)], [missing(1, "skipped")]).trustworthy
    assert not result([trial(0)], [missing(1, "not_run")]).trustworthy


def test_drift_is_one_minus_the_largest_class() -> None:
    (cell,) = result([trial(0), trial(1), trial(2, "failed"), trial(3)], []).cells
    assert cell.rates.determinism_drift == 0.25
    assert cell.rates.pass_hat["2"] == 0.5
    assert cell.rates.pass_at["2"] == 1.0


def test_attribution_is_scored_over_trials_whose_fault_fired() -> None:
    right, wrong = (
        trial(number, expected_cause="runtime", cause_named=named)
        for number, named in ((1, True), (2, False))
    )
    score = result([trial(0), right, wrong], [])
    assert (score.attribution.trials, score.attribution.correct) == (2, 1)
    assert score.attribution.accuracy == 0.5
    assert 0 < (score.attribution.lower_95 or 0) < 0.5


def test_attribution_over_a_plan_that_fails_without_faults_is_not_counted() -> None:
    faulty = trial(1, expected_cause="runtime", cause_named=False)
    faulty = faulty.model_copy(update={"chaos": "kill"})
    other = trial(2, expected_cause="runtime", cause_named=True)
    other = other.model_copy(update={"chaos": "kill", "scenario": "other"})
    assert result([trial(0), faulty, other], []).attribution.trials == 2
    score = result([trial(0, "failed"), faulty, other], []).attribution
    assert (score.trials, score.correct) == (1, 1)


def test_distributions() -> None:
    (cell,) = result([trial(k) for k in range(5)], []).cells
    wall = cell.metrics["wall_time_ms"]
    assert (wall.count, wall.median, wall.min, wall.max) == (5, 2, 0, 4)


FIRED = {"action": "kill", "target": "runtime", "phase": "runtime", "status": "fired"}


def injected_at(repetition: int, layer: str, *, named: bool) -> TrialResult:
    cause = {"layer": layer, "code": "x", "confidence": "likely", "evidence": [], "message": "m"}
    found = trial(repetition, expected_cause="runtime", cause_named=named, attribution=[cause])
    return TrialResult.model_validate(found.model_dump() | {"faults": [FIRED]})


HELD = ControlRecord(name="must_pass", expected="e", got="g", ok=True)


def test_a_run_with_faults_is_trustworthy_only_if_all_controls_held() -> None:
    trials = [injected_at(0, "runtime", named=True)]
    assert not result(trials, []).trustworthy
    assert result(trials, [], controls=[HELD]).trustworthy
    broken = HELD.model_copy(update={"ok": False})
    assert not result(trials, [], controls=[HELD, broken]).trustworthy
    assert result([trial(0)], []).trustworthy, "without faults there is nothing to control"


def test_the_scoreboard_counts_misses_abstentions_and_false_causes() -> None:
    false = {"layer": "engine", "code": "x", "confidence": "likely", "evidence": [], "message": "m"}
    trials = [
        injected_at(0, "runtime", named=True),
        injected_at(1, "engine", named=False),
        injected_at(2, "unknown", named=False),
        injected_at(3, "none", named=False),
        trial(4),
        trial(5, attribution=[false]),
    ]
    score = result(trials, [], controls=[HELD]).attribution
    assert (score.trials, score.correct, score.abstained) == (4, 1, 2)
    assert (score.clean, score.false_causes) == (2, 1)
    assert set(score.confusion["runtime"]) == {"runtime/x", "engine/x", "unknown/x", "none/x"}
    assert score.lower_95 is not None
    assert score.lower_95 < 0.25


def test_a_known_finding_is_neither_failed_nor_passed() -> None:
    met = trial(1, "failed").model_copy(
        update={"known_finding": AcceptedFinding(id="a-b", reason="r")}
    )
    report = result([trial(0), met, trial(2, "failed")], [], findings={"a-b": ("r", "s")})
    (cell,) = report.cells
    assert (cell.passed, cell.failed, cell.known_findings, cell.trials) == (1, 1, 1, 3)
    assert cell.rates.success.count == 1
    assert report.known_findings[0].trials == (met.trial_id,)


def test_a_report_lists_trials_cells_and_missing_trials_in_order() -> None:
    other = trial(0).model_copy(
        update={"trial_id": "a-f-replay-none-r0", "cell_id": "a-f-replay-none", "scenario": "a"}
    )
    report = result([trial(1), trial(0), other], [missing(3, "error"), missing(2, "error")])
    assert [t.trial_id for t in report.trials] == [
        "a-f-replay-none-r0", "s-f-replay-none-r0", "s-f-replay-none-r1",
    ]  # fmt: skip
    assert [cell.cell_id for cell in report.cells] == ["a-f-replay-none", "s-f-replay-none"]
    assert [u.trial_id for u in report.unfinished] == ["s-f-replay-none-r2", "s-f-replay-none-r3"]
    assert (report.run_id, report.request.seed) == ("run", None)


def test_a_cell_is_described_by_its_id_and_its_counts() -> None:
    (cell,) = result(
        [trial(0), trial(1, "inconclusive")], [missing(2, "skipped"), missing(3, "not_run")]
    ).cells
    assert (cell.scenario, cell.framework, cell.mode, cell.chaos) == ("s", "f", "replay", "none")
    assert (cell.trials, cell.passed, cell.inconclusive) == (2, 1, 1)
    assert (cell.errors, cell.skipped, cell.known_findings) == (0, 1, 0)


@pytest.mark.parametrize(("count", "ks"), [(1, 1), (9, 9), (10, 10), (11, 10)])
def test_pass_rates_are_estimated_for_up_to_ten_trials(count: int, ks: int) -> None:
    (cell,) = result([trial(k) for k in range(count)], []).cells
    expected = [str(k) for k in range(1, ks + 1)]
    assert list(cell.rates.pass_at) == expected
    assert list(cell.rates.pass_hat) == expected


def test_estimates_are_rounded_to_six_digits() -> None:
    (cell,) = result([trial(0), trial(1, "failed"), trial(2, "failed")], []).cells
    assert cell.rates.pass_hat == {"1": 0.333333, "2": 0.0, "3": 0.0}
    assert cell.rates.pass_at == {"1": 0.333333, "2": 0.666667, "3": 1.0}
    assert cell.rates.success.value == pytest.approx(1 / 3)
    assert (cell.rates.success.low, cell.rates.success.high) == (0.061492, 0.79234)


def test_one_trial_has_no_drift() -> None:
    (one,) = result([trial(0)], []).cells
    (two,) = result([trial(0), trial(1)], []).cells
    assert (one.rates.determinism_drift, two.rates.determinism_drift) == (None, 0)


def test_recovery_is_rated_over_trials_that_had_to_recover() -> None:
    trials = [
        trial(0, recovery="recovered"), trial(1, recovery="stuck"), trial(2),
        trial(3, recovery="lost", expectation="expected_failure"),
    ]  # fmt: skip
    (cell,) = result(trials, []).cells
    assert (cell.rates.recovery.count, cell.rates.recovery.of) == (1, 2)
    (cell,) = result([trial(0)], []).cells
    rate = cell.rates.recovery
    assert (rate.count, rate.of, rate.value, rate.low, rate.high) == (0, 0, None, None, None)


def landed(repetition: int, landed: float | None, first: float | None, shape: str) -> TrialResult:
    metrics = trial(0).metrics.model_copy(update={"landed": landed, "landed_at_first": first})
    return trial(repetition).model_copy(update={"metrics": metrics, "plan_shape": shape})


def test_landing_is_rated_over_trials_that_asked_a_model() -> None:
    trials = [
        landed(0, 1.0, 1.0, "x"), landed(1, 1.0, 0.0, "x"), landed(2, 0.0, 0.0, ""),
        landed(3, None, None, "z"),
    ]  # fmt: skip
    (cell,) = result(trials, []).cells
    rates = cell.rates
    assert rates.landing is not None
    assert rates.landing_at_first is not None
    assert (rates.landing.count, rates.landing.of) == (2, 3)
    assert (rates.landing_at_first.count, rates.landing_at_first.of) == (1, 3)
    assert rates.landing_pass_hat == {"1": 0.666667, "2": 0.333333, "3": 0.0}
    assert rates.plan_shapes == 1


def test_without_a_model_there_is_no_landing() -> None:
    (cell,) = result([landed(0, None, None, "x")], []).cells
    assert (cell.rates.landing, cell.rates.plan_shapes) == (None, None)
    assert cell.rates.landing_pass_hat == {}


def test_a_distribution_leaves_out_missing_values() -> None:
    def detected(repetition: int, ms: float | None) -> TrialResult:
        metrics = trial(0).metrics.model_copy(update={"detection_ms": ms})
        return trial(repetition).model_copy(update={"metrics": metrics})

    (cell,) = result([detected(0, None), detected(1, 1.23456), detected(2, 3)], []).cells
    found = cell.metrics["detection_ms"]
    assert (found.count, found.median, found.min, found.max) == (2, 2.117, 1.23456, 3)
    (cell,) = result([detected(0, None)], []).cells
    assert cell.metrics["detection_ms"].model_dump() == {
        "count": 0, "median": None, "min": None, "max": None,
    }  # fmt: skip


def test_coverage_counts_each_fault_by_what_became_of_it() -> None:
    def with_faults(repetition: int, *states: str) -> TrialResult:
        faults = [{**FIRED, "status": state} for state in states]
        return TrialResult.model_validate(trial(repetition).model_dump() | {"faults": faults})

    trials = [with_faults(0, "fired", "not_fired"), with_faults(1, "fired", "not_exercised")]
    lost = missing(2, "error").model_copy(update={"cell_id": "s-f-replay-p"})
    faults = {"p": [("kill runtime", "runtime"), ("delay execgo", "submit")]}
    rows = result(trials, [lost, missing(3, "error")], faults=faults).coverage
    assert [
        (r.framework, r.action, r.phase, r.fired, r.armed_not_fired, r.not_exercised) for r in rows
    ] == [("f", "delay execgo", "submit", 0, 0, 1), ("f", "kill runtime", "runtime", 2, 1, 2)]


def test_without_a_fault_nothing_is_scored() -> None:
    score = result([], []).attribution
    assert (score.accuracy, score.lower_95, score.trials, score.confusion) == (None, None, 0, {})


def test_a_known_finding_is_left_out_of_the_score_but_not_of_the_matrix() -> None:
    met = injected_at(0, "runtime", named=True).model_copy(
        update={"known_finding": AcceptedFinding(id="a-b", reason="r")}
    )
    score = result([met], [], controls=[HELD]).attribution
    assert (score.trials, score.clean) == (0, 0)
    assert score.confusion == {"runtime": {"runtime/x": 1}}


def test_a_failed_trial_without_a_fault_is_not_clean() -> None:
    score = result([trial(0, "failed"), trial(1)], []).attribution
    assert score.clean == 1
    assert score.confusion == {"none": {"none/x": 2}}


def test_the_lower_bound_is_rounded_down() -> None:
    score = result([injected_at(0, "runtime", named=True)], [], controls=[HELD]).attribution
    assert score.lower_95 is not None
    assert 0.049998 <= score.lower_95 <= 0.05
    two = [injected_at(k, "runtime", named=True) for k in range(2)]
    assert result(two, [], controls=[HELD]).attribution.lower_95 == 0.223606


def test_a_first_named_cause_is_the_first_that_is_blamed() -> None:
    def cause(layer: str, **more: object) -> dict[str, object]:
        fields = {"layer": layer, "code": "x", "confidence": "certain", "evidence": []}
        return {**fields, "message": "m", **more}

    def named(*causes: dict[str, object], expected: str | None = None) -> str:
        found = trial(0, attribution=list(causes), expected_cause=expected)
        faults = [FIRED] if expected else []
        full = TrialResult.model_validate(found.model_dump() | {"faults": faults})
        ((row,),) = [list(r) for r in result([full], []).attribution.confusion.values()]
        return row

    mitigated = cause("plan", mitigated=True)
    assert named(mitigated, cause("engine"), cause("task"), expected="plan") == "engine/x"
    assert named(cause("none"), mitigated, expected="engine + plan/x") == "plan/x"
    assert named(cause("none"), mitigated, expected="engine") == "none/x"
    assert named(mitigated, expected="engine") == "none/no_failure"


def test_one_blamed_or_mitigated_cause_among_others_is_counted() -> None:
    fields = {"code": "x", "confidence": "certain", "evidence": [], "message": "m"}
    causes = [{**fields, "layer": "plan", "mitigated": True}, {**fields, "layer": "engine"}]
    score = result([trial(0, attribution=causes)], []).attribution
    assert (score.false_causes, score.mitigated) == (1, 1)


@pytest.mark.parametrize(
    ("causes", "expected", "wrong"),
    [
        ([("runtime", "certain", False)], "runtime", 0),
        ([("runtime", "certain", False), ("task", "likely", False)], "runtime", 0),
        ([("runtime", "certain", False), ("task", "certain", False)], "runtime", 1),
        ([("runtime", "likely", False), ("task", "certain", True)], "runtime", 0),
        ([("fixture", "certain", False)], "fixture/slow + runtime", 0),
        ([("none", "certain", False)], "runtime", 1),
        ([("none", "certain", False)], None, 0),
        ([("engine", "certain", False)], None, 1),
        ([("unknown", "possible", False)], "runtime", 0),
    ],
)
def test_what_is_wrong_and_certain_is_counted(
    causes: list[tuple[str, str, bool]], expected: str | None, wrong: int
) -> None:
    fields = {"code": "x", "evidence": [], "message": "m"}
    named = [
        {"layer": layer, "confidence": confidence, "mitigated": mitigated, **fields}
        for layer, confidence, mitigated in causes
    ]
    one = trial(0, attribution=named, expected_cause=expected, cause_named=expected and True)
    if expected:
        fault = FaultRecord(action="a", target="t", phase="plan", status="fired")
        one = one.model_copy(update={"faults": (fault,)})
    assert result([one], []).attribution.wrong_and_certain == wrong
    met = one.model_copy(update={"findings": ("stays-running",)})
    assert result([met], []).attribution.wrong_and_certain == 0


def test_pairs_without_a_trial_are_in_one_order_however_the_run_was_made() -> None:
    pairs = [
        NotApplicable(scenario=scenario, chaos=chaos, reason="r")
        for scenario in ("b", "a")
        for chaos in ("y", "x")
    ]
    orders = [result([], [], not_applicable=some).not_applicable for some in (pairs, pairs[::-1])]
    assert orders[0] == orders[1]
