"""The parts of ``benchmark.md`` about rates: of each cell, and over all cells."""

from __future__ import annotations

from collections.abc import Iterator

from tabulate import tabulate

from pytest_execgo.benchmark.reports.table import duration, markdown_table
from pytest_execgo.models.benchmark import BenchmarkResult
from pytest_execgo.models.totals import Bracket, Estimate


def rates_section(result: BenchmarkResult) -> Iterator[str]:
    """Success and consistency of each cell with repetitions."""
    repeated = [cell for cell in result.cells if cell.rates.success.of > 1]
    if not repeated:
        return
    yield "## Rates over repetitions"
    yield ""
    rows = []
    for cell in repeated:
        success, k = cell.rates.success, str(max(map(int, cell.rates.pass_hat)))
        rows.append(
            [
                cell.cell_id,
                f"{success.value:.2f} [{success.low:.2f}, {success.high:.2f}]",
                f"pass@{k} {cell.rates.pass_at[k]:.2f}",
                f"pass^{k} {cell.rates.pass_hat[k]:.2f}",
                f"{cell.rates.determinism_drift:.2f}",
            ]
        )
    headers = ["cell", "success (Wilson 95 %)", "at least one", "all", "drift"]
    yield tabulate(rows, headers, tablefmt="github", disable_numparse=True)
    yield ""


def totals_section(result: BenchmarkResult) -> Iterator[str]:
    """The estimates over all cells."""
    found = result.totals
    if found is None or not result.trials:
        return
    rows = [
        [name, _bracket(bracket)]
        for name, bracket in (
            ("success", found.success),
            ("recovery", found.recovery),
            ("landing", found.landing),
        )
        if bracket.errors_dropped is not None
    ]
    rows += [[f"pass^{k}, mean of the cells", _interval(one)] for k, one in found.pass_hat.items()]
    if found.new_scenarios:
        rows.append(["success, mean of the scenarios", _interval(found.new_scenarios)])
    time = found.recovery_time
    if time.trials:
        median = "more than half never recovered"
        if time.median_ms is not None:
            median = f"median {duration(time.median_ms)}"
        rows.append(["time to recovery", f"{median} ({time.recovered}/{time.trials} recovered)"])
    yield "## Over all cells"
    yield ""
    yield markdown_table(rows, ["estimate", "value"])
    yield ""


def _bracket(bracket: Bracket) -> str:
    """The two values if harness errors make a difference, else one."""
    values = [bracket.errors_fail, bracket.errors_dropped]
    texts = [f"{value:.3f}" for value in dict.fromkeys(values) if value is not None]
    return " … ".join(texts)


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"
