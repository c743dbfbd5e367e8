"""Whether a run is better or worse than an earlier one, cell by cell.

The test is a permutation test: if nothing changed, it does not matter which trials of a cell belong to
which run. So it needs no assumption about distributions, and holds for one trial per cell as well. The
random permutations are drawn with a fixed seed, so the same two runs always give the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from random import Random
from statistics import fmean, variance
from typing import Literal

from pytest_execgo.benchmark.intervals import Z_95, wilson
from pytest_execgo.benchmark.named_causes import judged
from pytest_execgo.models.benchmark import BenchmarkResult, TrialResult
from pytest_execgo.models.comparison import (
    Change,
    Comparison,
    GateComparison,
    GateVerdict,
    MetricComparison,
)

ALPHA = 0.05
"""The share of false alarms over all metrics of a comparison together."""
PERMUTATIONS = 2000
_SEED = 20260101
_MOST_TRIALS = 1_000_000
Values = Mapping[str, Sequence[float]]
"""The values of a metric by cell."""


@dataclass(frozen=True)
class _Metric:
    """A metric: the value of one trial, or ``None`` if it has none."""

    name: str
    unit: Literal["rate", "ms"]
    value: Callable[[TrialResult], float | None]

    @property
    def more_is_better(self) -> bool:
        return self.unit == "rate"

    def scale(self, value: float) -> float:
        """Times are compared by their logarithms: one slow trial must not decide."""
        return value if self.unit == "rate" else log(max(value, 0.0) + 1.0)


def compare(base: BenchmarkResult, new: BenchmarkResult, margin: float = 0.05) -> Comparison:
    """Pair the cells of two runs. ``margin``: by how much the success rate may be lower at the gate."""
    before, after = _cells(base), _cells(new)
    both = sorted(before.keys() & after.keys())
    red = {name: (_is_red(base, name), _is_red(new, name)) for name in both}
    return Comparison(
        base=base.run_id,
        new=new.run_id,
        metrics=tuple(_compared(base, new, both)),
        gate=_gate(base, new, both, margin),
        new_cells=tuple(sorted(after.keys() - before.keys())),
        gone_cells=tuple(sorted(before.keys() - after.keys())),
        newly_red=tuple(name for name in both if red[name] == (False, True)),
        newly_green=tuple(name for name in both if red[name] == (True, False)),
        newly_named=tuple(sorted(_named(new) - _named(base))),
        warnings=tuple(_warnings(base, new)),
    )


def is_worse(found: Comparison) -> bool:
    """Whether the gate blocks the new run, or a metric of it is worse."""
    return found.gate.verdict == "BLOCK" or any(one.change == "worse" for one in found.metrics)


def _cells(run: BenchmarkResult) -> dict[str, list[TrialResult]]:
    found: dict[str, list[TrialResult]] = {}
    for trial in run.trials:
        found.setdefault(trial.cell_id, []).append(trial)
    return found


def _is_red(run: BenchmarkResult, cell_id: str) -> bool:
    cell = next(one for one in run.cells if one.cell_id == cell_id)
    return cell.passed + cell.known_findings < cell.trials


def _named(run: BenchmarkResult) -> set[str]:
    """The first causes of trials that did not pass."""
    red = (t for t in run.trials if t.verdict.status != "passed" and not t.known_finding)
    return {trial.verdict.attribution[0].name for trial in red}


def _warnings(base: BenchmarkResult, new: BenchmarkResult) -> Iterable[str]:
    one, other = base.environment, new.environment
    if (one.platform, one.cpu_count) != (other.platform, other.cpu_count):
        yield "the runs were made on different machines, so their times differ for that reason alone"
    for run in (base, new):
        if not run.trustworthy:
            yield f"run {run.run_id} is not trustworthy: see its benchmark.md"


# -- metrics


def _metrics(base: BenchmarkResult, new: BenchmarkResult) -> list[_Metric]:
    counted = {id(trial) for run in (base, new) for trial in judged(run.trials)}

    def success(trial: TrialResult) -> float:
        return float(trial.verdict.status == "passed")

    def recovery(trial: TrialResult) -> float | None:
        verdict = trial.verdict
        if verdict.recovery == "not_needed" or verdict.expectation == "expected_failure":
            return None
        return float(verdict.recovery == "recovered")

    def attribution(trial: TrialResult) -> float | None:
        return float(trial.verdict.cause_named is True) if id(trial) in counted else None

    def landed(trial: TrialResult) -> float | None:
        return trial.metrics.landed

    def time(name: str) -> Callable[[TrialResult], float | None]:
        return lambda trial: getattr(trial.metrics, name)

    times = ("wall_time_ms", "engine_time_ms", "overhead_ms", "detection_ms", "recovery_ms")
    rates = {
        "success_rate": success, "recovery_rate": recovery, "attribution_accuracy": attribution,
        "landing_rate": landed,
    }  # fmt: skip
    return [
        *(_Metric(name, "rate", value) for name, value in rates.items()),
        *(_Metric(name, "ms", time(name)) for name in times),
    ]


def _compared(
    base: BenchmarkResult, new: BenchmarkResult, cells: Sequence[str]
) -> list[MetricComparison]:
    found = []
    for metric in _metrics(base, new):
        before, after = (_values(metric, run, cells) for run in (base, new))
        common = sorted(before.keys() & after.keys())
        if common:
            pairs = [(before[name], after[name]) for name in common]
            found.append((metric, pairs, permutation_p(pairs, Random(_SEED))))
    # A metric that is the same in all trials cannot give an alarm, so it does not count.
    varying = [k for k, (_, pairs, _) in enumerate(found) if any(map(_varies, pairs))]
    corrected = dict(zip(varying, holm([found[k][2] for k in varying]), strict=True))
    return [
        _comparison(metric, pairs, corrected.get(k, 1.0))
        for k, (metric, pairs, _) in enumerate(found)
    ]


def _values(metric: _Metric, run: BenchmarkResult, cells: Sequence[str]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    wanted = set(cells)
    for trial in run.trials:
        value = metric.value(trial) if trial.cell_id in wanted else None
        if value is not None:
            found.setdefault(trial.cell_id, []).append(metric.scale(value))
    return found


Pair = tuple[Sequence[float], Sequence[float]]
"""The values of one cell in the base and in the new run."""


def _varies(pair: Pair) -> bool:
    return len({*pair[0], *pair[1]}) > 1


def _comparison(metric: _Metric, pairs: Sequence[Pair], p_value: float) -> MetricComparison:
    base, new = (fmean(fmean(pair[side]) for pair in pairs) for side in (0, 1))
    difference, error = new - base, _standard_error(pairs)
    change: Change = "no evidence"
    if p_value <= ALPHA and difference:
        change = "better" if (difference > 0) is metric.more_is_better else "worse"
    ends = (None, None) if error is None else (difference - Z_95 * error, difference + Z_95 * error)
    low, high = (None if end is None else round(_unscaled(metric, end), 6) for end in ends)
    shown = (base, new) if metric.unit == "rate" else (exp(base) - 1, exp(new) - 1)
    return MetricComparison(
        name=metric.name,
        unit=metric.unit,
        cells=len(pairs),
        base=round(shown[0], 6),
        new=round(shown[1], 6),
        difference=round(_unscaled(metric, difference), 6),
        low=low,
        high=high,
        p_value=round(p_value, 6),
        change=change,
    )


def _unscaled(metric: _Metric, difference: float) -> float:
    return difference if metric.unit == "rate" else exp(difference) - 1


def _standard_error(pairs: Sequence[Pair]) -> float | None:
    """Of the mean difference: from the trials within the cells, or with one trial per cell from the
    cells."""
    if all(len(side) > 1 for pair in pairs for side in pair):
        parts = [variance(side) / len(side) for pair in pairs for side in pair]
        return sqrt(sum(parts)) / len(pairs)
    differences = [fmean(new) - fmean(base) for base, new in pairs]
    return sqrt(variance(differences) / len(pairs)) if len(pairs) > 1 else None


def permutation_p(pairs: Sequence[Pair], rng: Random, count: int = PERMUTATIONS) -> float:
    """How often the mean difference of the cells is at least as large as it is if the trials of each
    cell are dealt anew to the two runs; two-sided."""
    observed = abs(_mean_difference(pairs))
    if not observed:
        return 1.0
    pooled = [([*base, *new], len(base)) for base, new in pairs]
    reached = 1
    for _ in range(count):
        total = 0.0
        for values, size in pooled:
            rng.shuffle(values)
            total += fmean(values[size:]) - fmean(values[:size])
        # Equal sums in another order of addition differ in their last digits.
        reached += abs(total / len(pooled)) >= observed - 1e-12
    return reached / (count + 1)


def _mean_difference(pairs: Sequence[Pair]) -> float:
    return fmean(fmean(new) - fmean(base) for base, new in pairs)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected for their number (Holm 1979): with all of them together, the share of
    false alarms stays below the limit."""
    order = sorted(range(len(p_values)), key=lambda k: p_values[k])
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, position in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[position]))
        corrected[position] = largest
    return corrected


