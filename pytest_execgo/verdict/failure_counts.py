"""Counts failed tasks by who ended them, for the metrics of a trial."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_execgo.models.events import ChaosEvent, EvidenceEvent, SubmitRejected, TaskChanged
from pytest_execgo.models.verdict import FailureCounts
from pytest_execgo.verdict import wording


def failure_counts(events: Sequence[EvidenceEvent | ChaosEvent]) -> FailureCounts:
    """The counts over all submissions of a trial; a task counts with its last failed state."""
    last: dict[str, TaskChanged] = {}
    for event in events:
        if isinstance(event, TaskChanged) and event.status == "failed":
            last[event.engine_task_id] = event
    found = [wording.failure(event) for event in last.values()]
    rejected = [event for event in events if isinstance(event, SubmitRejected)]
    unknown = [wording.rejection(event.http_status, event.message) for event in rejected]
    return FailureCounts(
        timeouts=sum(one.code == "timeout" for one in found),
        of_runtime=sum(one.kind == "runtime" for one in found),
        invalid_actions=unknown.count("unknown_task_type")
        + sum(one.code == "unknown_tool" for one in found),
    )
