"""Trials into cells: nothing vanishes from a denominator."""

from __future__ import annotations

from pytest_execgo.benchmark.reports.markdown import MarkdownReport
from pytest_execgo.models.benchmark import (
    ControlRecord,
    FaultRecord,
    TrialResult,
)
from pytest_execgo.models.finding import AcceptedFinding
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
