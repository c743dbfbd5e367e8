"""``--execgo-repetitions auto:N``: more trials only for cells whose success rate is not decided yet.

A cell is looked at after 5, 10, 20, 40, … trials. It is decided if the Clopper-Pearson interval of its
success rate lies above all limits of the gates, or below one of them. Each bound holds with 97.5 %, so
that all looks together find a rate that equals the limit to be above it in at most 5 % of the cells, and
below it in at most 5 %: docs/statistics.md has the figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from pytest_execgo.benchmark.gates import Gate, Threshold, parse_gate
from pytest_execgo.benchmark.intervals import clopper_pearson_lower
from pytest_execgo.models.benchmark import BenchmarkResult
from pytest_execgo.models.trial import Trial

_FIRST_LOOK = 5
_CONFIDENCE = 0.975
_FIGURE = "success_rate"

Decision = Literal["met", "missed"]


def limits_of(gates: Iterable[Gate]) -> tuple[float, ...]:
    """The success rates that the gates ask for."""
    return tuple(
        gate.number
        for gate in gates
        if isinstance(gate, Threshold) and gate.figure == _FIGURE and gate.operator in ("<", "<=")
    )


def looks(most: int) -> Iterator[int]:
    """After how many trials a cell is looked at."""
    count = _FIRST_LOOK
    while count < most:
        yield count
        count *= 2
    yield most


def decision(passed: int, of: int, limit: float) -> Decision | None:
    """Whether the interval of a success rate lies above the limit, or below it."""
    if of and clopper_pearson_lower(passed, of, _CONFIDENCE) >= limit:
        return "met"
    if of and 1 - clopper_pearson_lower(of - passed, of, _CONFIDENCE) < limit:
        return "missed"
    return None


def decided_after(passed: Sequence[bool | None], limits: Sequence[float], most: int) -> int | None:
    """After how many trials a cell was decided; ``None`` if it is not decided yet.

    ``passed`` holds its trials in their order, up to the first one that has not ended; ``None`` for one
    that does not count: one that ended in a harness error, or that a known finding explains.
    """
    for count in looks(most):
        if count > len(passed):
            return None
        known = [one for one in passed[:count] if one is not None]
        if _is_decided([decision(sum(known), len(known), limit) for limit in limits]):
            return count
    return None


def _is_decided(found: Sequence[Decision | None]) -> bool:
    return "missed" in found or None not in found


def spend_line(result: BenchmarkResult) -> str:
    """How many trials a run with adaptive repetitions needed; empty for another run."""
    if not result.request.adaptive:
        return ""
    ran = len(result.trials)
    spared = sum(one.state == "not_needed" for one in result.unfinished)
    limits = limits_of(parse_gate(gate.expression) for gate in result.gates)
    cells = [cell for cell in result.cells if cell.trials]
    decided = sum(
        _is_decided([decision(cell.passed, cell.rates.success.of, limit) for limit in limits])
        for cell in cells
    )
    return (
        f"repetitions auto:{result.request.repetitions}: {ran} trials instead of {ran + spared}; "
        f"{decided} of {len(cells)} cells decided"
    )


def earlier_trials(trial: Trial, own: Iterable[str] | None) -> list[str]:
    """The ids of the trials of the same cell that come before this one; ``own``: the trials of the
    shard."""
    ids = [f"{trial.cell.cell_id}-r{k}" for k in range(trial.repetition)]
    if own is None:
        return ids
    wanted = set(own)
    return [one for one in ids if one in wanted]
