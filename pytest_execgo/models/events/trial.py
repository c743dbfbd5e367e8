"""Events of the trial as a whole."""

from __future__ import annotations

from typing import Literal

from pytest_execgo.models.events.base import Event


class TrialStarted(Event):
    """The trial began. The same ``seed`` repeats its random draws."""

    event_type: Literal["trial_started"] = "trial_started"
    trial_id: str
    cell_id: str
    seed: int


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
