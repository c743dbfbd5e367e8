"""``--execgo-fail-if``: conditions that fail a run whose trials all passed.

``FIGURE OPERATOR NUMBER``, ``STATISTIC(METRIC) OPERATOR NUMBER``, and for a run with a base to compare
with, ``METRIC drops NUMBER%`` and ``METRIC rises NUMBER%``.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import inf
from typing import NoReturn

from pytest_execgo.benchmark.change_gate import Direction, change_gate, gate_text
from pytest_execgo.benchmark.figures import (
    FIGURES,
    METRICS,
    RATES,
    STATISTICS,
    Figure,
    statistic_of,
)
from pytest_execgo.benchmark.paired import UNITS
from pytest_execgo.errors import UsageError, unknown_name
from pytest_execgo.models.benchmark import BenchmarkResult
from pytest_execgo.models.gate import GateRecord

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_TOKEN = re.compile(
    r"\s*(?:(?P<name>[A-Za-z_][A-Za-z_0-9]*)|(?P<number>[0-9]+(?:\.[0-9]+)?)|(?P<sign>[<>=!]=|[<>()%]))"
)
_FORM = "FIGURE OPERATOR NUMBER, as in 'attribution_accuracy < 0.99'"


@dataclass(frozen=True)
class Threshold:
    """A limit for one figure of a run."""

    text: str
    figure: str
    value: Figure
    operator: str
    number: float

    def judge(self, result: BenchmarkResult) -> GateRecord:
        """A figure that the run does not have blocks, because a missing measurement proves nothing."""
        value = self.value(result)
        if value is None:
            return GateRecord(
                expression=self.text, verdict="BLOCK", reason=f"the run has no {self.figure}"
            )
        holds = _OPERATORS[self.operator](value, self.number)
        return GateRecord(
            expression=self.text,
            verdict="BLOCK" if holds else "PASS",
            reason=f"it is {value:.6g}",
        )


@dataclass(frozen=True)
class ChangeLimit:
    """A limit for the change of one metric against a base."""

    text: str
    metric: str
    direction: Direction
    margin: float

    def judge(self, base: BenchmarkResult, new: BenchmarkResult) -> GateRecord:
        """Blocks only a change that is beyond the margin with all of its 95 % interval."""
        found = change_gate(base, new, self.metric, self.direction, self.margin)
        return GateRecord(expression=self.text, verdict=found.verdict, reason=gate_text(found))


Gate = Threshold | ChangeLimit


def judge(
    gates: Iterable[Gate], result: BenchmarkResult, base: BenchmarkResult | None
) -> Iterator[GateRecord]:
    """What each gate came to. One that needs a base is inconclusive without it."""
    for gate in gates:
        if isinstance(gate, Threshold):
            yield gate.judge(result)
        elif base is not None:
            yield gate.judge(base, result)
        else:
            yield not_judged(gate.text)


def gate_line(gate: GateRecord) -> str:
    """The condition and why it does or does not fail the run."""
    undecided = "undecided: " if gate.verdict == "INCONCLUSIVE" else ""
    return f"{gate.expression}: {undecided}{gate.reason}"


def not_judged(expression: str, reason: str = "not compared with another run yet") -> GateRecord:
    """The record of a gate before it is judged."""
    return GateRecord(expression=expression, verdict="INCONCLUSIVE", reason=reason)


def judge_again(gates: Iterable[GateRecord], result: BenchmarkResult) -> Iterator[GateRecord]:
    """The gates of a run in alphabetical order, judged by its result of today; those that need a base
    stay as they are."""
    for record in sorted(gates, key=lambda one: one.expression):
        gate = parse_gate(record.expression)
        yield gate.judge(result) if isinstance(gate, Threshold) else record


def check_base(gates: Iterable[Gate], base: BenchmarkResult | None) -> None:
    """Raise :class:`UsageError` if there is no base and a gate needs one."""
    for gate in gates:
        if isinstance(gate, ChangeLimit) and base is None:
            raise UsageError(
                f"--execgo-fail-if {gate.text!r}: it needs a run to compare with; "
                "name one with --execgo-compare RUN"
            )


def parse_gate(text: str, option: str = "--execgo-fail-if") -> Gate:
    """Raises :class:`UsageError` that names the option and the first character that is wrong."""
    return _Parser(text, option).gate()


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int


class _Parser:
    def __init__(self, text: str, option: str) -> None:
        self._text, self._option = text, option
        self._tokens = list(self._split())
        self._next = 0

    def gate(self) -> Gate:
        first = self._take("name", "the name of a figure")
        word = self._peek()
        if word.text == "(":
            figure, name = self._statistic(first)
            rated = name.partition("(")[2].rstrip(")")
        elif word.text in ("drops", "rises"):
            return self._change(first)
        elif first.text in FIGURES:
            figure, name = FIGURES[first.text], first.text
            rated = name
        else:
            self._refuse(first, unknown_name("figure", first.text, FIGURES))
        sign = self._take("sign", "an operator: <, <=, >, >=, == or !=")
        if sign.text not in _OPERATORS:
            self._refuse(sign, f"expected {_FORM}")
        number = self._number()
        if self._peek().text == "%":
            if rated not in RATES:
                self._refuse(self._peek(), f"{rated} is not a rate, so it has no percentage")
            self._next += 1
            number /= 100
        self._end()
        return Threshold(self._text.strip(), name, figure, sign.text, number)

    def _statistic(self, statistic: _Token) -> tuple[Figure, str]:
        if statistic.text not in STATISTICS:
            self._refuse(statistic, unknown_name("statistic", statistic.text, STATISTICS))
        self._take("sign", "(", text="(")
        metric = self._take("name", "the name of a metric")
        if metric.text not in METRICS:
            self._refuse(metric, unknown_name("metric", metric.text, METRICS))
        self._take("sign", ")", text=")")
        return statistic_of(statistic.text, metric.text), f"{statistic.text}({metric.text})"

    def _change(self, metric: _Token) -> ChangeLimit:
        if metric.text not in UNITS:
            self._refuse(metric, unknown_name("metric of a comparison", metric.text, UNITS))
        word = self._take("name", "drops or rises")
        start = self._peek()
        margin = self._number() / 100
        self._take("sign", "%", text="%")
        if not 0 <= margin < 1 and (word.text == "drops" or UNITS[metric.text] == "rate"):
            self._refuse(start, "expected a number below 100%")
        self._end()
        direction: Direction = "drops" if word.text == "drops" else "rises"
        return ChangeLimit(self._text.strip(), metric.text, direction, margin)

    def _number(self) -> float:
        token = self._take("number", "a number")
        number = float(token.text)
        if number == inf:
            self._refuse(token, "expected a smaller number")
        return number

    def _end(self) -> None:
        if self._peek().kind != "end":
            self._refuse(self._peek(), "expected the end")

    def _take(self, kind: str, expected: str, text: str | None = None) -> _Token:
        token = self._peek()
        if token.kind != kind or text not in (None, token.text):
            self._refuse(token, f"expected {expected}")
        self._next += 1
        return token

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _split(self) -> Iterator[_Token]:
        at = 0
        while self._text[at:].strip():
            found = _TOKEN.match(self._text, at)
            if found is None:
                start = at + len(self._text[at:]) - len(self._text[at:].lstrip())
                self._refuse(_Token("?", self._text[start], start), f"expected {_FORM}")
            kind = str(found.lastgroup)
            yield _Token(kind, found[kind], found.start(kind))
            at = found.end()
        yield _Token("end", "", len(self._text.rstrip()))

    def _refuse(self, token: _Token, why: str) -> NoReturn:
        what = f"{token.text!r} at character {token.start + 1}" if token.text else "its end"
        raise UsageError(f"{self._option} {self._text!r}: {what}: {why}")