# -- the gate


def _gate(
    base: BenchmarkResult, new: BenchmarkResult, cells: Sequence[str], margin: float
) -> GateComparison:
    """Errors count as failures: a run must not pass because its trials broke."""
    counts = []
    for run in (base, new):
        members = [cell for cell in run.cells if cell.cell_id in set(cells)]
        passed = sum(cell.passed + cell.known_findings for cell in members)
        counts.append((passed, sum(cell.trials for cell in members)))
    (passed_before, before), (passed_after, after) = counts
    if not (before and after):
        return GateComparison(
            verdict="INCONCLUSIVE", margin=margin, difference=0.0, low=-1.0, high=1.0
        )
    low, high = difference_interval(passed_before, before, passed_after, after)
    verdict = _verdict(low, high, margin)
    more = None
    if verdict == "INCONCLUSIVE":
        rates = passed_before / before, passed_after / after
        more = _more_trials(rates, (before, after), margin)
    return GateComparison(
        verdict=verdict,
        margin=margin,
        difference=round(passed_after / after - passed_before / before, 6),
        low=round(low, 6),
        high=round(high, 6),
        more_trials=more,
    )


def _verdict(low: float, high: float, margin: float) -> GateVerdict:
    if low > -margin:
        return "PASS"
    return "BLOCK" if high < -margin else "INCONCLUSIVE"


def difference_interval(
    passed_before: int, before: int, passed_after: int, after: int
) -> tuple[float, float]:
    """The 95 % interval of the difference of two rates (Newcombe 1998, from two Wilson intervals)."""
    p, q = passed_before / before, passed_after / after
    (l1, u1), (l2, u2) = wilson(passed_before, before), wilson(passed_after, after)
    return (
        q - p - sqrt((q - l2) ** 2 + (u1 - p) ** 2),
        q - p + sqrt((u2 - q) ** 2 + (p - l1) ** 2),
    )


def _more_trials(rates: tuple[float, float], sizes: tuple[int, int], margin: float) -> int | None:
    """How many more trials each run needs for a decision at the same rates."""

    def decided(more: int) -> bool:
        (before, after), (p, q) = (size + more for size in sizes), rates
        low, high = difference_interval(round(p * before), before, round(q * after), after)
        return _verdict(low, high, margin) != "INCONCLUSIVE"

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
