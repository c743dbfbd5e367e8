"""What a run left in its folder, read without pytest: the input of :mod:`.aggregate`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_execgo.benchmark.attempts import PROBLEM, RESULT, earlier_attempts, read_problem
from pytest_execgo.errors import UsageError
from pytest_execgo.models.benchmark import ControlRecord, EarlierAttempt, UnfinishedTrial
from pytest_execgo.models.document import load, shown
from pytest_execgo.models.environment import Environment
from pytest_execgo.models.request import BenchmarkRunRequest
from pytest_execgo.models.run_record import UnfinishedState
from pytest_execgo.models.trial import Cell, is_trial_id
from pytest_execgo.models.trial_result import TrialResult
from pytest_execgo.models.verdict import VerdictStatus

MissingOutcome = tuple[UnfinishedState, str]
"""Why a trial has no result that counts, and the reason in words."""


@dataclass(frozen=True)
class RecordedRun:
    """The documents of one run: ``request.json``, ``environment.json``, and one file for each finished
    trial and each control.

    ``damaged`` maps the folder names of trials whose ``result.json`` cannot be used to the reason, one
    line that names the file. ``attempts`` are those that were followed by another attempt.
    """

    run_id: str
    request: BenchmarkRunRequest
    environment: Environment
    trials: tuple[TrialResult, ...]
    controls: tuple[ControlRecord, ...]
    damaged: Mapping[str, str]
    attempts: tuple[EarlierAttempt, ...]


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
        attempts=tuple(earlier_attempts(folder)),
    )


def read_results(folder: Path) -> tuple[tuple[TrialResult, ...], dict[str, str]]:
    """The results of the finished trials of a run, in the order of their folders, and the reasons why
    other results cannot be used (``RecordedRun.damaged``). A result beside a ``problem.json`` is
    neither."""
    results, damaged = [], {}
    for path in sorted(folder.glob(f"trials/*/{RESULT}")):
        if (path.parent / PROBLEM).exists():
            continue
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
    """The ``planned`` trials without a result that counts, in their order, then other trials whose
    record has a problem.

    ``planned`` are trial ids, and the keys of ``outcomes``. Of a reason with several lines, the last
    line is kept. A trial without an outcome was not run; if it had begun, the reason names its folder.
    """
    missing = []
    problems = sorted(path.parent.name for path in folder.glob(f"trials/*/{PROBLEM}"))
    for trial_id in dict.fromkeys((*planned, *filter(is_trial_id, problems))):
        found = _missing(folder / "trials" / trial_id, outcomes.get(trial_id), damaged)
        if found is None:
            continue
        state, reason = found
        lines = reason.strip().splitlines()
        missing.append(
            UnfinishedTrial(
                trial_id=trial_id,
                cell_id=Cell.of_trial(trial_id).cell_id,
                state=state,
                reason=lines[-1] if lines else state,
                verdict=_verdict(folder / "trials" / trial_id / RESULT),
            )
        )
    return missing


def _missing(
    trial_folder: Path, outcome: MissingOutcome | None, damaged: Mapping[str, str]
) -> MissingOutcome | None:
    """Why a trial has no result that counts; ``None`` if it has one."""
    if trial_folder.name in damaged:
        return "error", damaged[trial_folder.name]
    problem = read_problem(trial_folder)
    if problem is not None:
        return problem.state, problem.reason
    if (trial_folder / RESULT).exists():
        # A problem that could not be written. A skip in a teardown is none.
        return outcome if outcome and outcome[0] == "error" else None
    return outcome or ("not_run", _not_run(trial_folder))


def _verdict(path: Path) -> VerdictStatus | None:
    if not path.exists():
        return None
    try:
        return load(TrialResult, path).verdict.status
    except UsageError:
        return None


def _not_run(trial_folder: Path) -> str:
    if (trial_folder / "timeline.jsonl").exists():
        return f"interrupted; its record is in trials/{trial_folder.name}"
    return "the run ended before this trial began"
