"""Reading a run's folder without pytest: trials, controls, and trials without a result."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_execgo.benchmark.attempts import begin_attempt, note_problem
from pytest_execgo.benchmark.collect import collect, unfinished
from pytest_execgo.errors import UsageError
from pytest_execgo.models.request import BenchmarkRunRequest
from tests.results import ENVIRONMENT, trial

CONTROL = {"name": "must_pass", "expected": "passed", "got": "passed", "ok": True, "ran": True}
NOT_RUN = {**CONTROL, "got": "no fleet", "ok": False, "ran": False}
TRIAL = "s-my-framework-live-none-r0"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a run without trials."""
    folder = tmp_path / "run7"
    folder.mkdir()
    (folder / "request.json").write_text(BenchmarkRunRequest(seed=7).model_dump_json())
    (folder / "environment.json").write_text(ENVIRONMENT.model_dump_json())
    return folder


def add_trial(folder: Path, repetition: int) -> Path:
    result = trial(repetition)
    path = folder / "trials" / result.trial_id / "result.json"
    path.parent.mkdir(parents=True)
    path.write_text(result.model_dump_json())
    return path


def add_control(folder: Path, name: str, record: dict[str, Any]) -> None:
    path = folder / "controls" / name / "control.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(record))


def test_a_run_is_read_from_its_folder(folder: Path) -> None:
    add_trial(folder, 1)
    add_trial(folder, 0)
    add_control(folder, "must_pass-1", CONTROL)
    record = collect(folder)
    assert (record.run_id, record.request.seed) == ("run7", 7)
    assert record.environment == ENVIRONMENT
    assert [result.repetition for result in record.trials] == [0, 1]
    assert [control.name for control in record.controls] == ["must_pass"]


def test_a_control_that_ran_later_replaces_one_that_could_not_run(folder: Path) -> None:
    add_control(folder, "must_pass-1", NOT_RUN)
    assert [control.ran for control in collect(folder).controls] == [False]
    add_control(folder, "must_pass-2", CONTROL)
    add_control(folder, "must_fail-2", {**NOT_RUN, "name": "must_fail"})
    found = [(control.name, control.ran) for control in collect(folder).controls]
    assert found == [("must_fail", False), ("must_pass", True)]


def test_a_control_that_ran_twice_counts_twice(folder: Path) -> None:
    add_control(folder, "must_pass-1", {**CONTROL, "ok": False, "got": "failed"})
    add_control(folder, "must_pass-2", CONTROL)
    assert [control.ok for control in collect(folder).controls] == [False, True]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "not JSON"),
        ('{"schema_version": "1"}', "this key is required"),
        ("[]", "mapping"),
        ("[" * 5000, "more than 200 levels"),
        ('{"schema_version": "1", "seed": ' + "9" * 5000 + "}", "too large"),
        ("\x00", "not JSON"),
        (trial(7).model_dump_json(), "the file belongs to another trial"),
        (trial(1).model_dump_json().replace('"seed"', '"seed\\u0000"'), "unknown key"),
    ],
    ids=["cut", "incomplete", "type", "deep", "large", "nul", "other_trial", "control_character"],
)
def test_a_broken_result_is_one_line_that_names_the_file_and_the_other_trials_are_read(
    folder: Path, text: str, problem: str
) -> None:
    good = add_trial(folder, 0).parent.name
    path = add_trial(folder, 1)
    path.write_text(text)
    record = collect(folder)
    assert [result.trial_id for result in record.trials] == [good]
    ((name, message),) = record.damaged.items()
    assert name == path.parent.name
    assert message.startswith(str(path))
    assert problem in message
    assert message.isprintable()
    assert len(message) < 2000
    (missing,) = unfinished(folder, [good, name], {}, record.damaged)
    assert (missing.trial_id, missing.state, missing.reason) == (name, "error", message)


@pytest.mark.parametrize("name", ["request.json", "environment.json"])
def test_a_missing_document_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(UsageError, match=f"{name}: no such file"):
        collect(folder)


def test_a_trial_with_a_result_is_not_unfinished(folder: Path) -> None:
    name = add_trial(folder, 0).parent.name
    assert unfinished(folder, [name], {}, {}) == []
    assert unfinished(folder, [name], {name: ("skipped", "in a teardown")}, {}) == []


