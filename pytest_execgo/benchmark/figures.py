"""The figures of a run that a gate can name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from statistics import fmean, median

from pytest_execgo.benchmark.intervals import quantile
from pytest_execgo.models.benchmark import BenchmarkResult
from pytest_execgo.models.trial_result import TrialMetrics

Figure = Callable[[BenchmarkResult], float | None]
"""``None``: the run has no trial with a value for it."""


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _counted(name: str) -> Figure:
    return lambda result: sum(getattr(cell, name) for cell in result.cells)


def _covered(name: str) -> Figure:
    return lambda r: sum(getattr(row, name) for row in r.coverage) if r.coverage else None


def known_values(result: BenchmarkResult, metric: str) -> list[float]:
    """The values of a metric of :class:`TrialMetrics`, over all trials that have one."""
    values = [getattr(trial.metrics, metric) for trial in result.trials]
    return [float(value) for value in values if value is not None]


def _median_of(name: str) -> Figure:
    def figure(result: BenchmarkResult) -> float | None:
        known = known_values(result, name)
        return median(known) if known else None

    return figure


def _overhead(result: BenchmarkResult) -> float | None:
    known = [one.metrics for one in result.trials if one.metrics.overhead_ms is not None]
    overhead = sum(metrics.overhead_ms or 0.0 for metrics in known)
    return _share(overhead, sum(metrics.wall_time_ms for metrics in known))


def _drift(result: BenchmarkResult) -> float | None:
    known = [c.rates.determinism_drift for c in result.cells]
    return max((drift for drift in known if drift is not None), default=None)


def _recovery(result: BenchmarkResult) -> float | None:
    return _mean((cell.rates.recovery.count, cell.rates.recovery.of) for cell in result.cells)


def _success(result: BenchmarkResult) -> float | None:
    """Errors count as failures; failures that a known finding explains do not count."""
    return _mean((cell.passed, cell.trials - cell.known_findings) for cell in result.cells)


def _mean(cells: Iterable[tuple[int, int]]) -> float | None:
    """Of the cells' shares: a cell that needs more trials to be decided does not weigh more."""
    shares = [count / of for count, of in cells if of]
    return fmean(shares) if shares else None


FIGURES: dict[str, Figure] = {
    "attribution_accuracy": lambda r: r.attribution.accuracy,
    "attribution_lower_95": lambda r: r.attribution.lower_95,
    "false_causes": lambda r: r.attribution.false_causes if r.attribution.clean else None,
    "wrong_and_certain": lambda r: (
        r.attribution.wrong_and_certain if r.attribution.trials + r.attribution.clean else None
    ),
    "confirmed_rate": lambda r: _share(
        r.confirmations.get("confirmed", 0), sum(r.confirmations.values())
    ),
    "mitigated": lambda r: r.attribution.mitigated if r.attribution.clean else None,
    "success_rate": _success,
    "recovery_rate": _recovery,
    "trials": _counted("trials"),
    "failed": _counted("failed"),
    "inconclusive": _counted("inconclusive"),
    "errors": _counted("errors"),
    "failed_attempts": _counted("failed_attempts"),
    "skipped": _counted("skipped"),
    "known_findings": _counted("known_findings"),
    "faults_fired": _covered("fired"),
    "faults_not_fired": _covered("armed_not_fired"),
    "determinism_drift": _drift,
    "wall_time_ms": _median_of("wall_time_ms"),
    "overhead_ms": _median_of("overhead_ms"),
    "overhead_ratio": _overhead,
    "detection_ms": _median_of("detection_ms"),
    "recovery_ms": _median_of("recovery_ms"),
}
STATISTICS: dict[str, Callable[[list[float]], float]] = {
    "min": min,
    "median": median,
    "p90": lambda values: quantile(values, 0.90),
    "p95": lambda values: quantile(values, 0.95),
    "p99": lambda values: quantile(values, 0.99),
    "max": max,
}
"""Of the values of one metric over all trials: ``p95(overhead_ms)``."""
METRICS = tuple(TrialMetrics.model_fields)
RATES = frozenset(
    {
        "attribution_accuracy", "attribution_lower_95", "confirmed_rate", "success_rate",
        "recovery_rate", "determinism_drift", "overhead_ratio", "plan_validity", "submit_accept_rate",
        "scenario_success", "recovery_success", "artifact_hash_match", "landed", "landed_at_first",
    }
)  # fmt: skip
"""The figures and metrics from 0 to 1, which can be written in percent."""


def statistic_of(statistic: str, metric: str) -> Figure:
    """The figure ``statistic(metric)``."""

    def figure(result: BenchmarkResult) -> float | None:
        known = known_values(result, metric)
        return STATISTICS[statistic](known) if known else None

    return figure
