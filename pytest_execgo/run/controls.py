"""Controls: trials whose outcome is known beforehand. They show that the measuring works.

In every run with chaos, each process checks its own fleet before its first fault: with a plan that must
pass, a plan that must fail, and a planted fault that must be found. If a control has another outcome,
the run reports that it is not trustworthy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pytest_execgo.chaos.loaded_profile import LoadedProfile
from pytest_execgo.extensions.registry import Registry
from pytest_execgo.models.benchmark import ControlRecord
from pytest_execgo.models.chaos import ChaosProfile
from pytest_execgo.models.trial import Cell, Trial
from pytest_execgo.models.trial_result import TrialResult
from pytest_execgo.scenario.manifest import Scenario, load_scenario

_FOLDER = Path(__file__).parent / "control_scenarios"
_NO_FAULT = LoadedProfile(ChaosProfile(id="none", expectation="not_applicable"), ())


@dataclass(frozen=True)
class Control:
    """A trial and its known outcome. ``expected`` describes in words what ``holds`` checks."""

    name: str
    expected: str
    scenario: str
    planted: bool
    holds: Callable[[TrialResult], bool]

    @property
    def trial(self) -> Trial:
        """The trial; its cell is not part of the report."""
        return Trial(Cell(f"control_{self.name}", "reference", "replay", "control"), 0)

    def load(self, registry: Registry) -> tuple[Scenario, LoadedProfile]:
        """Its scenario and profile, which come with the package."""
        scenario = load_scenario(_FOLDER / self.scenario / "scenario.yaml")
        if not self.planted:
            return scenario, _NO_FAULT
        return scenario, registry.load_profile(_FOLDER / "chaos" / "planted_fault.yaml")

    def record(self, result: TrialResult) -> ControlRecord:
        """The outcome, compared with the expected one."""
        cause = result.verdict.attribution[0]
        return ControlRecord(
            name=self.name,
            expected=self.expected,
            got=f"{result.verdict.status}, {cause.layer}/{cause.code}: {result.verdict.outcome}",
            ok=self.holds(result),
        )

    def failed(self, problem: str) -> ControlRecord:
        """The outcome of a control that a harness error kept from running."""
        got = f"harness error: {problem}"
        return ControlRecord(name=self.name, expected=self.expected, got=got, ok=False, ran=False)


def _passes(result: TrialResult) -> bool:
    # On a busy machine, the observers may stand still meanwhile; that names no cause either.
    quiet = {("none", "no_failure"), ("unknown", "unobserved")}
    causes = {(cause.layer, cause.code) for cause in result.verdict.attribution}
    return result.verdict.status == "passed" and causes <= quiet


def _fails(result: TrialResult) -> bool:
    return (
        result.verdict.status == "failed" and result.verdict.attribution[0].code == "wrong_output"
    )


def _is_found(result: TrialResult) -> bool:
    fired = all(fault.status == "fired" for fault in result.faults)
    return result.verdict.status == "passed" and fired and result.verdict.cause_named is True


CONTROLS = (
    Control("must_pass", "passed, with no cause named", "must_pass", False, _passes),
    Control("must_fail", "failed, by the task's own output", "must_fail", False, _fails),
    Control(
        "planted_fault", "the fault fired, and fixture/http_error is named", "must_pass", True,
        _is_found,
    ),
)  # fmt: skip
