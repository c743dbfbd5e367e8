"""How many trials a run would have, and how long it may take."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import pytest

from pytest_execgo.errors import UsageError
from pytest_execgo.models.project import RunEstimate
from pytest_execgo.plugin.collection import TrialItem
from pytest_execgo.plugin.options import LATEST
from pytest_execgo.plugin.places import reports_folder
from pytest_execgo.plugin.state import PluginState
from pytest_execgo.run.shards import Weights

_RESULT = "benchmark.json"


class RunEstimator:
    """A pytest plugin for ``--collect-only`` that keeps the estimate of the trials that are selected."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self.found: RunEstimate | None = None

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Estimate the trials that remain after ``-k`` and ``-m``."""
        state = PluginState.of(session.config)
        cells = [item.trial.cell.cell_id for item in session.items if isinstance(item, TrialItem)]
        earlier = reports_folder(session.config) / LATEST / _RESULT
        known = _times(earlier)
        seconds = None
        if known and cells:
            other = median(known.values())
            seconds = (
                sum(known.get(cell, other) for cell in cells)
                / 1000
                / min(self._workers, len(cells))
            )
        self.found = RunEstimate(
            trials=len(cells),
            not_applicable=tuple(state.matrix.not_applicable()),
            seconds=None if seconds is None else round(seconds, 1),
            measured=sum(cell in known for cell in cells),
            measured_in=earlier.parent.resolve().name if known else None,
        )


def _times(path: Path) -> dict[str, float]:
    """The time of each cell of an earlier run, in milliseconds; empty without a run that can be read."""
    try:
        return dict(Weights.read(path).milliseconds) if path.is_file() else {}
    except UsageError:
        return {}
