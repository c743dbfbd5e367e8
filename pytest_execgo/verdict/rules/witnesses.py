"""Contradictions between what ExecGo says, what the runtime says, and what can be."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from pytest_execgo.models.events import (
    CheckEvaluated,
    EngineContradiction,
    RequestDiffers,
    WitnessesDiffer,
)
from pytest_execgo.verdict.evidence import Evidence
from pytest_execgo.verdict.suspicion import Rule, Suspicion


def _suspect(evidence: Evidence) -> Iterator[Suspicion]:
    for event in evidence.of(WitnessesDiffer):
        ids, text = (event.event_id,), event.sentence()
        if event.link_alters:
            yield Suspicion(
                "runtime", "answer_altered", "likely", ids, text, event.at_ms, service="runtime"
            )
        else:
            # What ExecGo got then may have been altered on its way.
            yield Suspicion("unknown", "contradiction", "possible", ids, text, event.at_ms)
    for other in evidence.of(RequestDiffers):
        yield Suspicion(
            "runtime", "request_altered", "likely", (other.event_id,), other.sentence(), other.at_ms,
            task=other.task_id, notes=frozenset({"payload"}),
        )  # fmt: skip
    if evidence.first_failure_at() < inf or _a_check_failed(evidence):
        # In a trial that succeeded, it had no effect.
        for wrong in evidence.of(EngineContradiction):
            ids, text = (wrong.event_id,), wrong.sentence()
            if wrong.how == "child_first":
                # ExecGo passes on the times of the runtime, which may have another clock.
                yield Suspicion("unknown", "contradiction", "possible", ids, text, wrong.at_ms)
                continue
            notes = frozenset({"payload"} if wrong.how == "other_payload" else ())
            yield Suspicion(
                "engine",
                "contradiction",
                "likely",
                ids,
                text,
                wrong.at_ms,
                task=wrong.task_id,
                notes=notes,
            )


def _a_check_failed(evidence: Evidence) -> bool:
    return any(not check.ok for check in evidence.of(CheckEvaluated))


RULE = Rule(
    "witnesses",
    {
        "engine": ("contradiction",),
        "runtime": ("answer_altered", "request_altered"),
        "unknown": ("contradiction",),
    },
    _suspect,
)
