"""ExecGo itself: its process, its answers, and tasks that it loses or never ends."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_execgo.models.events import (
    EngineProtocolError,
    EngineUnavailable,
    EngineUnreachable,
    TaskLost,
)
from pytest_execgo.verdict.evidence import Evidence
from pytest_execgo.verdict.suspicion import Rule, Suspicion, notes_of_end


def _suspect(evidence: Evidence) -> Iterator[Suspicion]:
    for gone in evidence.exits("execgo"):
        yield Suspicion(
            "engine", "process_exited", "certain", (gone.event_id,), gone.ending, gone.at_ms,
            service="execgo", notes=notes_of_end(gone),
        )  # fmt: skip
    lost = evidence.of(TaskLost)
    if lost:
        names = ", ".join(event.task_id for event in lost)
        ids = tuple(event.event_id for event in lost)
        restarted = any(event.how == "orphaned" for event in lost) or evidence.exits("execgo")
        yield Suspicion(
            "engine", "task_lost", "certain" if restarted else "likely", ids,
            f"ExecGo lost {names}", lost[0].at_ms,
        )  # fmt: skip
    silent = evidence.of(EngineUnreachable)
    if silent:
        ids = tuple(event.event_id for event in silent)
        first = silent[0]
        yield Suspicion(
            "engine", "unreachable", "likely", ids, first.message, first.at_ms, service="execgo"
        )
    for put_off in evidence.of(EngineUnavailable)[:1]:
        message = (
            f"ExecGo, or a gateway in front of it, asked to try again later: {put_off.message}"
        )
        ids = (put_off.event_id,)
        yield Suspicion("engine", "unavailable", "certain", ids, message, put_off.at_ms)
    for event in evidence.of(EngineProtocolError):
        ids = (event.event_id,)
        yield Suspicion("engine", "protocol_error", "likely", ids, event.message, event.at_ms)


RULE = Rule(
    "engine",
    {"engine": ("process_exited", "task_lost", "unreachable", "unavailable", "protocol_error")},
    _suspect,
)
