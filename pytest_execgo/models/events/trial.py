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
    """Clean trials of the same scenario, framework and mode passed on this machine before; ``trials`` is
    their number. Written at the start of a trial.

    ``payloads`` maps tasks to :attr:`TaskInputs.payload`, and ``stages`` stages to their duration in
    milliseconds, the longest of those trials.
    """

    event_type: Literal["baseline_known"] = "baseline_known"
    trial_id: str
    payloads: dict[str, str]
    stages: dict[str, float] = {}
    trials: int = 1


class BaselineDiffers(Event):
    """In a trial that did not succeed, something differs from the clean trials.

    ``task``: the first field of the output of a task that was submitted with the same payload. ``file``:
    the content of a file of the scenario that no clean trial changes. ``link``: the number of
    connections. ``got`` is null if the field is missing. Long values are digests.
    """

    event_type: Literal["baseline_differs"] = "baseline_differs"
    subject: Literal["task", "file", "link"]
    name: str
    field: str
    expected: str
    got: str | None = None

    def sentence(self) -> str | None:
        got = "missing" if self.got is None else repr(self.got)
        usual = f"{got}; in the clean trials, it is {self.expected!r}"
        if self.subject == "task":
            return f"task {self.name}, with the same payload: {self.field} is {usual}"
        if self.subject == "file":
            return f"{self.name} in the workspace has other content than in the clean trials"
        return None


class HarnessProblem(Event):
    """The harness itself failed, so the trial proves nothing about the system. ``service``: it did not
    get what it needs from this service."""

    event_type: Literal["harness_problem"] = "harness_problem"
    message: str
    service: str | None = None

    def sentence(self) -> str:
        return f"harness: {self.message}"


class TrialFinished(Event):
    """The trial ended. ``wall_time_ms`` ends with the last check, before faults are healed."""

    event_type: Literal["trial_finished"] = "trial_finished"
    wall_time_ms: float
