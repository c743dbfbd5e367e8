"""Leaves out the trials of cells whose success rate is decided (``--execgo-repetitions auto:N``)."""

from __future__ import annotations

import pytest

from pytest_execgo.benchmark.adaptive import decided_after, earlier_trials, limits_of
from pytest_execgo.benchmark.attempts import PROBLEM, RESULT
from pytest_execgo.errors import UsageError
from pytest_execgo.models.document import load
from pytest_execgo.models.trial import Trial
from pytest_execgo.models.trial_result import TrialResult
from pytest_execgo.plugin.state import PluginState


class NotNeeded(pytest.skip.Exception):  # type: ignore[name-defined,misc]
    """The trial would not change what is known of its cell."""


class AdaptiveRepetitions:
    """Decides before each trial whether its cell needs it, from the results in the folder of the run:
    other workers write there as well."""

    def __init__(self, state: PluginState) -> None:
        """Raises :class:`UsageError` if no gate has a limit for the success rate."""
        self._state = state
        self._limits = limits_of(state.all_gates)
        self._most = state.request.repetitions
        self._ended: dict[str, bool | None] = {}
        if not self._limits:
            raise UsageError(
                f"--execgo-repetitions auto:{self._most}: it needs a limit for the success rate, as in "
                "--execgo-fail-if 'success_rate < 0.9'"
            )

    def check(self, trial: Trial) -> None:
        """Raises :class:`NotNeeded` for a trial of a cell that is decided."""
        passed = []
        for trial_id in earlier_trials(trial, self._state.own_trials):
            if not self._has_ended(trial_id):
                break
            passed.append(self._ended[trial_id])
        after = decided_after(passed, self._limits, self._most)
        if after is not None:
            raise NotNeeded(f"the cell is decided after {after} trials")

    def _has_ended(self, trial_id: str) -> bool:
        """Whether a trial has ended; keeps whether it passed."""
        if trial_id in self._ended:
            return True
        folder = self._state.run.trial_folder(trial_id)
        if (folder / PROBLEM).exists():
            self._ended[trial_id] = None
        elif (folder / RESULT).exists():
            try:
                self._ended[trial_id] = _passed(load(TrialResult, folder / RESULT))
            except UsageError:
                self._ended[trial_id] = None
        return trial_id in self._ended


def _passed(result: TrialResult) -> bool | None:
    """``None``: it does not count, because a known finding explains its failure."""
    return None if result.known_finding else result.verdict.status == "passed"
