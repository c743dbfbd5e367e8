"""How a repeated trial differs from the recorded one."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_execgo.benchmark.replay import differences
from pytest_execgo.models.trial_result import FaultRecord, TrialResult
from tests.results import trial

FAULT = FaultRecord(
    action="kill", target="runtime", phase="runtime", status="fired", stage_id="s", task_id="a"
)


def cause(layer: str, code: str = "x", **more: Any) -> dict[str, Any]:
    return {
        "layer": layer, "code": code, "confidence": "certain", "evidence": [], "message": "m", **more,
    }  # fmt: skip


def with_faults(*faults: FaultRecord) -> TrialResult:
    return trial(0).model_copy(update={"faults": faults})


def check(kind: str, *, ok: bool) -> dict[str, Any]:
    return {"kind": kind, "ok": ok, "message": "m"}


def test_a_trial_does_not_differ_from_itself() -> None:
    assert differences(trial(0), trial(0)) == ()


def test_times_are_not_compared() -> None:
    later = trial(0).model_copy(update={"metrics": trial(9).metrics, "seed": 8})
    assert differences(trial(0), later) == ()


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (trial(0), trial(0, "failed"), ("verdict: was passed, is failed",)),
        (trial(0, recovery="stuck"), trial(0, recovery="lost"), ("recovery: was stuck, is lost",)),
        (
            trial(0, attribution=[cause("task", "b"), cause("task", "a")]),
            trial(0, attribution=[cause("none")]),
            ("causes: was task/a, task/b, is none/no_failure",),
        ),
        (
            with_faults(FAULT, FAULT.model_copy(update={"stage_id": None, "task_id": None})),
            with_faults(FAULT.model_copy(update={"status": "not_fired", "task_id": None})),
            (
                "faults: was kill runtime fired in s at a, kill runtime fired, "
                "is kill runtime not_fired in s",
            ),
        ),
        (
            trial(0, checks=[check("value", ok=True), check("file", ok=False)]),
            trial(0, checks=[check("value", ok=True), check("file", ok=True)]),
            ("checks: was value holds, file does not hold, is value holds, file holds",),
        ),
    ],
    ids=["verdict", "recovery", "causes", "faults", "checks"],
)
def test_each_difference_is_one_line(
    before: TrialResult, after: TrialResult, expected: tuple[str, ...]
) -> None:
    assert differences(before, after) == expected


def test_several_differences_are_listed_in_order() -> None:
    found = differences(trial(0), trial(0, "failed", recovery="stuck"))
    assert [line.partition(":")[0] for line in found] == ["verdict", "recovery"]


@pytest.mark.parametrize(
    ("expected_cause", "equal"),
    [("runtime", True), ("engine + runtime", True), ("runtime/x", False), (None, False)],
    ids=["layer", "one_of_two", "with_code", "none"],
)
def test_codes_count_only_if_the_profile_expects_one(
    expected_cause: str | None, equal: bool
) -> None:
    before = trial(0, attribution=[cause("runtime", "x")], expected_cause=expected_cause)
    after = trial(0, attribution=[cause("runtime", "y")], expected_cause=expected_cause)
    assert (differences(before, after) == ()) is equal


def test_mitigated_causes_are_not_compared() -> None:
    mitigated = trial(0, attribution=[cause("plan", mitigated=True)])
    assert differences(mitigated, trial(0)) == ()
