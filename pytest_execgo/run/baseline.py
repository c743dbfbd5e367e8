"""The clean trial with which later trials of the same scenario and framework are compared."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_execgo.models.benchmark import FaultRecord, Verdict
from pytest_execgo.models.events import (
    BaselineKnown,
    ChaosEvent,
    EvidenceEvent,
    StageFinished,
    SubmissionStarted,
    TrialStarted,
)


def baseline_of(
    verdict: Verdict, faults: Sequence[FaultRecord], events: Sequence[EvidenceEvent | ChaosEvent]
) -> BaselineKnown | None:
    """The trial as a baseline; ``None`` unless it passed without a fault and without anything to
    recover from."""
    quiet = verdict.attribution[0].layer == "none" and verdict.recovery == "not_needed"
    if faults or verdict.status != "passed" or not quiet:
        return None
    started = [event for event in events if isinstance(event, TrialStarted)]
    payloads: dict[str, str] = {}
    for event in events:
        if isinstance(event, SubmissionStarted):
            payloads |= {task: inputs.payload for task, inputs in event.inputs.items()}
    stages = {
        event.stage_id: round(event.duration_ms, 1)
        for event in events
        if isinstance(event, StageFinished)
    }
    if not started:
        return None
    return BaselineKnown(trial_id=started[0].trial_id, payloads=payloads, stages=stages)
