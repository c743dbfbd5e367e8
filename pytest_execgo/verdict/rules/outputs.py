"""Tasks whose output differs from that of the clean trials."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_execgo.models.events import BaselineDiffers, TaskChanged
from pytest_execgo.verdict.evidence import Evidence
from pytest_execgo.verdict.suspicion import Rule, Suspicion


def _suspect(evidence: Evidence) -> Iterator[Suspicion]:
    """The first such task only: what later tasks print depends on it."""
    ended = {
        event.task_id: event.at_ms
        for event in evidence.of(TaskChanged)
        if event.status == "success"
    }
    found = [
        one
        for one in evidence.of(BaselineDiffers)
        if one.subject == "task" and one.name in ended and one.field != "status"
    ]
    if not found:
        return
    first = min(found, key=lambda one: ended[one.name])
    altered = evidence.changed_file(first.name)
    code = altered.code if altered else "changed_output"
    message = altered.message if altered else first.sentence() or ""
    yield Suspicion("unknown", code, "possible", (first.event_id,), message, ended[first.name])


RULE = Rule(
    "outputs",
    {"unknown": ("changed_output", "file_removed", "file_mode", "file_content")},
    _suspect,
)
