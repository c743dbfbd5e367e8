"""Random draws: the same trial with the same seed sees the same faults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from pytest_execgo.chaos.loaded_profile import LoadedFault


@dataclass(frozen=True)
class Draw:
    """The random generator of one fault in one trial. ``exercised``: whether the first draw, which
    decides by the fault's probability, is for the fault; ``seed`` repeats it."""

    seed: str
    rng: Random
    exercised: bool


def draw(loaded: LoadedFault, seed: str, rng_key: str) -> Draw:
    """Draw for a fault of the trial that ``rng_key`` identifies. One generator per fault: what one fault
    draws does not change what another one draws."""
    whole = f"{seed}:{rng_key}:{loaded.position}"
    rng = Random(whole)
    return Draw(whole, rng, rng.random() < loaded.fault.probability)


def all_left_out(faults: Sequence[LoadedFault], seed: str, rng_key: str) -> bool:
    """Whether the draws leave every fault of a trial out."""
    draws = [draw(loaded, seed, rng_key) for loaded in faults]
    return bool(draws) and not any(one.exercised for one in draws)
