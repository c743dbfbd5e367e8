"""The text of a failed test."""

from __future__ import annotations

import pytest

from pytest_execgo.benchmark.reports.failure_text import failure_line, failure_text, trial_summary
from pytest_execgo.models.confirmation import Confirmation, ConfirmationArm
from pytest_execgo.verdict.advice import next_step
from tests.results import trial


def test_a_failed_trial_shows_outcome_causes_explanation_record_and_rerun() -> None:
    cause = {"layer": "task", "code": "x", "confidence": "certain", "message": "m"}
    result = trial(
        0,
        "failed",
        attribution=[
            {**cause, "evidence": ["e1", "e2"]},
            {**cause, "evidence": [], "mitigated": True},
        ],
        next_step="correct the task, or the files that it reads",
        explanation=[
            {"at_ms": 25, "text": "first", "events": []},
            {"at_ms": 1500.4, "text": "second", "events": []},
        ],
    )
    assert failure_text(result, "reports/run/trials/t").splitlines() == [
        "FAILED       o",
        "cause        task · x (certain): m [e1, e2]",
        "mitigated    task · x (certain): m",
        "next         correct the task, or the files that it reads",
        "chain        0.025 s  first",
        "             1.500 s  second",
        "record       reports/run/trials/t",
        "rerun        pytest x",
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("task/wrong_output", "correct the plan, or the check if the result is right"),
        ("task/exit_non_zero", "correct the task, or the files that it reads"),
        ("binding/binding_missing", "correct the source_path of the binding"),
        ("runtime/unreachable", "read logs/runtime.log in the record"),
        ("unknown/killed", "add --execgo-confirm 3"),
        ("harness/problem", ""),
    ],
)
def test_the_first_cause_decides_the_advice(name: str, text: str) -> None:
    layer, _, code = name.partition("/")
    first = {"layer": layer, "code": code, "confidence": "likely", "message": "m", "evidence": []}
    verdict = trial(0, "failed", attribution=[first]).verdict
    found = next_step("failed", verdict.attribution, ())
    assert text in found
    assert bool(found) is bool(text)
    assert next_step("passed", verdict.attribution, ()) == ""


def test_a_file_that_differs_can_be_rewritten() -> None:
    wrong = {
        "layer": "task", "code": "wrong_output", "confidence": "possible", "message": "m",
        "evidence": [],
    }  # fmt: skip
    check = {"kind": "file", "ok": False, "message": "a differs from b", "diff": ["-1", "+2"]}
    verdict = trial(0, "failed", attribution=[wrong], checks=[check]).verdict
    found = next_step("failed", verdict.attribution, verdict.checks)
    assert found.endswith("; if the new content is right, add --execgo-update-expected")


def test_the_status_comes_first() -> None:
    assert failure_text(trial(0), "f").startswith("PASSED       ")
    assert failure_text(trial(0, "inconclusive"), "f").startswith("INCONCLUSIVE o")


def test_the_first_cause_is_one_line() -> None:
    cause = {"layer": "task", "code": "x", "confidence": "likely", "evidence": []}
    result = trial(0, "failed", attribution=[{**cause, "message": "first\nsecond"}])
    assert failure_line(result) == r"task/x: first\nsecond"
    words = {"task_id": "extract", "stderr": ["Traceback", "FileNotFoundError: orders.csv"]}
    failed = trial(0, "failed", attribution=[{**cause, "message": "m"}], failed_task=words)
    assert failure_line(failed) == "task/x extract: FileNotFoundError: orders.csv"


def test_the_summary_is_the_text_as_indented_markdown() -> None:
    head, blank, *lines = trial_summary(trial(0), "f").splitlines()
    assert head.startswith("# ")
    assert blank == ""
    assert lines == [f"    {line}" for line in failure_text(trial(0), "f").splitlines()]


def test_the_outcome_of_the_repetitions_follows_the_causes() -> None:
    arms = (
        ConfirmationArm(faults=(), same=0, clean=3, of=3),
        ConfirmationArm(faults=("kill runtime", "pause execgo"), same=2, clean=0, of=3),
    )
    confirmed = Confirmation(status="associated", arms=arms)
    text = failure_text(trial(0).model_copy(update={"confirmation": confirmed}), "folder")
    assert text.splitlines()[2:5] == [
        "repeated     associated 2/3 vs 0/3",
        "             with no fault: 0 the same, 3 clean, 0 otherwise, of 3",
        "             with kill runtime and pause execgo: 2 the same, 0 clean, 1 otherwise, of 3",
    ]


def test_what_the_failed_task_wrote_follows_the_causes() -> None:
    words = {"task_id": "extract", "stderr": ["Traceback:", '  File "\x1bx"', "KeyError: 'a'"]}
    text = failure_text(trial(0, "failed", failed_task=words), "folder")
    assert text.splitlines()[2:6] == [
        "stderr       of task extract:",
        "               Traceback:",
        r'                 File "\x1bx"',
        "               KeyError: 'a'",
    ]
