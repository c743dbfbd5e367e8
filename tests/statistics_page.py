"""Measures how often each interval of the reports contains the truth, and how often adaptive repetitions
decide wrongly, and writes the tables in docs/statistics.md: python -m tests.statistics_page"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from random import Random
from statistics import fmean

from tabulate import tabulate

from pytest_execgo.benchmark.adaptive import decision, looks
from pytest_execgo.benchmark.change_gate import difference_interval
from pytest_execgo.benchmark.intervals import clopper_pearson_lower, wilson
from pytest_execgo.benchmark.paired import PairedMetric
from pytest_execgo.benchmark.totals import over_scenarios, pass_hat_of_matrix
from pytest_execgo.models.totals import Estimate

PAGE = Path(__file__).parents[1] / "docs/statistics.md"
SIMULATIONS, OF_BOOTSTRAP = 3000, 500
MOST_REPETITIONS = 40
_LIMITS = (0.5, 0.8, 0.9, 0.95)
_RATES = (8, 2)
"""The parameters of the beta distribution of rates that differ between cells and scenarios."""


@dataclass(frozen=True)
class Share:
    """One row: how often something happened in simulations with data of this size."""

    name: str
    size: str
    share: float


Covers = Callable[[Random], bool | None]
"""One simulation; ``None`` if the data give no interval."""


def measured() -> Iterator[Share]:
    """The coverage of each interval."""
    for size in (5, 20, 100):
        data = f"{size} trials"
        yield _share("Wilson, two-sided", data, partial(_wilson, size))
        yield _share("Clopper-Pearson, lower bound", data, partial(_bound, size))
        yield _share("Newcombe, difference of two rates", data, partial(_difference, size))
    for cells, trials in ((1, 2), (1, 5), (2, 1), (20, 1), (20, 3)):
        name = "Student's t, ratio of times"
        data = (
            f"{cells} cell{'s' if cells > 1 else ''} of {trials} trial{'s' if trials > 1 else ''}"
        )
        yield _share(name, data, partial(_times, cells, trials))
    for cells, trials, k in ((36, 4, 2), (36, 10, 3), (95, 4, 2)):
        name = f"normal, pass^{k} over a fixed matrix"
        yield _share(name, f"{cells} cells of {trials} trials", partial(_matrix, cells, trials, k))
    for scenarios in (5, 10, 20):
        name = "bootstrap, success in new scenarios"
        covers = partial(_scenarios, scenarios, 5)
        yield _share(name, f"{scenarios} scenarios of 5 trials", covers, OF_BOOTSTRAP)


def wrong_decisions() -> Iterator[Share]:
    """How often ``auto:40`` finds that a rate differs from the limit that it equals."""
    for limit in _LIMITS:
        for found in ("met", "missed"):
            yield _share(found, f"{limit:.2f}", partial(_decides, limit, found))


def _share(name: str, size: str, covers: Covers, simulations: int = SIMULATIONS) -> Share:
    rng = Random(f"{name} {size}")
    found = [one for _ in range(simulations) if (one := covers(rng)) is not None]
    return Share(name, size, sum(found) / len(found))


def _passed(rng: Random, rate: float, size: int) -> int:
    return sum(rng.random() < rate for _ in range(size))


def _wilson(size: int, rng: Random) -> bool:
    rate = rng.uniform(0.5, 1)
    low, high = wilson(_passed(rng, rate, size), size)
    return low <= rate <= high


def _bound(size: int, rng: Random) -> bool:
    rate = rng.uniform(0.5, 1)
    return clopper_pearson_lower(_passed(rng, rate, size), size) <= rate


def _difference(size: int, rng: Random) -> bool:
    before, after = rng.uniform(0.5, 1), rng.uniform(0.5, 1)
    counts = [_passed(rng, rate, size) for rate in (before, after)]
    low, high = difference_interval(counts[0], size, counts[1], size)
    return low <= after - before <= high


def _times(cells: int, trials: int, rng: Random) -> bool | None:
    """Nothing changed; the logarithms of times have the same spread in all cells."""

    def drawn() -> list[float]:
        return [rng.gauss(0, 0.3) for _ in range(trials)]

    metric = PairedMetric("wall_time_ms", "ms", tuple((drawn(), drawn()) for _ in range(cells)))
    found = metric.interval()
    return None if found is None else found[0] <= 0 <= found[1]


@cache
def _rates_of_cells(count: int) -> tuple[float, ...]:
    """The same rates in every simulation: the matrix is fixed."""
    rng = Random(count)
    return tuple(rng.betavariate(*_RATES) for _ in range(count))


def _matrix(cells: int, trials: int, k: int, rng: Random) -> bool | None:
    rates = _rates_of_cells(cells)
    counts = [(_passed(rng, rate, trials), trials) for rate in rates]
    return _contains(pass_hat_of_matrix(counts, k), fmean(rate**k for rate in rates))


def _scenarios(count: int, trials: int, rng: Random) -> bool | None:
    rates = [rng.betavariate(*_RATES) for _ in range(count)]
    shares = [_passed(rng, rate, trials) / trials for rate in rates]
    return _contains(over_scenarios(shares), _RATES[0] / sum(_RATES))


def _contains(found: Estimate | None, truth: float) -> bool | None:
    if found is None or found.low is None or found.high is None:
        return None
    return found.low <= truth <= found.high


_decision = cache(decision)


def _decides(limit: float, wrong: str, rng: Random) -> bool:
    passed = of = 0
    for count in looks(MOST_REPETITIONS):
        passed += _passed(rng, limit, count - of)
        of = count
        found = _decision(passed, of, limit)
        if found is not None:
            return found == wrong
    return False


def updated(text: str, coverage: list[Share], decisions: list[Share]) -> str:
    """The page with the measured tables."""
    text = _with_table(text, "coverage", ("interval", "data", "contains the truth"), coverage)
    return _with_table(text, "decisions", ("decision", "limit and true rate", "share"), decisions)


def _with_table(text: str, name: str, headers: tuple[str, ...], shares: list[Share]) -> str:
    rows = [[one.name, one.size, f"{one.share * 100:.1f} %"] for one in shares]
    table = tabulate(rows, headers, tablefmt="github", disable_numparse=True)
    begin = f"<!-- {name}: written by python -m tests.statistics_page -->\n"
    end = f"<!-- end of {name} -->"
    before, _, rest = text.partition(begin)
    return f"{before}{begin}\n{table}\n\n{end}{rest.partition(end)[2]}"


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text(), list(measured()), list(wrong_decisions())))
