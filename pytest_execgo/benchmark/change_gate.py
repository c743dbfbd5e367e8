"""Whether a run is not worse than its base by more than a margin (non-inferiority)."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import fmean
from typing import Literal

from pytest_execgo.benchmark.intervals import wilson
from pytest_execgo.benchmark.paired import UNITS, common_cells, paired, tried_cells
from pytest_execgo.models.benchmark import BenchmarkResult
from pytest_execgo.models.gate import GateComparison, GateVerdict

Direction = Literal["drops", "rises"]
"""The change that must stay below the margin."""
_MOST_TRIALS = 1_000_000
Counts = tuple[float, float]
"""Successes, and of how many trials. Cells count alike, however many trials they have, so the trials are
weighted, and neither number needs to be whole."""


def change_gate(
    base: BenchmarkResult, new: BenchmarkResult, metric: str, direction: Direction, margin: float
) -> GateComparison:
    """Judge the change of a metric over the cells that both runs have.

    ``margin`` is a difference for rates, and a relative change for times. It blocks if the whole 95 %
    interval of the change is beyond the margin, and passes if none of it is.
    """
    cells = common_cells(base, new)
    if UNITS[metric] == "ms":
        return _of_times(base, new, metric, direction, margin, cells)
    if metric == "success_rate":
        before, after = (_passed(run, cells) for run in (base, new))
    else:
        before, after = _counts(metric, base, new, cells)
    return _of_rates(before, after, direction, margin)


def difference_interval(
    passed_before: float, before: float, passed_after: float, after: float
) -> tuple[float, float]:
    """The 95 % interval of the difference of two rates (Newcombe 1998, from two Wilson intervals)."""
    p, q = passed_before / before, passed_after / after
    (l1, u1), (l2, u2) = wilson(passed_before, before), wilson(passed_after, after)
    return (
        q - p - sqrt((q - l2) ** 2 + (u1 - p) ** 2),
        q - p + sqrt((u2 - q) ** 2 + (p - l1) ** 2),
    )


def gate_text(gate: GateComparison) -> str:
    """The change with its interval, the margin, and what would decide it."""
    if gate.difference is None or gate.low is None or gate.high is None:
        return "too little data: no interval can be estimated"
    interval = f"95 % interval {percent(gate.low)} … {percent(gate.high)}"
    text = f"{percent(gate.difference)} ({interval}), allowed {percent(gate.margin)}"
    if gate.verdict != "INCONCLUSIVE":
        return text
    if gate.more_trials is None:
        return f"{text}; the trials do not decide it"
    return f"{text}; about {gate.more_trials} more trials in each run would decide it"


def percent(value: float) -> str:
    """A change with its sign."""
    return f"{value * 100:+.1f} %"


def _passed(run: BenchmarkResult, cells: Sequence[str]) -> Counts:
    """Errors count as failures: a run must not pass because its trials broke. Failures that a known
    finding explains do not count."""
    found = tried_cells(run)
    members = [found[name] for name in cells]
    return weighted([(cell.passed, cell.trials - cell.known_findings) for cell in members])


def weighted(cells: Sequence[tuple[int, int]]) -> Counts:
    """The mean of the cells' rates as counts, of so many trials that the interval is that of the mean:
    with n trials in each of m cells, these are the sums."""
    known = [(passed, of) for passed, of in cells if of]
    if not known:
        return 0.0, 0.0
    size = len(known) ** 2 / sum(1 / of for _, of in known)
    return fmean(passed / of for passed, of in known) * size, size


def _counts(
    metric: str, base: BenchmarkResult, new: BenchmarkResult, cells: Sequence[str]
) -> tuple[Counts, Counts]:
    found = paired(metric, base, new, cells)
    if found is None:
        return (0, 0), (0, 0)
    sides = ([(round(sum(pair[side])), len(pair[side])) for pair in found.pairs] for side in (0, 1))
    before, after = map(weighted, sides)
    return before, after


def _of_rates(before: Counts, after: Counts, direction: Direction, margin: float) -> GateComparison:
    if not (before[1] and after[1]):
        return _undecided(direction, margin)
    low, high = difference_interval(*before, *after)
    verdict = _verdict(low, high, direction, margin)
    rates = before[0] / before[1], after[0] / after[1]
    more = None
    if verdict == "INCONCLUSIVE":
        more = _more_trials(rates, (before[1], after[1]), direction, margin)
    return GateComparison(
        verdict=verdict,
        margin=_signed(direction, margin),
        difference=round(rates[1] - rates[0], 6),
        low=round(low, 6),
        high=round(high, 6),
        more_trials=more,
    )


def _of_times(
    base: BenchmarkResult,
    new: BenchmarkResult,
    metric: str,
    direction: Direction,
    margin: float,
    cells: Sequence[str],
) -> GateComparison:
    found = paired(metric, base, new, cells)
    interval = found.interval() if found else None
    if found is None or interval is None:
        return _undecided(direction, margin)
    low, high = (found.change(end) for end in interval)
    return GateComparison(
        verdict=_verdict(low, high, direction, margin),
        margin=_signed(direction, margin),
        difference=round(found.change(found.difference), 6),
        low=round(low, 6),
        high=round(high, 6),
    )


def _undecided(direction: Direction, margin: float) -> GateComparison:
    return GateComparison(
        verdict="INCONCLUSIVE",
        margin=_signed(direction, margin),
        difference=None,
        low=None,
        high=None,
    )


def _signed(direction: Direction, margin: float) -> float:
    return -margin if direction == "drops" else margin


def _verdict(low: float, high: float, direction: Direction, margin: float) -> GateVerdict:
    if direction == "rises":
        low, high = -high, -low
    if low > -margin:
        return "PASS"
    return "BLOCK" if high < -margin else "INCONCLUSIVE"


def _more_trials(
    rates: tuple[float, float], sizes: tuple[float, float], direction: Direction, margin: float
) -> int | None:
    """How many more trials each run needs for a decision at the same rates."""

    def decided(more: int) -> bool:
        (before, after), (p, q) = (size + more for size in sizes), rates
        low, high = difference_interval(p * before, before, q * after, after)
        return _verdict(low, high, direction, margin) != "INCONCLUSIVE"

    step = 1
    while not decided(step):
        step *= 2
        if step > _MOST_TRIALS:
            return None
    low, high = step // 2, step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if decided(middle) else (middle, high)
    return high
