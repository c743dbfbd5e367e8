"""Submissions that ExecGo refuses."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_execgo.models.events import SubmissionStarted, SubmitRejected
from pytest_execgo.models.verdict import Confidence
from pytest_execgo.verdict import wording
from pytest_execgo.verdict.evidence import Evidence
from pytest_execgo.verdict.suspicion import Rule, Suspicion

_SERVER_ERROR = 500


def _suspect(evidence: Evidence) -> Iterator[Suspicion]:
    for event in evidence.of(SubmitRejected):
        rule = wording.rejection(event.http_status, event.message)
        message = f"ExecGo rejected stage {event.stage_id} ({event.http_status}): {event.message}"
        ids = (event.event_id,)
        if rule is None:
            # ExecGo names no rule, and this package checked the submission: it breaks none.
            code = f"http_{event.http_status}"
            own_fault = event.http_status >= _SERVER_ERROR
            yield Suspicion(
                "engine", code, "certain" if own_fault else "likely", ids, message, event.at_ms
            )
            continue
        own = [
            rule
            for started in evidence.of(SubmissionStarted)
            if started.stage_id == event.stage_id
            for rule in started.problems
        ]
        confidence: Confidence = "certain" if rule in own else "likely"
        yield Suspicion("dsl", rule, confidence, ids, message, event.at_ms)


RULE = Rule(
    "submissions",
    {
        "dsl": (
            "unknown_task_type", "unknown_dependency", "self_dependency", "cycle",
            "duplicate_task_id", "empty_graph", "missing_type", "missing_id",
        ),
        "engine": ("http_*",),
    },
    _suspect,
)  # fmt: skip
