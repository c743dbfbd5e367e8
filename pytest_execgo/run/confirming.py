"""``--execgo-confirm``: repeats a trial with its faults and without, to see what they change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import combinations

from pytest_execgo.chaos.loaded_profile import LoadedProfile
from pytest_execgo.errors import HarnessError
from pytest_execgo.models.confirmation import Confirmation, ConfirmationArm
from pytest_execgo.models.safe_text import one_line
from pytest_execgo.models.trial_result import TrialResult
from pytest_execgo.verdict.confirmation import compare, concluded, is_clean

Repeat = Callable[[LoadedProfile, int], TrialResult]
"""Runs the recorded plan of a trial with the faults of a profile; the number is that of the repetition,
from 0, over all arms."""
_REASON_CHARACTERS = 300


def confirm(
    trial: TrialResult, profile: LoadedProfile, times: int, repeat: Repeat
) -> Confirmation | None:
    """Repeat a trial ``times`` times in each arm; ``None`` if it was clean, so there is nothing to
    confirm. A harness error ends the repetitions, and not the run."""
    if is_clean(trial):
        return None
    if profile.targets_model:
        return Confirmation(
            status="not_run", reason="a fault of the model's answers needs the model"
        )
    arms, number = [], 0
    for faults in _arms(trial, profile):
        found: Counter[str] = Counter()
        for _ in range(times):
            try:
                found[compare(trial, repeat(profile.only(faults), number))] += 1
            except HarnessError as error:
                reason = one_line(str(error), _REASON_CHARACTERS)
                return Confirmation(status="not_run", reason=f"harness error: {reason}")
            number += 1
        names = tuple(_names(profile, faults))
        arms.append(
            ConfirmationArm(faults=names, same=found["same"], clean=found["clean"], of=times)
        )
    return concluded(arms)


def _arms(trial: TrialResult, profile: LoadedProfile) -> Iterator[tuple[int, ...]]:
    """The places of the faults of each arm: none, each fault alone, all together. Faults that were not
    injected are left out."""
    fired = [
        loaded.position
        for loaded, record in zip(profile.faults, trial.faults, strict=True)
        if record.status == "fired"
    ]
    yield ()
    yield from combinations(fired, 1)
    if len(fired) > 1:
        yield tuple(fired)


def _names(profile: LoadedProfile, positions: tuple[int, ...]) -> Iterator[str]:
    names = [f"{loaded.fault.action} {loaded.fault.target}" for loaded in profile.faults]
    for loaded, name in zip(profile.faults, names, strict=True):
        if loaded.position in positions:
            yield f"{name} #{loaded.position + 1}" if names.count(name) > 1 else name
