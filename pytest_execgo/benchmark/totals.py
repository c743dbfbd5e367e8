"""Estimates over all cells of a run; docs/statistics.md has the reason for each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from itertools import groupby
from math import comb, sqrt
from random import Random
from statistics import NormalDist, fmean

from pytest_execgo.benchmark.intervals import Z_95, pass_hat_k, student_97_5
from pytest_execgo.models.benchmark import CellResult
from pytest_execgo.models.totals import Bracket, Estimate, RecoveryTime, Totals
from pytest_execgo.models.trial_result import TrialResult

FEWEST_CELLS = 36
"""From here on, the normal interval of ``pass^k`` covers at least 93 %."""
FEWEST_SCENARIOS = 5
RESAMPLES = 2000
MOST_K = 10
_SEED = 20260101
Counts = tuple[int, int]
"""How many trials of a cell passed, and of how many."""


def totals(cells: Sequence[CellResult], trials: Sequence[TrialResult]) -> Totals:
    """The estimates of a run, from its cells and its trials."""
    errors = sum(cell.errors for cell in cells)
    successes = [(cell.rates.success.count, cell.rates.success.of) for cell in cells]
    landed = [rate for cell in cells if (rate := cell.rates.landing) is not None]
    # In replay no model is asked, whatever else goes wrong.
    live_errors = sum(cell.errors for cell in cells if cell.mode == "live")
    return Totals(
        success=_bracket(successes, errors),
        recovery=_bracket([(c.rates.recovery.count, c.rates.recovery.of) for c in cells], errors),
        landing=_bracket([(rate.count, rate.of) for rate in landed], live_errors),
        pass_hat=_pass_hat([counts for counts in successes if counts[1]]),
        new_scenarios=_new_scenarios(cells),
        recovery_time=recovery_time(trials),
    )


def _bracket(counts: Sequence[Counts], errors: int) -> Bracket:
    """Of a trial with a harness error it is not known whether it needed recovery, or asked a model."""
    passed, of = sum(one[0] for one in counts), sum(one[1] for one in counts)
    if not of:
        return Bracket(errors_fail=None, errors_dropped=None)
    return Bracket(
        errors_fail=round(passed / (of + errors), 6), errors_dropped=round(passed / of, 6)
    )


def _pass_hat(cells: Sequence[Counts]) -> dict[str, Estimate]:
    most = min((of for _, of in cells), default=0)
    return {str(k): pass_hat_of_matrix(cells, k) for k in range(1, min(most, MOST_K) + 1)}


def pass_hat_of_matrix(cells: Sequence[Counts], k: int) -> Estimate:
    """The mean over the cells of the probability that k trials all pass, each with at least k trials.

    The interval is normal, with an unbiased variance. It needs 2 k trials in each cell, enough cells,
    and cells that differ.
    """
    shares = [pass_hat_k(passed, of, k) for passed, of in cells]
    value = round(fmean(shares), 6)
    if len(cells) < FEWEST_CELLS or any(of < 2 * k for _, of in cells):
        return Estimate(value=value)
    squares = (comb(passed, 2 * k) / comb(of, 2 * k) for passed, of in cells)
    variance = sum(u * u - s for u, s in zip(shares, squares, strict=True)) / len(cells) ** 2
    if variance <= 0:
        return Estimate(value=value)
    half = Z_95 * sqrt(variance)
    return _estimate(value, value - half, value + half)


def _new_scenarios(cells: Sequence[CellResult]) -> Estimate | None:
    shares: dict[str, list[float]] = defaultdict(list)
    for cell in cells:
        if cell.rates.success.value is not None:
            shares[cell.scenario].append(cell.rates.success.value)
    return over_scenarios([fmean(values) for _, values in sorted(shares.items())])


def over_scenarios(shares: Sequence[float]) -> Estimate | None:
    """The mean of one share for each scenario, with a bootstrap interval over the scenarios: the trials
    of one scenario say little about another one.

    The percentiles are those of Student's t, as plain ones are too narrow for few scenarios (Hesterberg
    2015). The resamples are drawn with a fixed seed. ``None`` without scenarios.
    """
    if not shares:
        return None
    value, count = round(fmean(shares), 6), len(shares)
    if count < FEWEST_SCENARIOS or len(set(shares)) == 1:
        return Estimate(value=value)
    rng = Random(_SEED)
    means = sorted(fmean(rng.choices(shares, k=count)) for _ in range(RESAMPLES))
    tail = NormalDist().cdf(-sqrt(count / (count - 1)) * student_97_5(count - 1))
    last = RESAMPLES - 1
    return _estimate(value, means[int(tail * last)], means[round((1 - tail) * last)])


def _estimate(value: float, low: float, high: float) -> Estimate:
    return Estimate(value=value, low=round(max(0.0, low), 6), high=round(min(1.0, high), 6))


def recovery_time(trials: Sequence[TrialResult]) -> RecoveryTime:
    """How long recovery takes. A mean over the trials that recovered would hide the others."""
    observed = [one for trial in trials if (one := _observed(trial)) is not None]
    curve = kaplan_meier(observed)
    median = next((ms for ms, longer in curve if longer <= 0.5), None)
    return RecoveryTime(
        trials=len(observed),
        recovered=sum(recovered for _, recovered in observed),
        median_ms=median,
        curve=tuple((ms, round(longer, 6)) for ms, longer in curve),
    )


def _observed(trial: TrialResult) -> tuple[float, bool] | None:
    """For how long a trial was watched after its first fault, and whether it recovered then."""
    verdict = trial.verdict
    if verdict.recovery == "not_needed" or verdict.expectation == "expected_failure":
        return None
    faults = [fault.at_ms for fault in trial.faults if fault.at_ms is not None]
    if not faults:
        return None
    if verdict.recovery == "recovered":
        ms = trial.metrics.recovery_ms
        return None if ms is None else (ms, True)
    return max(0.0, trial.metrics.wall_time_ms - min(faults)), False


def kaplan_meier(observed: Sequence[tuple[float, bool]]) -> list[tuple[float, float]]:
    """The share that takes longer than each time at which something happened (Kaplan and Meier 1958).

    Each observation is a time and whether it happened then; if not, nothing is known beyond that time.
    """
    curve: list[tuple[float, float]] = []
    longer, at_risk = Fraction(1), len(observed)
    for ms, found in groupby(sorted(observed), key=lambda one: one[0]):
        happened = [event for _, event in found]
        if any(happened):
            # Fractions: at a median, a rounded product misses one half.
            longer *= 1 - Fraction(sum(happened), at_risk)
            curve.append((ms, float(longer)))
        at_risk -= len(happened)
    return curve
