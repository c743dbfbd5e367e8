"""Shows how far a run is: a live line on a terminal, lines in the log of a CI job, nothing elsewhere."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from pytest_execgo.models.trial import Cell
from pytest_execgo.plugin import terminal
from pytest_execgo.plugin.live_line import BottomLine, LiveLine, PlainLines, TrialCounts


class ProgressDisplay:
    """For the trials of one run; shows nothing with ``-q``."""

    def __init__(self, config: pytest.Config, total: int, trials: Path) -> None:
        """``total``: planned trials; ``trials``: the folder of their folders."""
        self._counts = TrialCounts(total, trials)
        self._live: LiveLine | None = None
        self._plain: PlainLines | None = None
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        # Without pytest's own plugin for the terminal, there is no -q either.
        if reporter is None or config.option.verbose < 0:
            return
        if terminal.NAME:
            with suppress(OSError):
                self._live = LiveLine(BottomLine(terminal.NAME), self._counts)
        elif "CI" in os.environ:

            def write(line: str) -> None:
                reporter.ensure_newline()
                reporter.write_line(line)

            self._plain = PlainLines(self._counts, write)

    def started(self, trial_id: str) -> None:
        cell = Cell.of_trial(trial_id)
        self._counts.started(trial_id, f"{cell.scenario} × {cell.chaos}")

    def ended(self, trial_id: str) -> None:
        self._counts.ended(trial_id)
        if self._plain is not None:
            self._plain.trial_ended()

    def close(self) -> None:
        """Give the whole terminal back."""
        if self._live is not None:
            self._live.close()
            self._live = None
