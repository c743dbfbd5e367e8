"""Whether a run is better or worse than an earlier one, cell by cell.

The test is a permutation test: if nothing changed, it does not matter which trials of a cell belong to
which run. So it needs no assumption about distributions, and holds for one trial per cell as well. The
random permutations are drawn with a fixed seed, so the same two runs always give the same answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from statistics import fmean

from pytest_execgo.benchmark.change_gate import change_gate
from pytest_execgo.benchmark.gates import Gate, judge
from pytest_execgo.benchmark.paired import (
    UNITS,
    Pair,
    PairedMetric,
    common_cells,
    paired,
    tried_cells,
)
from pytest_execgo.models.benchmark import BenchmarkResult, CellResult
from pytest_execgo.models.comparison import Change, Comparison, MetricComparison

ALPHA = 0.05
"""The share of false alarms over all metrics of a comparison together."""
PERMUTATIONS = 2000
_SEED = 20260101


def compare(
    base: BenchmarkResult, new: BenchmarkResult, margin: float = 0.05, gates: Sequence[Gate] = ()
) -> Comparison:
    """Pair the cells of two runs. ``margin``: by how much the success rate may be lower at the gate.
    ``gates``: further conditions for the new run."""
    before, after = tried_cells(base), tried_cells(new)
    both = common_cells(base, new)
    red = {name: (_is_red(before[name]), _is_red(after[name])) for name in both}
    return Comparison(
        base=base.run_id,
        new=new.run_id,
        metrics=tuple(_compared(base, new, both)),
        gate=change_gate(base, new, "success_rate", "drops", margin),
        gates=tuple(judge(gates, new, base)),
        new_cells=tuple(sorted(after.keys() - before.keys())),
        gone_cells=tuple(sorted(before.keys() - after.keys())),
        newly_red=tuple(name for name in both if red[name] == (False, True)),
        newly_green=tuple(name for name in both if red[name] == (True, False)),
        newly_named=tuple(sorted(_named(new) - _named(base))),
        warnings=tuple(_warnings(base, new)),
    )


def is_worse(found: Comparison) -> bool:
    """Whether a gate blocks the new run, or a metric of it is worse."""
    verdicts = [found.gate.verdict, *(gate.verdict for gate in found.gates)]
    return "BLOCK" in verdicts or any(one.change == "worse" for one in found.metrics)


def _is_red(cell: CellResult) -> bool:
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


def _compared(
    base: BenchmarkResult, new: BenchmarkResult, cells: Sequence[str]
) -> list[MetricComparison]:
    pairs = (paired(name, base, new, cells) for name in UNITS)
    found = [metric for metric in pairs if metric is not None]
    # A metric that is the same in all trials cannot give an alarm, so it does not count.
    varying = [metric for metric in found if any(map(_varies, metric.pairs))]
    p_values = [permutation_p(metric.pairs, Random(_SEED)) for metric in varying]
    names = (metric.name for metric in varying)
    corrected = dict(zip(names, holm(p_values), strict=True))
    return [_comparison(metric, corrected.get(metric.name, 1.0)) for metric in found]


def _varies(pair: Pair) -> bool:
    return len({*pair[0], *pair[1]}) > 1


def _comparison(metric: PairedMetric, p_value: float) -> MetricComparison:
    difference, interval = metric.difference, metric.interval()
    change: Change = "no evidence"
    if p_value <= ALPHA and difference:
        change = "better" if (difference > 0) is metric.more_is_better else "worse"
    low, high = (round(metric.change(end), 6) for end in interval) if interval else (None, None)
    base, new = (round(metric.shown(mean), 6) for mean in metric.means)
    return MetricComparison(
        name=metric.name,
        unit=metric.unit,
        cells=len(metric.pairs),
        base=base,
        new=new,
        difference=round(metric.change(difference), 6),
        low=low,
        high=high,
        p_value=round(p_value, 6),
        change=change,
    )


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
