"""Writes the reports of a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pytest_execgo.benchmark.reports.base import ReportFormat
from pytest_execgo.benchmark.reports.json_report import JsonReport
from pytest_execgo.benchmark.run_trace import TRACE, run_trace
from pytest_execgo.benchmark.viewer.page import (
    DEFAULT_BUDGET_MIB,
    PAGE,
    RunWithRecords,
    index_html,
)
from pytest_execgo.errors import HarnessError, UsageError, checked_return
from pytest_execgo.files.writing import write_text
from pytest_execgo.models.benchmark import BenchmarkResult
from pytest_execgo.models.document import load


def write_reports(
    folder: Path,
    result: BenchmarkResult,
    formats: Mapping[str, ReportFormat],
    html_budget_mib: float = DEFAULT_BUDGET_MIB,
) -> list[str]:
    """Write every format, ``trace.json`` and ``index.html``; returns one line for each that failed. A
    format that fails does not stop the others."""
    failures = []
    for name, format_ in formats.items():
        try:
            text = checked_return(format_.render(result), str, "render()")
            write_text(folder / name, text)
        except HarnessError as error:
            failures.append(str(error))
        except Exception as error:
            # A format may be an extension's code and raise anything.
            failures.append(f"{name}: {type(error).__name__}: {error}")
    try:
        write_text(folder / TRACE, run_trace(folder, result))
        others, problems = _compared_with(folder, result)
        failures += problems
        write_text(folder / PAGE, index_html(folder, result, html_budget_mib, others))
    except HarnessError as error:
        failures.append(str(error))
    return failures


def _compared_with(
    folder: Path, result: BenchmarkResult
) -> tuple[tuple[RunWithRecords, ...], list[str]]:
    """The base of the run's comparison, if it is a run beside this one, and a line if it cannot be
    read."""
    if result.comparison is None:
        return (), []
    place = folder.resolve().parent / result.comparison.base
    if place.name != result.comparison.base or not (place / JsonReport.filename).is_file():
        return (), []
    try:
        base = load(BenchmarkResult, place / JsonReport.filename)
    except UsageError as error:
        return (), [f"the details of the base are not in {PAGE}: {error}"]
    return (RunWithRecords(place, base, result.comparison),), []
