"""The lines of ``events.ndjson``: how a run goes on, for programs that show it while it runs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from pytest_execgo.models.document import Document
from pytest_execgo.models.run_record import UnfinishedState
from pytest_execgo.models.verdict import VerdictStatus

PROTOCOL = 1
"""Rises when a reader of the old lines would misunderstand the new ones. New kinds of lines and new
facts do not change it: a reader skips what it does not know."""
Capability = Literal["stages", "faults", "attempts"]
CAPABILITIES: tuple[Capability, ...] = ("stages", "faults", "attempts")


class StreamLine(Document):
    """One line. ``at`` is the time in UTC at which it was written."""

    at: datetime


class StreamStartedLine(StreamLine):
    """The first line of each process that writes to the file: a resumed run appends to it.
    ``capabilities`` name what the stream contains besides the lines of runs and trials."""

    event: Literal["stream_started"] = "stream_started"
    protocol: int = PROTOCOL
    capabilities: tuple[Capability, ...] = CAPABILITIES
    pytest_execgo: str


class RunStartedLine(StreamLine):
    """``folder`` is the absolute path of the run's folder, ``trials`` the number of planned trials."""

    event: Literal["run_started"] = "run_started"
    run_id: str
    folder: str
    seed: int
    trials: int


class TrialStartedLine(StreamLine):
    """An attempt of a trial begins; ``attempt`` counts from 1."""

    event: Literal["trial_started"] = "trial_started"
    trial_id: str
    node_id: str
    attempt: int


class StageStartedLine(StreamLine):
    """``at_ms`` is the time since the start of the trial."""

    event: Literal["stage_started"] = "stage_started"
    trial_id: str
    stage_id: str
    at_ms: float


class FaultLine(StreamLine):
    """``fault`` is its index in the profile, ``detail`` what was done. ``at_ms`` is the time since the
    start of the trial."""

    trial_id: str
    fault: int
    action: str
    target: str
    detail: str
    at_ms: float


class FaultInjectedLine(FaultLine):
    event: Literal["fault_injected"] = "fault_injected"


class FaultHealedLine(FaultLine):
    event: Literal["fault_healed"] = "fault_healed"


class TrialFinishedLine(StreamLine):
    """``state`` is ``finished`` for a trial with a verdict; else ``reason`` says in one line why it has
    none. ``known_finding``: an accepted finding explains the failure."""

    event: Literal["trial_finished"] = "trial_finished"
    trial_id: str
    state: Literal["finished"] | UnfinishedState
    verdict: VerdictStatus | None = None
    cause: str | None = None
    known_finding: str | None = None
    reason: str | None = None


class RunFinishedLine(StreamLine):
    """``passed`` counts all trials of the run, ``not_run`` those that did not start or were interrupted;
    both are null if there is no result."""

    event: Literal["run_finished"] = "run_finished"
    run_id: str
    passed: int | None = None
    not_run: int | None = None


AnyStreamLine = (
    StreamStartedLine
    | RunStartedLine
    | TrialStartedLine
    | StageStartedLine
    | FaultInjectedLine
    | FaultHealedLine
    | TrialFinishedLine
    | RunFinishedLine
)
STREAM_LINE: TypeAdapter[AnyStreamLine] = TypeAdapter(
    Annotated[AnyStreamLine, Field(discriminator="event")]
)
