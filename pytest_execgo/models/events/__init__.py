"""Facts of a trial, one type per fact: the lines of ``timeline.jsonl``. One module per speaker.

``at_ms`` counts milliseconds from the start of the trial on a monotonic clock. A fact may become
known late: the access log of fixtures is read at the end of the trial. Its event has the time at
which it happened, so readers sort by ``at_ms``; ``event_id`` gives the order of writing.

Evidence and chaos are two unions, because attribution must never see chaos: it takes
:data:`EvidenceEvent` only.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field, TypeAdapter

from pytest_execgo.models.events.base import Event
from pytest_execgo.models.events.chaos import (
    ChaosArmed,
    ChaosFired,
    ChaosHealed,
    ChaosHealFailed,
    ChaosNotFired,
)
from pytest_execgo.models.events.checks import (
    ArtifactSeen,
    CheckEvaluated,
    ChecksStarted,
)
from pytest_execgo.models.events.engine import (
    BindingMissing,
    BindingProblem,
    BindingResolved,
    CancelAsked,
    EngineContradiction,
    EngineProtocolError,
    EngineReachable,
    EngineUnavailable,
    EngineUnreachable,
    LeftoverFound,
    ProcessLeft,
    RequestDiffers,
    ResubmitDeclined,
    Resubmitted,
    StageFinished,
    StageOutcome,
    StageStarted,
    SubmissionStarted,
    SubmitRejected,
    Submitted,
    TaskChanged,
    TaskError,
    TaskInputs,
    TaskLost,
    TaskOutput,
    TaskStillKnown,
    TaskStuck,
    WitnessesAgree,
    WitnessesDiffer,
)
from pytest_execgo.models.events.fixtures import AnswerDiffers, FixtureRequest
from pytest_execgo.models.events.planning import (
    AnswerJudged,
    ModelReplied,
    ModelUsed,
    PlanFailed,
    PlanningStarted,
    PlanReady,
)
from pytest_execgo.models.events.services import (
    FileChanged,
    FolderSeen,
    LinkDegraded,
    LinkProblem,
    LinkUsed,
    MachineSeen,
    ObserverStarved,
    ProcessSeen,
    ServiceExited,
    ServiceHealthy,
    ServiceLimited,
    ServiceLogged,
    ServiceReady,
    ServiceSilent,
    ServiceStopped,
)
from pytest_execgo.models.events.trial import (
    BaselineDiffers,
    BaselineKnown,
    HarnessProblem,
    TrialFinished,
    TrialStarted,
)

__all__ = [
    "EVENT",
    "AnswerDiffers",
    "AnswerJudged",
    "ArtifactSeen",
    "BaselineDiffers",
    "BaselineKnown",
    "BindingMissing",
    "BindingProblem",
    "BindingResolved",
    "CancelAsked",
    "ChaosArmed",
    "ChaosEvent",
    "ChaosFired",
    "ChaosHealFailed",
    "ChaosHealed",
    "ChaosNotFired",
    "CheckEvaluated",
    "ChecksStarted",
    "EngineContradiction",
    "EngineProtocolError",
    "EngineReachable",
    "EngineUnavailable",
    "EngineUnreachable",
    "Event",
    "EvidenceEvent",
    "FileChanged",
    "FixtureRequest",
    "FolderSeen",
    "HarnessProblem",
    "LeftoverFound",
    "LinkDegraded",
    "LinkProblem",
    "LinkUsed",
    "MachineSeen",
    "ModelReplied",
    "ModelUsed",
    "ObserverStarved",
    "PlanFailed",
    "PlanReady",
    "PlanningStarted",
    "ProcessLeft",
    "ProcessSeen",
    "RequestDiffers",
    "ResubmitDeclined",
    "Resubmitted",
    "ServiceExited",
    "ServiceHealthy",
    "ServiceLimited",
    "ServiceLogged",
    "ServiceReady",
    "ServiceSilent",
    "ServiceStopped",
    "StageFinished",
    "StageOutcome",
    "StageStarted",
    "SubmissionStarted",
    "SubmitRejected",
    "Submitted",
    "TaskChanged",
    "TaskError",
    "TaskInputs",
    "TaskLost",
    "TaskOutput",
    "TaskStillKnown",
    "TaskStuck",
    "TimelineEvent",
    "TrialFinished",
    "TrialStarted",
    "WitnessesAgree",
    "WitnessesDiffer",
    "evidence",
]

EvidenceEvent: TypeAlias = (
    TrialStarted
    | BaselineKnown
    | BaselineDiffers
    | PlanningStarted
    | PlanReady
    | AnswerJudged
    | ModelReplied
    | ModelUsed
    | PlanFailed
    | StageStarted
    | BindingResolved
    | BindingMissing
    | SubmissionStarted
    | Submitted
    | SubmitRejected
    | TaskChanged
    | TaskOutput
    | TaskLost
    | RequestDiffers
    | TaskStillKnown
    | WitnessesAgree
    | WitnessesDiffer
    | TaskStuck
    | CancelAsked
    | EngineUnreachable
    | EngineUnavailable
    | EngineReachable
    | EngineProtocolError
    | EngineContradiction
    | Resubmitted
    | ResubmitDeclined
    | StageFinished
    | ServiceExited
    | ServiceReady
    | ServiceStopped
    | ServiceSilent
    | ServiceLimited
    | ServiceLogged
    | LinkDegraded
    | LinkUsed
    | MachineSeen
    | ServiceHealthy
    | ObserverStarved
    | FileChanged
    | FixtureRequest
    | AnswerDiffers
    | ChecksStarted
    | ArtifactSeen
    | CheckEvaluated
    | LeftoverFound
    | ProcessLeft
    | HarnessProblem
    | TrialFinished
)
ChaosEvent: TypeAlias = ChaosArmed | ChaosFired | ChaosNotFired | ChaosHealed | ChaosHealFailed
TimelineEvent: TypeAlias = Annotated[EvidenceEvent | ChaosEvent, Field(discriminator="event_type")]

EVENT: TypeAdapter[EvidenceEvent | ChaosEvent] = TypeAdapter(TimelineEvent)


def evidence(events: list[EvidenceEvent | ChaosEvent]) -> list[EvidenceEvent]:
    """The events without those of chaos, in order of time."""
    kept = [event for event in events if not isinstance(event, ChaosEvent)]
    return sorted(kept, key=lambda event: event.at_ms)