def test_an_error_after_the_verdict_counts_and_keeps_the_verdict(folder: Path) -> None:
    name = add_trial(folder, 0).parent.name
    (missing,) = unfinished(folder, [name], {name: ("error", "late")}, {})
    assert (missing.state, missing.reason, missing.verdict) == ("error", "late", "passed")


@pytest.mark.parametrize("planned", [True, False], ids=["planned", "of_an_earlier_session"])
def test_a_result_beside_a_problem_does_not_count(folder: Path, planned: bool) -> None:
    add_trial(folder, 1)
    path = add_trial(folder, 0).parent
    note_problem(path, "error", "no space\nsecond line")
    assert [result.repetition for result in collect(folder).trials] == [1]
    (missing,) = unfinished(folder, [path.name] if planned else [], {}, {})
    assert (missing.trial_id, missing.state) == (path.name, "error")
    assert (missing.reason, missing.verdict) == ("no space", "passed")


@pytest.mark.parametrize("text", ["", "{", '{"schema_version": "1"}'])
def test_a_problem_that_cannot_be_read_is_an_error(folder: Path, text: str) -> None:
    path = add_trial(folder, 0).parent
    (path / "problem.json").write_text(text)
    (missing,) = unfinished(folder, [], {}, {})
    assert missing.state == "error"
    assert "problem.json" in missing.reason


def test_attempts_are_set_aside_and_read_back(folder: Path) -> None:
    path = folder / "trials" / TRIAL
    assert begin_attempt(path) == 1
    assert begin_attempt(path) == 1, "an attempt that left nothing is none"
    expected = []
    for number, state in enumerate(("not_run", "error", "not_run"), start=1):
        assert begin_attempt(path) == number
        note_problem(path, state, f"reason {number}")  # type: ignore[arg-type]
        expected.append((number, state, f"reason {number}"))
    assert begin_attempt(path) == 4
    found = collect(folder).attempts
    assert [(one.attempt, one.state, one.reason) for one in found] == expected
    assert {one.trial_id for one in found} == {TRIAL}
    assert [one.failed for one in found] == [False, True, False]


def test_an_attempt_has_its_verdict(folder: Path) -> None:
    path = add_trial(folder, 0).parent
    (path / "logs").mkdir()
    assert begin_attempt(path) == 2
    assert (path / "attempts/1/logs").is_dir()
    (found,) = collect(folder).attempts
    assert (found.state, found.verdict, found.failed) == ("finished", "passed", False)
    assert collect(folder).trials == ()


def test_other_folders_are_passed_over(folder: Path) -> None:
    for name in ("notes", "a-b", ".hidden"):
        (folder / "trials" / name / "attempts/1").mkdir(parents=True)
        note_problem(folder / "trials" / name, "error", "not ours")
    assert collect(folder).attempts == ()
    assert unfinished(folder, [], {}, {}) == []


def test_an_interrupted_trial_names_its_record(folder: Path) -> None:
    record = folder / "trials" / TRIAL
    record.mkdir(parents=True)
    (record / "timeline.jsonl").touch()
    (missing,) = unfinished(folder, [TRIAL], {}, {})
    assert (missing.trial_id, missing.cell_id) == (TRIAL, "s-my-framework-live-none")
    assert (missing.state, missing.reason) == (
        "not_run",
        f"interrupted; its record is in trials/{TRIAL}",
    )


def test_a_trial_that_never_began_was_not_run(folder: Path) -> None:
    (folder / "trials" / TRIAL).mkdir(parents=True)
    (missing,) = unfinished(folder, [TRIAL], {}, {})
    assert (missing.state, missing.reason) == (
        "not_run",
        "the run ended before this trial began",
    )


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("no Docker", "no Docker"),
        ("Traceback:\n  x\nE  no fleet\n\n", "E  no fleet"),
        (" ", "error"),
    ],
    ids=["one_line", "last_line", "blank"],
)
def test_an_error_is_described_by_its_last_line(folder: Path, reason: str, shown: str) -> None:
    other = "s-my-framework-live-none-r1"
    missing = unfinished(folder, [other, TRIAL], {TRIAL: ("error", reason)}, {})
    assert [(one.trial_id, one.state) for one in missing] == [(other, "not_run"), (TRIAL, "error")]
    assert missing[1].reason == shown
