"""The attempts of a trial on disk.

``trials/<id>/`` is the record of the last attempt, ``trials/<id>/attempts/<k>/`` that of the earlier
attempt k. ``problem.json`` in a record says that the attempt did not end with its verdict.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Literal

from pytest_execgo.errors import UsageError
from pytest_execgo.files.writing import make_folder, write_model, writing
from pytest_execgo.models.benchmark import EarlierAttempt
from pytest_execgo.models.document import load
from pytest_execgo.models.trial import Cell, is_trial_id
from pytest_execgo.models.trial_result import TrialProblem, TrialResult

RESULT = "result.json"
PROBLEM = "problem.json"
TIMELINE = "timeline.jsonl"
_ATTEMPTS = "attempts"


def begin_attempt(folder: Path) -> int:
    """Set the record in the folder of a trial aside, if there is one.

    Returns the number, from 1, of the attempt that begins; raises :class:`HarnessError`.
    """
    number = 1 + max((int(path.name) for path in _earlier(folder)), default=0)
    if not has_record(folder):
        return number
    target = folder / _ATTEMPTS / str(number)
    make_folder(target)
    with writing(target):
        for path in sorted(folder.iterdir()):
            if path.name != _ATTEMPTS:
                path.rename(target / path.name)
    return number + 1


def has_record(folder: Path) -> bool:
    """Whether an attempt left something in the folder of a trial."""
    return any((folder / name).exists() for name in (TIMELINE, RESULT, PROBLEM))


def note_problem(folder: Path, state: Literal["error", "not_run"], reason: str) -> None:
    """Write ``problem.json``: the result beside it, if any, does not count. Of ``reason`` the first line
    is kept. Raises :class:`HarnessError`."""
    make_folder(folder)
    lines = reason.strip().splitlines()
    write_model(folder / PROBLEM, TrialProblem(state=state, reason=lines[0] if lines else "error"))


def read_problem(folder: Path) -> TrialProblem | None:
    """The problem in a record; one that cannot be read is an error, too."""
    path = folder / PROBLEM
    if not path.exists():
        return None
    try:
        return load(TrialProblem, path)
    except UsageError as error:
        return TrialProblem(state="error", reason=str(error))


def earlier_attempts(folder: Path) -> list[EarlierAttempt]:
    """The attempts that were followed by another one, of all trials in the folder of a run."""
    found = []
    for trial in sorted(folder.glob("trials/*")):
        if not is_trial_id(trial.name):
            continue
        paths = sorted(_earlier(trial), key=lambda path: int(path.name))
        found += [_attempt(trial.name, path) for path in paths]
    return found


def earlier_results(trial: Path) -> dict[int, TrialResult]:
    """The results of the earlier attempts of a trial, by their numbers; those that can be read.
    ``trial`` is its folder."""
    found = {}
    for path in _earlier(trial):
        with suppress(UsageError):
            if (path / RESULT).exists():
                found[int(path.name)] = load(TrialResult, path / RESULT)
    return dict(sorted(found.items()))


def _earlier(trial: Path) -> list[Path]:
    return [path for path in trial.glob(f"{_ATTEMPTS}/*") if path.name.isdecimal()]


def _attempt(trial_id: str, path: Path) -> EarlierAttempt:
    problem, result = read_problem(path), None
    if (path / RESULT).exists():
        try:
            result = load(TrialResult, path / RESULT)
        except UsageError as error:
            problem = problem or TrialProblem(state="error", reason=str(error))
    if problem is None and result is None:
        problem = TrialProblem(state="not_run", reason="interrupted")
    return EarlierAttempt(
        trial_id=trial_id,
        cell_id=Cell.of_trial(trial_id).cell_id,
        attempt=int(path.name),
        state=problem.state if problem else "finished",
        verdict=result.verdict.status if result else None,
        known_finding=result.known_finding.id if result and result.known_finding else None,
        reason=problem.reason if problem else result.verdict.outcome if result else "",
    )
