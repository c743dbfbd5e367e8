"""Bindings without a value."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_execgo.models.benchmark import Confidence
from pytest_execgo.models.events import BindingMissing, TaskChanged
from pytest_execgo.verdict.evidence import Evidence
from pytest_execgo.verdict.suspicion import Rule, Suspicion


def _suspect(evidence: Evidence) -> Iterator[Suspicion]:
    for event in evidence.of(BindingMissing):
        if not event.required:
            continue
        # The output may be wrong because of what the source task read.
        known = evidence.is_compared() or evidence.agreed(event.source_task_id)
        doubtful = evidence.reads(event.source_task_id) or not known
        confidence: Confidence = "possible" if doubtful else "likely"
        ids = (event.event_id,)
        if event.code == "unreadable":
            # The binding is right: it found a text, and the text is wrong.
            message = f"task {event.source_task_id} succeeded with output that {event.reason}"
            if evidence.proven(event.source_task_id):
                yield Suspicion(
                    "unknown", "changed_output", "possible", ids,
                    f"{message}; it gave better output before with the same payload", event.at_ms,
                )  # fmt: skip
                continue
            if not known:
                # The text may have changed on its way from the task to ExecGo's answer.
                why = f"{message}; either the task, or what passed the output on, is wrong"
                yield Suspicion("unknown", "task_or_output", "possible", ids, why, event.at_ms)
            yield Suspicion("task", "bad_output", confidence, ids, message, event.at_ms)
            continue
        message = f"{event.target_task_id}.{event.target_param_path}: {event.reason}"
        notes = frozenset() if _has_succeeded(evidence, event) else frozenset({"source_failed"})
        yield Suspicion(
            "binding", "binding_missing", confidence, ids, message, event.at_ms, notes=notes
        )


def _has_succeeded(evidence: Evidence, missing: BindingMissing) -> bool:
    seen = [e for e in evidence.of(TaskChanged) if e.task_id == missing.source_task_id]
    return bool(seen) and seen[-1].status == "success"


RULE = Rule(
    "bindings",
    {
        "binding": ("binding_missing",),
        "task": ("bad_output",),
        "unknown": ("changed_output", "task_or_output"),
    },
    _suspect,
)
