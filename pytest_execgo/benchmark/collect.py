"""What a run left in its folder, read without pytest: the input of :mod:`.aggregate`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pytest_execgo.errors import UsageError
from pytest_execgo.models.benchmark import (
    BenchmarkRunRequest,
    ControlRecord,
    Environment,
    TrialResult,
    UnfinishedState,
    UnfinishedTrial,
)
from pytest_execgo.models.document import load, shown
from pytest_execgo.models.trial import Cell

MissingOutcome = tuple[Literal["error", "skipped"], str]
"""Why a trial has no result: a harness error or a skip, and the reason in words."""


@dataclass(frozen=True)
class RecordedRun:
    """The documents of one run: ``request.json``, ``environment.json``, and one file for each finished
    trial and each control.

    ``damaged`` maps the folder names of trials whose ``result.json`` cannot be used to the reason, one
    line that names the file.
    """

    run_id: str
    request: BenchmarkRunRequest
    environment: Environment
    trials: tuple[TrialResult, ...]
    controls: tuple[ControlRecord, ...]
    damaged: Mapping[str, str]


def collect(folder: Path) -> RecordedRun:
    """Read the folder of a run; its name is the run's id.

    Raises :class:`UsageError`, one line that names the file, for a document other than a result that is
    missing, cannot be read or is not valid.
    """
    trials, damaged = read_results(folder)
    return RecordedRun(
        run_id=folder.name,
        request=load(BenchmarkRunRequest, folder / "request.json"),
        environment=load(Environment, folder / "environment.json"),
        trials=trials,
        controls=_controls(folder),
        damaged=damaged,
    )


def read_results(folder: Path) -> tuple[tuple[TrialResult, ...], dict[str, str]]:
    """The results of the finished trials of a run, in the order of their folders, and the reasons why
    other results cannot be used (``RecordedRun.damaged``)."""
    results, damaged = [], {}
    for path in sorted(folder.glob("trials/*/result.json")):
        try:
            result = load(TrialResult, path)
            _check_place(result, path)
        except UsageError as error:
            damaged[path.parent.name] = str(error)
        else:
            results.append(result)
    return tuple(results), damaged


def _check_place(result: TrialResult, path: Path) -> None:
    if result.trial_id != path.parent.name:
        raise UsageError(
            f"{shown(path)}: trial_id: {result.trial_id!r} is not the name of its folder, "
            f"{path.parent.name!r}: the file belongs to another trial"
        )


def _controls(folder: Path) -> tuple[ControlRecord, ...]:
    """The controls that ran, and those that could not run and were not run later.

    The trials that such a control belongs to end in an error. A resumed run repeats them, and their
    control with them.
    """
    found = [load(ControlRecord, path) for path in sorted(folder.glob("controls/*/control.json"))]
    ran = {record.name for record in found if record.ran}
    return tuple(record for record in found if record.ran or record.name not in ran)


def unfinished(
    folder: Path,
    planned: Iterable[str],
    outcomes: Mapping[str, MissingOutcome],
    damaged: Mapping[str, str],
) -> list[UnfinishedTrial]:
    """The ``planned`` trials that have no result on disk, or a ``damaged`` one, in their order.

    ``planned`` are trial ids, and the keys of ``outcomes``. Of a reason with several lines, the last
    line is kept. A trial without an outcome was not run; if it had begun, the reason names its folder.
    """
    missing = []
    for trial_id in planned:
        trial_folder = folder / "trials" / trial_id
        state: UnfinishedState
        if trial_id in damaged:
            state, reason = "error", damaged[trial_id]
        elif (trial_folder / "result.json").exists():
            continue
        else:
            state, reason = outcomes.get(trial_id, ("not_run", _not_run(trial_folder)))
        lines = reason.strip().splitlines()
        missing.append(
            UnfinishedTrial(
                trial_id=trial_id,
                cell_id=Cell.of_trial(trial_id).cell_id,
                state=state,
                reason=lines[-1] if lines else state,
            )
        )
    return missing


def _not_run(trial_folder: Path) -> str:
    if (trial_folder / "timeline.jsonl").exists():
        return f"interrupted; its record is in trials/{trial_folder.name}"
    return "the run ended before this trial began"
