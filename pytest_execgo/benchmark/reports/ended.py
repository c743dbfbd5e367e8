"""The trials of a run as CI systems see tests: each planned trial once, with its end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from pytest_execgo.benchmark.reports.failure_text import failure_text
from pytest_execgo.models.benchmark import BenchmarkResult, EarlierAttempt
from pytest_execgo.models.trial import Cell
from pytest_execgo.models.trial_result import TrialResult

End = Literal["passed", "failed", "error", "skipped", "not_run"]


@dataclass(frozen=True)
class EndedTrial:
    """One trial. ``message`` is one line, ``text`` the explanation; both are empty for a trial that
    passed. ``result`` is absent for a trial without a result that counts. ``earlier``: its attempts
    before this one."""

    trial_id: str
    cell: Cell
    end: End
    message: str = ""
    text: str = ""
    result: TrialResult | None = None
    earlier: list[EarlierAttempt] = field(default_factory=list)

    @property
    def record(self) -> str:
        """The folder of its record, relative to that of the run."""
        return f"trials/{self.trial_id}"

    @property
    def name(self) -> str:
        """As in the pytest id: ``<framework>-<mode>-<chaos>-r<k>``."""
        return self.trial_id.removeprefix(f"{self.cell.scenario}-")


def ended_trials(result: BenchmarkResult) -> Iterator[EndedTrial]:
    """All trials of a run in the order of their ids. A failure that a known finding explains counts as
    skipped, as in pytest."""
    attempts: dict[str, list[EarlierAttempt]] = defaultdict(list)
    for attempt in result.attempts:
        attempts[attempt.trial_id].append(attempt)
    found = [*_finished(result), *_unfinished(result)]
    for one in sorted(found, key=lambda one: one.trial_id):
        one.earlier.extend(attempts[one.trial_id])
        yield one


def _finished(result: BenchmarkResult) -> Iterator[EndedTrial]:
    for trial in result.trials:
        cell = Cell.parse(trial.cell_id)
        if trial.verdict.status == "passed":
            yield EndedTrial(trial.trial_id, cell, "passed", result=trial)
            continue
        text = failure_text(trial, f"trials/{trial.trial_id}")
        if trial.known_finding:
            message = f"engine finding {trial.known_finding.id}: {trial.known_finding.reason}"
            yield EndedTrial(trial.trial_id, cell, "skipped", message, text, trial)
        else:
            yield EndedTrial(trial.trial_id, cell, "failed", trial.verdict.headline, text, trial)


def _unfinished(result: BenchmarkResult) -> Iterator[EndedTrial]:
    for one in result.unfinished:
        end: End = "skipped" if one.state in ("skipped", "not_needed") else "not_run"
        if one.state == "error":
            end = "error"
        yield EndedTrial(one.trial_id, Cell.parse(one.cell_id), end, one.reason)
