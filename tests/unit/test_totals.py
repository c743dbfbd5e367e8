"""Estimates over all cells: brackets, pass^k, new scenarios, time to recovery."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_execgo.benchmark.totals import (
    kaplan_meier,
    over_scenarios,
    pass_hat_of_matrix,
    recovery_time,
    totals,
)
from pytest_execgo.models.totals import Bracket, Estimate
from pytest_execgo.models.trial_result import FaultRecord, TrialResult
from tests.results import missing, result, trial


def test_the_curve_is_that_of_the_textbook() -> None:
    """Remission times of the group with 6-MP (Freireich 1963) in weeks, up to week 16."""
    observed = [(6.0, True)] * 3 + [(6.0, False), (7.0, True), (9.0, False), (10.0, True)]
    observed += [(10.0, False), (11.0, False), (13.0, True), (16.0, True)] + [(17.0, False)] * 10
    curve = {ms: round(longer, 3) for ms, longer in kaplan_meier(observed)}
    assert curve == {6.0: 0.857, 7.0: 0.807, 10.0: 0.753, 13.0: 0.69, 16.0: 0.627}


def faulty(number: int, recovery: str, *, ms: float | None, wall: float = 1000.0) -> TrialResult:
    found = trial(number, recovery=recovery, expectation="should_recover")
    metrics = found.metrics.model_copy(update={"recovery_ms": ms, "wall_time_ms": wall})
    fault = FaultRecord(action="kill", target="runtime", phase="p", status="fired", at_ms=200.0)
    return found.model_copy(update={"metrics": metrics, "faults": (fault,)})


def test_trials_that_never_recover_are_not_left_out_of_the_median() -> None:
    quick = [faulty(k, "recovered", ms=100.0) for k in range(2)]
    stuck = [faulty(k, "stuck", ms=None) for k in range(2, 7)]
    found = recovery_time([*quick, *stuck])
    assert (found.trials, found.recovered, found.median_ms) == (7, 2, None)
    assert found.curve == ((100.0, round(5 / 7, 6)),)
    assert recovery_time(quick).median_ms == 100.0
    slow = [faulty(k, "recovered", ms=900.0) for k in range(2, 7)]
    assert recovery_time([*quick, *slow]).median_ms == 900.0


def test_a_trial_that_was_watched_for_a_short_time_does_not_count_as_slow() -> None:
    """It says nothing about times beyond the end of the watching, which is 50 ms after the fault."""
    brief = [faulty(k, "lost", ms=None, wall=250.0) for k in range(5)]
    quick = [faulty(k, "recovered", ms=100.0) for k in range(5, 7)]
    assert recovery_time([*brief, *quick]).median_ms == 100.0


@pytest.mark.parametrize(
    "change",
    [
        {"recovery": "not_needed"},
        {"recovery": "recovered", "expectation": "expected_failure"},
    ],
)
def test_trials_with_nothing_to_recover_from_do_not_count(change: dict[str, Any]) -> None:
    one = faulty(0, "recovered", ms=5.0)
    one = one.model_copy(update={"verdict": one.verdict.model_copy(update=change)})
    assert recovery_time([one, trial(1)]).trials == 0


@pytest.mark.parametrize("count", [22, 24, 28, 30, 38, 44, 46, 54])
def test_half_of_the_trials_decide_the_median(count: int) -> None:
    half = [faulty(k, "recovered", ms=100.0 * (k + 1)) for k in range(count // 2)]
    stuck = [faulty(k, "stuck", ms=None, wall=1e6) for k in range(count // 2, count)]
    assert recovery_time([*half, *stuck]).median_ms == 100.0 * (count // 2)


def test_rates_of_a_run_are_brackets() -> None:
    run = result([trial(0), trial(1), trial(2, "failed")], [missing(3, "error")])
    found = totals(run.cells, run.trials)
    assert found == run.totals
    assert found.success == Bracket(errors_fail=0.5, errors_dropped=round(2 / 3, 6))
    assert found.landing == Bracket(errors_fail=1.0, errors_dropped=1.0)
    assert found.recovery == Bracket(errors_fail=None, errors_dropped=None)


def test_pass_hat_of_a_matrix_has_an_interval_from_36_cells_with_enough_trials() -> None:
    cells = [(4, 4), (3, 4), (2, 4)] * 12
    found = pass_hat_of_matrix(cells, 2)
    assert found.value == round((1 + 0.5 + 1 / 6) / 3, 6)
    assert found.low is not None
    assert found.high is not None
    assert 0 < found.low < found.value < found.high < 1
    assert pass_hat_of_matrix(cells[:35], 2).low is None
    assert pass_hat_of_matrix(cells, 3).low is None
    assert pass_hat_of_matrix([(4, 4)] * 36, 2) == Estimate(value=1.0)


def test_few_scenarios_have_a_mean_and_no_interval() -> None:
    assert over_scenarios([]) is None
    assert over_scenarios([0.5, 1.0]) == Estimate(value=0.75)
    assert over_scenarios([0.5] * 9) == Estimate(value=0.5)
    found = over_scenarios([0.5, 0.7, 0.9, 1.0, 0.8])
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert 0.5 < found.low < 0.78 == found.value < found.high < 1.0
