"""``--execgo-fail-if``: conditions that fail a run whose trials all passed."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from pytest_execgo.errors import UsageError, unknown_name
from pytest_execgo.models.benchmark import BenchmarkResult

Figure = Callable[[BenchmarkResult], float | None]


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _counted(name: str) -> Figure:
    return lambda result: sum(getattr(cell, name) for cell in result.cells)


def _covered(name: str) -> Figure:
    return lambda r: sum(getattr(row, name) for row in r.coverage) if r.coverage else None


def _median_of(name: str) -> Figure:
    def figure(result: BenchmarkResult) -> float | None:
        values = [getattr(trial.metrics, name) for trial in result.trials]
        known = [float(value) for value in values if value is not None]
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
    cells = [cell.rates.recovery for cell in result.cells]
    return _share(sum(rate.count for rate in cells), sum(rate.of for rate in cells))


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
    "success_rate": lambda r: _share(
        sum(cell.passed for cell in r.cells), sum(cell.trials for cell in r.cells)
    ),
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
_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_FORM = re.compile(r"\s*([a-z_0-9]+)\s*(<=|>=|==|!=|<|>)\s*([0-9]+(?:\.[0-9]+)?)\s*")


@dataclass(frozen=True)
class Gate:
    """One condition, e.g. ``attribution_accuracy < 0.99``."""

    text: str
    figure: str
    operator: str
    number: float

    @classmethod
    def parse(cls, text: str) -> Gate:
        """Raises :class:`UsageError` for anything but FIGURE OPERATOR NUMBER."""
        found = _FORM.fullmatch(text)
        if found is None:
            raise UsageError(
                f"--execgo-fail-if {text!r}: expected FIGURE OPERATOR NUMBER, as in "
                "'attribution_accuracy < 0.99'"
            )
        name, sign, number = found.groups()
        if name not in FIGURES:
            raise UsageError(f"--execgo-fail-if: {unknown_name('figure', name, FIGURES)}")
        return cls(text.strip(), name, sign, float(number))

    def tripped(self, result: BenchmarkResult) -> str | None:
        """One line why this condition fails the run; ``None`` if it does not. A figure that the run
        does not have trips the gate, because a missing measurement proves nothing."""
        value = FIGURES[self.figure](result)
        if value is None:
            return f"{self.text}: the run has no {self.figure}"
        if _OPERATORS[self.operator](value, self.number):
            return f"{self.text}: it is {value:.6g}"
        return None
