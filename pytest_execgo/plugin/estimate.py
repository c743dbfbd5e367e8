"""How many trials a run would have, and how long it may take."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from statistics import median

import pytest

from pytest_execgo.errors import UsageError
from pytest_execgo.models.project import RunEstimate
from pytest_execgo.plugin.collection import TrialItem
from pytest_execgo.plugin.invoke import run_pytest
from pytest_execgo.plugin.options import LATEST
from pytest_execgo.plugin.places import reports_folder
from pytest_execgo.plugin.state import PluginState
from pytest_execgo.run.shards import Weights

_RESULT = "benchmark.json"
_MOST_RUNS = 20
"""A run that is older says little about the next one."""


class RunEstimator:
    """A pytest plugin for ``--collect-only`` that keeps the estimate of the trials that are selected."""

    def __init__(self) -> None:
        self.found: RunEstimate | None = None

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Estimate the trials that remain after ``-k`` and ``-m``."""
        state = PluginState.of(session.config)
        cells = [item.trial.cell.cell_id for item in session.items if isinstance(item, TrialItem)]
        workers = session.config.getoption("numprocesses", None) or 1
        measured_in, known = _newest_times(reports_folder(session.config))
        seconds = None
        if known and cells:
            other = median(known.values())
            total = sum(known.get(cell, other) for cell in cells) / 1000
            seconds = total / min(workers, len(cells))
        self.found = RunEstimate(
            trials=len(cells),
            not_applicable=tuple(state.matrix.not_applicable()),
            seconds=None if seconds is None else round(seconds, 1),
            measured=sum(cell in known for cell in cells),
            measured_in=measured_in,
        )


def estimate_run(args: list[str]) -> tuple[int, RunEstimate | None]:
    """The exit code of pytest, and the estimate of a run with these arguments; ``None`` if its trials
    cannot be collected."""
    estimator = RunEstimator()
    status, _ = run_pytest(
        ["--collect-only", "-q", *args], events_to_stdout=False, quiet_stdout=False,
        plugins=[estimator],
    )  # fmt: skip
    collected = status in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    return status, estimator.found if collected else None


def _newest_times(reports: Path) -> tuple[str | None, dict[str, float]]:
    """The newest run that has results, and the time of each of its cells in milliseconds."""
    results = sorted(reports.glob(f"*/{_RESULT}"), key=lambda path: path.stat().st_mtime)
    for path in reversed(results[-_MOST_RUNS:]):
        # reports/latest is a link to one of them.
        if path.parent.name != LATEST:
            with suppress(UsageError):
                known = dict(Weights.read(path).milliseconds)
                if known:
                    return path.parent.name, known
    return None, {}
