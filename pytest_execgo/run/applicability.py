"""Which trials are possible: one ordered list of checks, from the scenario to the running fleet.

A check answers why a trial is not possible, in a few words for the user, or ``None``. Checks on a cell
are static: they decide before anything runs, and such a cell makes no trial. Checks on a trial and on
its fleet are dynamic: the trial is skipped.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pytest_execgo.adapter.base import Adapter
from pytest_execgo.chaos.conditions import unmet_in
from pytest_execgo.chaos.draws import all_left_out
from pytest_execgo.chaos.loaded_profile import LoadedProfile
from pytest_execgo.errors import ExecgoError
from pytest_execgo.harness.fleet import Fleet
from pytest_execgo.models.document import shown
from pytest_execgo.models.plan import Mode
from pytest_execgo.models.plan_rules import uses_placeholder
from pytest_execgo.models.trial import Trial
from pytest_execgo.run.settings import Run
from pytest_execgo.scenario.manifest import Scenario


class TrialSkipped(ExecgoError):
    """The trial is not possible here; the text says why, and what to do."""


@dataclass(frozen=True)
class CellSubject:
    """What a check on a cell looks at."""

    scenario: Scenario
    profile: LoadedProfile
    adapter: Adapter
    mode: Mode


@dataclass(frozen=True)
class TrialSubject:
    """What a check on a trial looks at."""

    cell: CellSubject
    trial: Trial
    run: Run


@dataclass(frozen=True)
class FleetSubject:
    """What a check on a trial and its running fleet looks at."""

    cell: CellSubject
    fleet: Fleet


Subject = CellSubject | TrialSubject | FleetSubject


@dataclass(frozen=True)
class ApplicabilityCheck:
    """One check and what it looks at."""

    level: Literal["cell", "trial", "fleet"]
    reason: Callable[..., str | None]


def why_no_cell(subject: CellSubject) -> str | None:
    """Why these make no trial; ``None`` if they do."""
    return _first_reason("cell", subject)


def skip_impossible(subject: TrialSubject | FleetSubject) -> None:
    """Raise :class:`TrialSkipped` if the trial is not possible here."""
    reason = _first_reason("trial" if isinstance(subject, TrialSubject) else "fleet", subject)
    if reason:
        raise TrialSkipped(reason)


def _first_reason(level: str, subject: Subject) -> str | None:
    reasons = (check.reason(subject) for check in CHECKS if check.level == level)
    return next((reason for reason in reasons if reason), None)


# -- checks on a cell


def _excluded_by_scenario(cell: CellSubject) -> str | None:
    if cell.scenario.allows(cell.profile.profile.id):
        return None
    return f"allowed_chaos of the scenario excludes {cell.profile.profile.id}"


def _model_fault_outside_live_mode(cell: CellSubject) -> str | None:
    if cell.profile.targets_model and cell.mode != "live":
        return "a model is asked in live mode only"
    return None


def _model_fault_without_model(cell: CellSubject) -> str | None:
    if cell.profile.targets_model and not cell.adapter.asks_model:
        return f"{cell.adapter.name} asks no model"
    return None


def _fault_without_effect_on_plan(cell: CellSubject) -> str | None:
    if cell.scenario.plan is None:
        return None
    for loaded in cell.profile.faults:
        reason = loaded.action.not_applicable(cell.scenario.plan, loaded.fault.target)
        if reason:
            return reason
    return None


def _fault_without_its_stage(cell: CellSubject) -> str | None:
    # A model chooses the names of stages and tasks itself.
    if cell.scenario.plan is None or cell.adapter.asks_model:
        return None
    for fault in cell.profile.profile.faults:
        reason = unmet_in(fault.when, cell.scenario.plan.stages)
        if reason:
            return f"the plan has {reason}"
    return None


# -- checks on a trial


def _framework_not_installed(subject: TrialSubject) -> str | None:
    adapter = subject.cell.adapter
    install = adapter.missing()
    return f"{adapter.name} is not installed; install it with: {install}" if install else None


def _no_reference_plan(subject: TrialSubject) -> str | None:
    scenario = subject.cell.scenario
    if subject.cell.adapter.name == "reference" and scenario.reference_plan is None:
        return f"scenario {scenario.id} has no reference_plan to replay"
    return None


def _variable_not_set(subject: TrialSubject) -> str | None:
    scenario = subject.cell.scenario
    missing = [name for name in scenario.manifest.environment if name not in os.environ]
    if not missing:
        return None
    return f"scenario {scenario.id} needs the environment variable {missing[0]}, which is not set"


def _repeated_model_fault(subject: TrialSubject) -> str | None:
    if subject.run.repeats and subject.cell.profile.targets_model:
        return (
            f"the faults of {subject.cell.profile.profile.id} target a model, and a recorded trial is "
            "repeated without asking one"
        )
    return None


def _repeated_without_plan(subject: TrialSubject) -> str | None:
    missing = subject.run.repeats and subject.trial.trial_id not in subject.run.plans
    if missing and subject.cell.mode == "live":
        return "the recorded trial has no plan, and repeating it would have to ask a model"
    return None


def _no_recording(subject: TrialSubject) -> str | None:
    cell = subject.cell
    if cell.mode != "replay" or not cell.adapter.asks_model:
        return None
    path = cell.scenario.recording_path(cell.adapter.name)
    if path.exists():
        return None
    return (
        f"there is no recording {shown(path)}; make one: pytest --execgo-matrix "
        f"--execgo-scenario {cell.scenario.id} --execgo-framework {cell.adapter.name} "
        "--execgo-mode live --execgo-provider … --execgo-record"
    )


def _all_faults_left_out(subject: TrialSubject) -> str | None:
    """A trial without any of its faults would prove nothing (``measure`` proves nothing anyway)."""
    loaded = subject.cell.profile
    if loaded.profile.expectation == "measure":
        return None
    seed = subject.run.chaos_seed(loaded.profile)
    if not all_left_out(loaded.faults, seed, subject.trial.rng_key):
        return None
    odds = ", ".join(f"{one.fault.probability}" for one in loaded.faults)
    return (
        f"{loaded.profile.id}: the random draw left its faults out (probability {odds}, "
        f"seed {subject.run.seed})"
    )


# -- checks on a trial and its fleet


def _missing_capability(subject: FleetSubject) -> str | None:
    for loaded in subject.cell.profile.faults:
        service = subject.fleet.services.get(loaded.fault.target)
        reason = loaded.action.unsupported(service) if service else None
        if reason:
            return f"{subject.cell.profile.profile.id}: {reason}"
    return None


def _variable_not_passed(subject: FleetSubject) -> str | None:
    scenario = subject.cell.scenario
    missing = [
        name for name in scenario.manifest.environment if name not in subject.fleet.variables
    ]
    if not missing:
        return None
    return (
        f"scenario {scenario.id} needs the environment variable {missing[0]}, and the services were "
        "started without it, because the scenario is not in the scenarios folder of this run"
    )


def _no_python_in_image(subject: FleetSubject) -> str | None:
    plan, fleet = subject.cell.scenario.plan, subject.fleet
    if fleet.python is not None or plan is None or not uses_placeholder(plan, "python"):
        return None
    image = fleet.services["runtime"].info.image
    return f"the plan uses ${{python}}, and the runtime's image {image} has no python3"


CHECKS: tuple[ApplicabilityCheck, ...] = (
    ApplicabilityCheck("cell", _excluded_by_scenario),
    ApplicabilityCheck("cell", _model_fault_outside_live_mode),
    ApplicabilityCheck("cell", _model_fault_without_model),
    ApplicabilityCheck("cell", _fault_without_effect_on_plan),
    ApplicabilityCheck("cell", _fault_without_its_stage),
    ApplicabilityCheck("trial", _framework_not_installed),
    ApplicabilityCheck("trial", _no_reference_plan),
    ApplicabilityCheck("trial", _variable_not_set),
    ApplicabilityCheck("trial", _repeated_model_fault),
    ApplicabilityCheck("trial", _repeated_without_plan),
    ApplicabilityCheck("trial", _no_recording),
    ApplicabilityCheck("trial", _all_faults_left_out),
    ApplicabilityCheck("fleet", _missing_capability),
    ApplicabilityCheck("fleet", _variable_not_passed),
    ApplicabilityCheck("fleet", _no_python_in_image),
)
