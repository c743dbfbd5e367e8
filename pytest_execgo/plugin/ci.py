"""Shows the run where a CI system shows results: on GitHub Actions, in the summary of the job and as
annotations."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from pytest_execgo.benchmark.reports.github import annotation_lines, step_summary
from pytest_execgo.errors import HarnessError
from pytest_execgo.files.writing import append_text
from pytest_execgo.models.benchmark import BenchmarkResult

SUMMARY = "GITHUB_STEP_SUMMARY"


def show_on_github(
    reporter: pytest.TerminalReporter, result: BenchmarkResult, environment: Mapping[str, str]
) -> None:
    """Do nothing elsewhere. A summary that cannot be written does not fail the run."""
    if environment.get("GITHUB_ACTIONS") != "true":
        return
    for line in annotation_lines(result):
        # The command must begin a line of its own, without colours.
        reporter.ensure_newline()
        reporter.write(f"{line}\n")
    place = environment.get(SUMMARY)
    if place:
        try:
            append_text(Path(place), step_summary(result))
        except HarnessError as error:
            reporter.write_line(f"{SUMMARY}: {error}", yellow=True)
