"""Whether the unsuccessful tasks of a stage are submitted again, and when.

Pure functions of the policy, the time and the state of the services. :class:`StageRun` asks
:func:`after_round` once a round has ended, waits, and asks :func:`after_wait` until it gets an answer
other than :class:`Wait`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pytest_execgo.models.events.base import few
from pytest_execgo.models.plan import SubmitPolicy

BACKOFF_FACTOR = 2
"""Each pause before a resubmission is this many times as long as the one before."""
CHECK_SERVICES_EVERY_MS = 20.0


@dataclass(frozen=True)
class Wait:
    """Decide again after this time."""

    milliseconds: float


@dataclass(frozen=True)
class Resubmit:
    """Submit the unsuccessful tasks now."""


@dataclass(frozen=True)
class Decline:
    """Do not submit them again. ``reason`` is printed in explanations."""

    reason: str


Decision: TypeAlias = Wait | Resubmit | Decline


def backoff_ms(policy: SubmitPolicy, round_number: int) -> float:
    """The pause after round ``round_number`` (0 is the first submission): it doubles each time."""
    return float(policy.resubmit_backoff_ms * BACKOFF_FACTOR**round_number)


def after_round(
    policy: SubmitPolicy,
    round_number: int,
    *,
    now: float,
    deadline: float,
    queued: Sequence[str] = (),
    refused: Sequence[str] = (),
) -> Wait | Decline:
    """The decision when a round has ended without success; times in seconds on one clock.

    ``queued`` names tasks that could run and do not begin, because stuck tasks keep all places: further
    tasks would not begin either. ``refused`` names tasks with an invalid payload, which would be refused
    again.
    """
    if queued:
        return Decline(f"stuck tasks keep all places: {few(queued)} cannot begin")
    if refused:
        return Decline(f"the payload of {few(refused)} is invalid, so it would be refused again")
    if round_number >= policy.max_resubmits:
        used = f" ({round_number} used)" if round_number else ""
        return Decline(f"max_resubmits is {policy.max_resubmits}{used}")
    pause = backoff_ms(policy, round_number)
    if now + pause / 1000 >= deadline:
        return Decline("the deadline leaves no time for another round")
    return Wait(pause)


def after_wait(unready: Mapping[str, bool], *, now: float, deadline: float) -> Decision:
    """The decision after a wait. ``unready`` maps each service that does not answer to whether it can
    be expected to answer again."""
    if not unready:
        return Resubmit()
    gone = [name for name, returns in unready.items() if not returns]
    if gone:
        return Decline(f"services that will not return: {', '.join(gone)}")
    if now >= deadline:
        return Decline(f"the deadline passed while waiting for {', '.join(unready)}")
    return Wait(CHECK_SERVICES_EVERY_MS)
