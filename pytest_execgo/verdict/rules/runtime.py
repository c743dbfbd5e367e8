"""The runtime: failures that ExecGo reports of it, its process, and tasks that it never ends."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_execgo.models.benchmark import Confidence
from pytest_execgo.models.cause import Layer
from pytest_execgo.models.events import (
    ServiceExited,
    ServiceSilent,
    StageFinished,
    TaskChanged,
    TaskStuck,
)
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
    yield from _stuck(evidence)
    yield from _deadline(evidence)


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
    return Suspicion(
        "runtime", code, "likely", (failed.event_id,), message, failed.at_ms, service="runtime",
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


def _stuck(evidence: Evidence) -> Iterator[Suspicion]:
    """Tasks that were seen not to end. The runtime is suspected of those that ExecGo polls there, unless
    it says itself that they have ended."""
    found = evidence.of(TaskStuck)
    groups: tuple[tuple[Layer, str, list[TaskStuck]], ...] = (
        ("runtime", "the runtime", [e for e in found if e.handle_id and not e.contradicted]),
        ("engine", "ExecGo", [e for e in found if e.contradicted or not e.handle_id]),
    )
    for layer, who, stuck in groups:
        if stuck:
            names = ", ".join(dict.fromkeys(event.task_id for event in stuck))
            # An end that is not reported is certain. A long run alone is not: a clock may be wrong. If
            # the runtime reports the end, something between it and ExecGo may hold it back.
            ended = any(event.how == "ended" and not event.contradicted for event in stuck)
            shown = tuple(event.event_id for event in stuck)
            message = f"{who} never reported the end of {names}"
            confidence: Confidence = "certain" if ended else "likely"
            yield Suspicion(layer, "stuck", confidence, shown, message, stuck[0].at_ms)


def _deadline(evidence: Evidence) -> Iterator[Suspicion]:
    """A stage's deadline passed. The runtime is suspected if ExecGo still polls a task there."""
    known = {event.stage_id for event in evidence.of(TaskStuck)}
    for event in evidence.of(StageFinished):
        if event.outcome != "stuck" or event.stage_id in known:
            continue
        last = {
            seen.task_id: seen
            for seen in evidence.of(TaskChanged)
            if seen.stage_id == event.stage_id and seen.task_id in event.unfinished
        }
        polled = [seen for seen in last.values() if seen.status == "running" and seen.handle_id]
        within = [seen for seen in polled if _within_limit(evidence, seen, event.at_ms)]
        if within:
            names = ", ".join(seen.task_id for seen in within)
            message = (
                f"{names} still ran, within its own limit, when the deadline of the stage passed; the "
                "task may be slow, or have waited for something"
            )
            shown = (*(seen.event_id for seen in within), event.event_id)
            yield Suspicion(
                "unknown",
                "deadline",
                "possible",
                shown,
                message,
                event.at_ms,
                since=within[0].at_ms,
            )
        elif polled:
            names = ", ".join(seen.task_id for seen in polled)
            message = f"the runtime had not finished {names} when the deadline passed"
            shown = (*(seen.event_id for seen in polled), event.event_id)
            yield Suspicion(
                # The task itself may be slow.
                "runtime",
                "stuck",
                "possible",
                shown,
                message,
                event.at_ms,
                since=polled[0].at_ms,
            )
        else:
            names = ", ".join(event.unfinished)
            message = f"ExecGo had not finished {names} when the deadline passed"
            yield Suspicion("engine", "stuck", "likely", (event.event_id,), message, event.at_ms)


def _within_limit(evidence: Evidence, seen: TaskChanged, now: float) -> bool:
    limit = evidence.inputs(seen.task_id).limit_ms
    same = [e for e in evidence.of(TaskChanged) if e.engine_task_id == seen.engine_task_id]
    began = min(event.at_ms for event in same if event.status == "running")
    return limit is None or now - began < limit


RULE = Rule(
    "runtime",
    {
        "runtime": (
            "handle_lost", "unreachable", "http_error", "no_reason", "bad_answer",
            "contradiction", "process_exited", "stuck", "*",
        ),
        "engine": ("stuck",),
        "unknown": ("submitted_twice", "deadline"),
        "dsl": ("duplicate_task_id",),
    },
    _suspect,
)  # fmt: skip
