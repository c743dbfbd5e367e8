"""The metrics in which two runs can be compared, paired by cell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from math import exp, log, sqrt
from statistics import fmean, variance
from typing import Literal

from pytest_execgo.benchmark.intervals import student_97_5
from pytest_execgo.benchmark.named_causes import judged
from pytest_execgo.models.benchmark import BenchmarkResult, CellResult
from pytest_execgo.models.trial_result import TrialResult

Value = Callable[[TrialResult], float | None]
Pair = tuple[Sequence[float], Sequence[float]]
"""The values of one cell in the base and in the new run."""


@dataclass(frozen=True)
class PairedMetric:
    """A metric with its values on the scale on which they are compared, one pair for each cell that has
    values in both runs. Times are compared by their logarithms: one slow trial must not decide."""

    name: str
    unit: Literal["rate", "ms"]
    pairs: tuple[Pair, ...]

    @property
    def more_is_better(self) -> bool:
        return self.unit == "rate"

    @property
    def means(self) -> tuple[float, float]:
        """Of the base and of the new run: the means of the cells' means."""
        base, new = (fmean(fmean(pair[side]) for pair in self.pairs) for side in (0, 1))
        return base, new

    @property
    def difference(self) -> float:
        base, new = self.means
        return new - base

    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the difference; ``None`` with fewer than two values."""
        found = self._standard_error()
        if found is None:
            return None
        error, freedom = found
        half = student_97_5(freedom) * error
        return self.difference - half, self.difference + half

    def shown(self, mean: float) -> float:
        """A mean as a rate, or in milliseconds."""
        return mean if self.unit == "rate" else exp(mean) - 1

    def change(self, difference: float) -> float:
        """A difference of rates, or the relative change of times."""
        return difference if self.unit == "rate" else exp(difference) - 1

    def _standard_error(self) -> tuple[float, float] | None:
        """Of the mean difference, with its degrees of freedom: from the trials within the cells (Welch
        and Satterthwaite), or with one trial per cell from the cells."""
        pairs = self.pairs
        sides = [side for pair in pairs for side in pair]
        if all(len(side) > 1 for side in sides):
            parts = [variance(side) / len(side) for side in sides]
            below = sum(part**2 / (len(side) - 1) for part, side in zip(parts, sides, strict=True))
            freedom = sum(parts) ** 2 / below if below else float(len(sides))
            return sqrt(sum(parts)) / len(pairs), freedom
        if len(pairs) < 2:
            return None
        differences = [fmean(new) - fmean(base) for base, new in pairs]
        return sqrt(variance(differences) / len(pairs)), len(pairs) - 1.0


def _success(trial: TrialResult) -> float | None:
    """A failure that a known finding explains does not count."""
    return None if trial.known_finding else float(trial.verdict.status == "passed")


def _recovery(trial: TrialResult) -> float | None:
    verdict = trial.verdict
    if verdict.recovery == "not_needed" or verdict.expectation == "expected_failure":
        return None
    return float(verdict.recovery == "recovered")


def _named(trial: TrialResult) -> float:
    return float(trial.verdict.cause_named is True)


def _of_metrics(name: str, trial: TrialResult) -> float | None:
    found: float | None = getattr(trial.metrics, name)
    return found


_ATTRIBUTION = "attribution_accuracy"
_RATES: dict[str, Value] = {
    "success_rate": _success,
    "recovery_rate": _recovery,
    _ATTRIBUTION: _named,
    "landing_rate": partial(_of_metrics, "landed"),
}
_TIMES: dict[str, Value] = {
    name: partial(_of_metrics, name)
    for name in ("wall_time_ms", "engine_time_ms", "overhead_ms", "detection_ms", "recovery_ms")
}
UNITS: dict[str, Literal["rate", "ms"]] = {
    **dict.fromkeys(_RATES, "rate"),
    **dict.fromkeys(_TIMES, "ms"),
}
"""The metrics of a comparison and their units."""


def tried_cells(run: BenchmarkResult) -> dict[str, CellResult]:
    """The cells that have a trial, be it one that ended in a harness error, by id."""
    return {cell.cell_id: cell for cell in run.cells if cell.trials}


def common_cells(base: BenchmarkResult, new: BenchmarkResult) -> list[str]:
    """The ids of the cells that were tried in both runs."""
    return sorted(tried_cells(base).keys() & tried_cells(new).keys())


def paired(
    name: str, base: BenchmarkResult, new: BenchmarkResult, cells: Iterable[str]
) -> PairedMetric | None:
    """The metric over those of the cells that have values in both runs; ``None`` if there is none."""
    wanted = set(cells)
    before, after = (_values(name, run, wanted) for run in (base, new))
    both = sorted(before.keys() & after.keys())
    if not both:
        return None
    return PairedMetric(name, UNITS[name], tuple((before[one], after[one]) for one in both))


def _values(name: str, run: BenchmarkResult, cells: set[str]) -> dict[str, list[float]]:
    read = (_RATES | _TIMES)[name]
    trials = judged(run.trials) if name == _ATTRIBUTION else run.trials
    found: dict[str, list[float]] = {}
    for trial in trials:
        value = read(trial) if trial.cell_id in cells else None
        if value is not None:
            scaled = value if UNITS[name] == "rate" else log(max(value, 0.0) + 1.0)
            found.setdefault(trial.cell_id, []).append(scaled)
    return found
