"""Bindings without a value."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_execgo.models.events import BindingMissing, TaskChanged
from pytest_execgo.models.verdict import Confidence
from pytest_execgo.verdict.evidence import Evidence
from pytest_execgo.verdict.suspicion import Rule, Suspicion


def _suspect(evidence: Evidence) -> Iterator[Suspicion]:
    for event in evidence.of(BindingMissing):
        if not event.required:
            continue
        if event.code == "unreadable":
            # The binding is right: it found a text, and the text is wrong.
            yield from _unreadable(evidence, event)
            continue
        succeeded = _has_succeeded(evidence, event)
        message = f"{event.target_task_id}.{event.target_param_path}: {event.reason}"
        if succeeded and not _is_confirmed(evidence, event):
            yield _not_confirmed(event, message)
        notes = frozenset() if succeeded else frozenset({"source_failed"})
        yield Suspicion(
            "binding", "binding_missing", _confidence(evidence, event), (event.event_id,), message,
            event.at_ms, notes=notes,
        )  # fmt: skip


def _unreadable(evidence: Evidence, event: BindingMissing) -> Iterator[Suspicion]:
    ids = (event.event_id,)
    message = f"task {event.source_task_id} succeeded with output that {event.reason}"
    if evidence.proven(event.source_task_id):
        why = f"{message}; it gave better output before with the same payload"
        yield Suspicion("unknown", "changed_output", "possible", ids, why, event.at_ms)
        return
    if not _is_confirmed(evidence, event):
        yield _not_confirmed(event, message)
    yield Suspicion("task", "bad_output", _confidence(evidence, event), ids, message, event.at_ms)


def _is_confirmed(evidence: Evidence, event: BindingMissing) -> bool:
    """Whether a second witness says that the output is the one that the task gave."""
    return evidence.is_compared() or evidence.agreed(event.source_task_id)


def _not_confirmed(event: BindingMissing, message: str) -> Suspicion:
    why = f"{message}; either the plan, or what passed the output on, is wrong"
    return Suspicion("unknown", "task_or_output", "possible", (event.event_id,), why, event.at_ms)


def _confidence(evidence: Evidence, event: BindingMissing) -> Confidence:
    """The output may also be wrong because of what the source task read."""
    doubtful = evidence.reads(event.source_task_id) or not _is_confirmed(evidence, event)
    return "possible" if doubtful else "likely"


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
