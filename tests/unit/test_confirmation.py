"""What repetitions of a trial show, and which repetitions there are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_execgo.chaos.loaded_profile import LoadedProfile
from pytest_execgo.errors import HarnessError
from pytest_execgo.extensions.registry import Registry
from pytest_execgo.models.confirmation import Confirmation, ConfirmationArm
from pytest_execgo.models.trial_result import FaultRecord, TrialResult
from pytest_execgo.run.confirming import confirm
from pytest_execgo.verdict.confirmation import compare, concluded, is_clean
from tests import results
from tests.conftest import ScenarioMaker

KILL = {"action": "kill", "target": "runtime", "when": {"phase": "runtime"}}
SLOW = {"action": "latency", "target": "fixtures", "when": {"phase": "runtime"}}


def trial(*layers: str, succeeded: bool = True, recovery: str = "not_needed") -> TrialResult:
    causes = [
        {"layer": layer, "code": "x", "confidence": "certain", "evidence": [], "message": "m"}
        for layer in layers or ("none",)
    ]
    found = results.trial(0, attribution=causes, recovery=recovery)
    metrics = found.metrics.model_copy(update={"scenario_success": float(succeeded)})
    return found.model_copy(update={"metrics": metrics})


FAILED = trial("runtime", succeeded=False)


@pytest.mark.parametrize(
    ("one", "clean"),
    [
        (trial(), True),
        (trial("unknown"), True),
        (trial("unknown", succeeded=False), False),
        (trial("runtime"), False),
        (trial(recovery="recovered"), False),
        (trial(succeeded=False), False),
    ],
)
def test_a_clean_trial_has_nothing_to_recover_from_or_to_blame(
    one: TrialResult, clean: bool
) -> None:
    assert is_clean(one) is clean


@pytest.mark.parametrize(
    ("one", "repetition", "expected"),
    [
        (FAILED, FAILED, "same"),
        (FAILED, trial("task", "runtime", succeeded=False), "same"),
        (FAILED, trial("task", succeeded=False), "other"),
        (FAILED, trial("runtime"), "other"),
        (FAILED, trial(), "clean"),
        # Of several causes, the first one decides.
        (trial("runtime", "fixture"), trial("runtime"), "same"),
        (trial("runtime", "fixture"), trial("fixture"), "other"),
        # What must recover is a race.
        (trial("runtime", recovery="recovered"), trial("runtime"), "same"),
        (trial("unknown", succeeded=False), trial("unknown", succeeded=False), "same"),
        (trial("unknown", succeeded=False), trial("task", succeeded=False), "other"),
    ],
)
def test_a_repetition_is_compared_by_its_end_and_the_layer_of_the_first_cause(
    one: TrialResult, repetition: TrialResult, expected: str
) -> None:
    assert compare(one, repetition) == expected


def arm(same: int, clean: int, *faults: str) -> ConfirmationArm:
    return ConfirmationArm(faults=faults, same=same, clean=clean, of=3)


@pytest.mark.parametrize(
    ("arms", "text"),
    [
        ([arm(0, 3), arm(3, 0, "a")], "confirmed 3/3 vs 0/3"),
        ([arm(0, 3), arm(2, 1, "a")], "associated 2/3 vs 0/3"),
        ([arm(0, 3), arm(0, 3, "a")], "not reproduced 0/3 vs 0/3"),
        ([arm(3, 0), arm(3, 0, "a")], "independent 3/3 vs 3/3"),
        # Not the same and not clean: it is another failure, so the trial is not clean without a fault.
        ([arm(0, 0), arm(3, 0, "a")], "independent 3/3 vs 3/3"),
        ([arm(1, 2), arm(3, 0, "a")], "flaky 1/3"),
        ([arm(0, 2), arm(3, 0, "a")], "flaky 1/3"),
        ([arm(3, 0)], "deterministic 3/3"),
        ([arm(1, 2)], "flaky 1/3"),
        ([arm(0, 3)], "flaky 0/3"),
        (
            [arm(0, 3), arm(3, 0, "a"), arm(0, 3, "b"), arm(3, 0, "a", "b")],
            "confirmed 3/3 vs 0/3 by a alone",
        ),
        (
            [arm(0, 3), arm(0, 3, "a"), arm(1, 2, "b"), arm(3, 0, "a", "b")],
            "confirmed 3/3 vs 0/3",
        ),
        (
            [arm(0, 3), arm(0, 3, "a"), arm(1, 2, "b"), arm(2, 0, "a", "b")],
            "associated 2/3 vs 0/3",
        ),
    ],
)
def test_the_arms_show_whether_the_faults_are_the_reason(
    arms: list[ConfirmationArm], text: str
) -> None:
    assert concluded(arms).text == text


def test_the_smallest_set_of_faults_confirms() -> None:
    alone, both = arm(3, 0, "a"), arm(3, 0, "a", "b")
    assert concluded([arm(0, 3), alone, arm(0, 3, "b"), both]).by == ("a",)
    assert concluded([arm(0, 3), arm(2, 1, "a"), arm(0, 3, "b"), both]).by == ("a", "b")


@pytest.fixture
def profile(make_scenario: ScenarioMaker) -> Callable[..., LoadedProfile]:
    def load(*faults: dict[str, Any], cause: list[dict[str, str]] | None = None) -> LoadedProfile:
        path = make_scenario.chaos(
            "mine", expectation="measure", faults=list(faults), expected_cause=cause
        )
        return Registry.build().load_profile(path)

    return load


def record(fault: dict[str, Any], status: str = "fired") -> FaultRecord:
    return FaultRecord.model_validate(
        {"action": fault["action"], "target": fault["target"], "phase": "runtime", "status": status}
    )


class Repetitions:
    """Ends every repetition with a fault like the trial, and every other one clean."""

    def __init__(self) -> None:
        self.ran: list[tuple[tuple[str, ...], int]] = []

    def __call__(self, profile: LoadedProfile, number: int) -> TrialResult:
        self.ran.append((tuple(one.fault.action for one in profile.faults), number))
        return FAILED if profile.faults else trial()


def test_two_faults_are_injected_each_alone_and_both_and_not_at_all(
    profile: Callable[..., LoadedProfile],
) -> None:
    repeat = Repetitions()
    failed = FAILED.model_copy(update={"faults": (record(KILL), record(SLOW))})
    found = confirm(failed, profile(KILL, SLOW), 2, repeat)
    assert repeat.ran == [
        ((), 0), ((), 1), (("kill",), 2), (("kill",), 3), (("latency",), 4), (("latency",), 5),
        (("kill", "latency"), 6), (("kill", "latency"), 7),
    ]  # fmt: skip
    assert found is not None
    assert [(a.faults, a.same, a.clean, a.of) for a in found.arms] == [
        ((), 0, 2, 2),
        (("kill runtime",), 2, 0, 2),
        (("latency fixtures",), 2, 0, 2),
        (("kill runtime", "latency fixtures"), 2, 0, 2),
    ]


def test_faults_that_are_alike_have_numbers(profile: Callable[..., LoadedProfile]) -> None:
    failed = FAILED.model_copy(update={"faults": (record(KILL), record(KILL))})
    found = confirm(failed, profile(KILL, KILL), 1, Repetitions())
    assert found is not None
    assert [a.faults for a in found.arms[1:3]] == [("kill runtime #1",), ("kill runtime #2",)]


def test_a_fault_that_was_not_injected_is_left_out(profile: Callable[..., LoadedProfile]) -> None:
    repeat = Repetitions()
    failed = FAILED.model_copy(update={"faults": (record(KILL, "not_fired"), record(SLOW))})
    confirm(failed, profile(KILL, SLOW), 1, repeat)
    assert repeat.ran == [((), 0), (("latency",), 1)]


def test_a_failure_without_a_fault_is_repeated_as_it_is(
    profile: Callable[..., LoadedProfile],
) -> None:
    repeat = Repetitions()
    found = confirm(FAILED, profile(KILL).only(()), 3, repeat)
    assert repeat.ran == [((), 0), ((), 1), ((), 2)]
    assert found is not None
    assert found.text == "flaky 0/3"


def test_a_clean_trial_is_not_repeated(profile: Callable[..., LoadedProfile]) -> None:
    quiet = trial().model_copy(update={"faults": (record(KILL),)})
    assert confirm(quiet, profile(KILL), 1, Repetitions()) is None


def test_a_fault_of_the_model_is_not_repeated(profile: Callable[..., LoadedProfile]) -> None:
    model = {"action": "rate_limit", "target": "model", "when": {"phase": "plan"}}
    repeat = Repetitions()
    failed = FAILED.model_copy(update={"faults": (record(model),)})
    assert confirm(failed, profile(model), 1, repeat) == Confirmation(
        status="not_run", reason="a fault of the model's answers needs the model"
    )
    assert repeat.ran == []


def test_a_harness_error_ends_the_repetitions_and_not_the_run(
    profile: Callable[..., LoadedProfile],
) -> None:
    def fails(some: LoadedProfile, number: int) -> TrialResult:
        raise HarnessError("the fleet\nis broken")

    failed = FAILED.model_copy(update={"faults": (record(KILL),)})
    found = confirm(failed, profile(KILL), 1, fails)
    assert found is not None
    assert found.text == r"not run: harness error: the fleet\nis broken"


def test_a_part_of_a_profile_keeps_the_places_and_the_causes_of_its_faults(
    profile: Callable[..., LoadedProfile], tmp_path: Path
) -> None:
    whole = profile(KILL, SLOW, cause=[{"layer": "runtime"}, {"layer": "fixture"}])
    part = whole.only((1,))
    assert [(one.fault.action, one.position) for one in part.faults] == [("latency", 1)]
    assert [cause.layer for cause in part.profile.causes] == ["fixture"]
    assert part.profile.faults == (part.faults[0].fault,)
    none = whole.only(())
    assert (none.faults, none.profile.causes, none.profile.expectation) == (
        (), (), "not_applicable",
    )  # fmt: skip
