"""Whether the faults of a trial are the reason for its end: what repetitions of it show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pytest_execgo.models.confirmation import Confirmation, ConfirmationArm
from pytest_execgo.models.trial_result import TrialResult

Repetition = Literal["same", "clean", "other"]


def is_clean(result: TrialResult) -> bool:
    """Whether a trial passed its checks without anything to recover from or to blame."""
    return _succeeded(result) and result.verdict.recovery == "not_needed" and not _layers(result)


def compare(trial: TrialResult, repetition: TrialResult) -> Repetition:
    """How a repetition ended, against the trial that it repeats.

    ``same``: its checks hold if and only if those of the trial do, and it has a cause in the layer of
    the trial's first one. Codes are not compared, and neither is whether something had to recover: which
    symptom of a fault comes first is a race.
    """
    if is_clean(repetition):
        return "clean"
    first = _layers(trial)[:1]
    same = _succeeded(trial) == _succeeded(repetition) and set(first) <= set(_layers(repetition))
    return "same" if same else "other"


def concluded(arms: Sequence[ConfirmationArm]) -> Confirmation:
    """What all arms together show. One of them is without faults."""
    plain = next(arm for arm in arms if not arm.faults)
    faulty = [arm for arm in arms if arm.faults]
    if plain.clean == 0 or not faulty:
        never = "independent" if faulty else "deterministic"
        status = "flaky" if plain.clean else never
        return Confirmation.model_validate({"status": status, "arms": arms})
    if plain.clean < plain.of:
        return Confirmation(status="flaky", arms=tuple(arms))
    always = [arm for arm in faulty if arm.same == arm.of]
    if always:
        fewest = min(always, key=lambda arm: len(arm.faults))
        return Confirmation(status="confirmed", by=fewest.faults, arms=tuple(arms))
    if any(arm.same for arm in faulty):
        return Confirmation(status="associated", arms=tuple(arms))
    return Confirmation(status="not_reproduced", arms=tuple(arms))


def _succeeded(result: TrialResult) -> bool:
    return result.metrics.scenario_success == 1.0


def _layers(result: TrialResult) -> list[str]:
    """The layers of the causes, the first one first. ``unknown`` of a trial that succeeded is none: its
    observers stood still for a moment."""
    none = {"none", "unknown"} if _succeeded(result) else {"none"}
    return [cause.layer for cause in result.verdict.attribution if cause.layer not in none]
