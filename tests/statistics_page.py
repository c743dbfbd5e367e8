"""Measures how often each interval of the reports contains the truth, and writes the table in
docs/statistics.md: python -m tests.statistics_page"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tabulate import tabulate

from pytest_execgo.benchmark.change_gate import difference_interval
from pytest_execgo.benchmark.intervals import clopper_pearson_lower, wilson

PAGE = Path(__file__).parents[1] / "docs/statistics.md"
SIMULATIONS = 3000
_BEGIN, _END = "<!-- coverage: written by python -m tests.statistics_page -->\n", "<!-- end -->"
_SIZES = (5, 20, 100)


@dataclass(frozen=True)
class Coverage:
    """How often an interval contained the truth, of ``SIMULATIONS`` with ``size`` trials each."""

    name: str
    size: int
    share: float


def measured() -> Iterator[Coverage]:
    """The coverage of each interval, for rates drawn evenly from 0.5 to 1."""
    checks: dict[str, Callable[[Random, int], bool]] = {
        "Wilson, two-sided": _wilson_covers,
        "Clopper-Pearson, lower bound": _bound_covers,
        "Newcombe, difference of two rates": _difference_covers,
    }
    for name, covers in checks.items():
        for size in _SIZES:
            rng = Random(f"{name} {size}")
            covered = sum(covers(rng, size) for _ in range(SIMULATIONS))
            yield Coverage(name, size, covered / SIMULATIONS)


def _passed(rng: Random, rate: float, size: int) -> int:
    return sum(rng.random() < rate for _ in range(size))


def _wilson_covers(rng: Random, size: int) -> bool:
    rate = rng.uniform(0.5, 1)
    low, high = wilson(_passed(rng, rate, size), size)
    return low <= rate <= high


def _bound_covers(rng: Random, size: int) -> bool:
    rate = rng.uniform(0.5, 1)
    return clopper_pearson_lower(_passed(rng, rate, size), size) <= rate


def _difference_covers(rng: Random, size: int) -> bool:
    before, after = rng.uniform(0.5, 1), rng.uniform(0.5, 1)
    counts = [_passed(rng, rate, size) for rate in (before, after)]
    low, high = difference_interval(counts[0], size, counts[1], size)
    return low <= after - before <= high


def updated(text: str, found: list[Coverage]) -> str:
    """The page with the measured table."""
    rows = [[one.name, one.size, f"{one.share * 100:.1f} %"] for one in found]
    headers = ["interval", "trials", "contains the truth"]
    table = tabulate(rows, headers, tablefmt="github", disable_numparse=True)
    before, _, rest = text.partition(_BEGIN)
    return f"{before}{_BEGIN}\n{table}\n\n{_END}{rest.partition(_END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text(), list(measured())))
