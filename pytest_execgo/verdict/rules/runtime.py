"""The runtime: failures that ExecGo reports of it, and its process."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_execgo.models.cause import Layer
from pytest_execgo.models.events import (
    ServiceExited,
    ServiceSilent,
    TaskChanged,
)
from pytest_execgo.models.verdict import Confidence
from pytest_execgo.verdict import wording
from pytest_execgo.verdict.evidence import Evidence
from pytest_execgo.verdict.suspicion import Rule, Suspicion, notes_of_end


def _suspect(evidence: Evidence) -> Iterator[Suspicion]:
    for failed in evidence.failures():
        found = wording.failure(failed)
        if found.kind == "runtime" and found.code == "conflict":
            yield _conflict(evidence, failed)
        elif found.kind == "runtime":
            yield _failure(evidence, failed, found.code)
    for gone in evidence.exits("runtime")[:1]:
        ids = tuple(event.event_id for event in evidence.exits("runtime"))
        yield Suspicion(
            "runtime", "process_exited", "certain", ids, f"{gone.ending}; no task failed", gone.at_ms,
            service="runtime", notes=notes_of_end(gone),
        )  # fmt: skip


def _failure(evidence: Evidence, failed: TaskChanged, code: str) -> Suspicion:
    notes = {"failure"} | ({"cut_off"} if wording.is_cut_off(failed) else set())
    exits = evidence.exits("runtime")
    gone = [event for event in exits if event.at_ms <= failed.at_ms]
    gone = gone or _ends_seen_late(evidence, failed)
    if gone:
        message = f"{gone[-1].ending} while task {failed.task_id} needed it"
        both = (gone[-1].event_id, failed.event_id)
        notes |= {"with_exit", *notes_of_end(gone[-1])}
        return Suspicion(
            "runtime", code, "certain", both, message, failed.at_ms, service="runtime",
            notes=frozenset(notes), settled_at=evidence.settled_at(failed),
        )  # fmt: skip
    message = f"task {failed.task_id}: {evidence.message(failed)}"
    ids: tuple[str, ...] = (failed.event_id,)
    known = evidence.still_known(failed.task_id) if code == "handle_lost" else None
    if known is not None:
        code = "answer_altered" if known.other_handle else "answer_lost"
        message = f"{message}; {known.sentence()}"
        ids = (*ids, known.event_id)
    return Suspicion(
        "runtime", code, "likely", ids, message, failed.at_ms, service="runtime",
        notes=frozenset(notes), settled_at=evidence.settled_at(failed),
    )  # fmt: skip


def _conflict(evidence: Evidence, failed: TaskChanged) -> Suspicion:
    """The runtime knows the id of a task that ExecGo started once."""
    message = f"task {failed.task_id}: {evidence.message(failed)}"
    layer: Layer = "unknown"
    code, why = "submitted_twice", "its id is new, so ExecGo, or a connection, submitted it twice"
    confidence: Confidence = "possible"
    if evidence.inputs(failed.task_id).own_id:
        layer, code, confidence = "dsl", "duplicate_task_id", "likely"
        why = "the plan itself chooses the id, and a task of an earlier trial may have it"
    return Suspicion(
        layer, code, confidence, (failed.event_id,), f"{message}; {why}", failed.at_ms,
        since=evidence.submitted_at(failed), settled_at=evidence.settled_at(failed),
        task=failed.task_id, notes=frozenset({"failure", "task"}),
    )  # fmt: skip


def _ends_seen_late(evidence: Evidence, failed: TaskChanged) -> list[ServiceExited]:
    """The ends of the runtime's process in the time of its silence in which the task failed. A busy
    engine of containers reports an end later than the health check sees the silence. Another problem
    that the check saw explains the failure by itself."""
    if any(not isinstance(event, ServiceSilent) for event in evidence.health("runtime")):
        return []
    windows = [
        window
        for window in evidence.unhealthy_windows("runtime")
        if window.start <= failed.at_ms <= window.end
    ]
    return [
        gone
        for gone in evidence.exits("runtime")
        if any(window.start <= gone.at_ms <= window.end for window in windows)
    ]


RULE = Rule(
    "runtime",
    {
        "runtime": (
            "handle_lost", "answer_lost", "answer_altered", "unreachable", "http_error",
            "no_reason", "bad_answer", "contradiction", "process_exited", "*",
        ),
        "unknown": ("submitted_twice",),
        "dsl": ("duplicate_task_id",),
    },
    _suspect,
)  # fmt: skip
