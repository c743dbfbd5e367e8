"""Events of the trial as a whole."""

from __future__ import annotations

from typing import Literal

from pytest_execgo.models.events.base import Event


class TrialStarted(Event):
    """The trial began. The same ``seed`` repeats its random draws. ``addresses`` are the hosts and ports
    at which clients reach each service."""

    event_type: Literal["trial_started"] = "trial_started"
    trial_id: str
    cell_id: str
    seed: int
    addresses: dict[str, tuple[str, ...]] = {}


class BaselineKnown(Event):
    """A clean trial of the same scenario, framework and mode passed on this machine before. ``payloads``
    maps its tasks to :attr:`TaskInputs.payload`, ``stages`` its stages to their duration in
    milliseconds. Written at the start of a trial."""

    event_type: Literal["baseline_known"] = "baseline_known"
    trial_id: str
    payloads: dict[str, str]
    stages: dict[str, float] = {}


class HarnessProblem(Event):
    """The harness itself failed, so the trial proves nothing about the system."""

    event_type: Literal["harness_problem"] = "harness_problem"
    message: str

    def sentence(self) -> str:
        return f"harness: {self.message}"


class TrialFinished(Event):
    """The trial ended. ``wall_time_ms`` ends with the last check, before faults are healed."""

    event_type: Literal["trial_finished"] = "trial_finished"
    wall_time_ms: float
