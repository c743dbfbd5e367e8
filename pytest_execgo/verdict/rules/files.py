"""Files that changed while no task ran, and that tasks of the plan name."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_execgo.models.events import FileChanged
from pytest_execgo.verdict.evidence import Evidence
from pytest_execgo.verdict.suspicion import Rule, Suspicion


def _suspect(evidence: Evidence) -> Iterator[Suspicion]:
    if not evidence.went_wrong():
        return
    for event in evidence.of(FileChanged):
        readers = evidence.readers(event.path)
        if event.stage_id is not None and readers:
            message = f"{event.sentence()}; task {readers[0]} names it"
            yield Suspicion(
                "unknown", f"file_{event.how}", "likely", (event.event_id,), message, event.at_ms,
                notes=frozenset({"file"}),
            )  # fmt: skip


RULE = Rule("files", {"unknown": ("file_content", "file_mode", "file_removed")}, _suspect)
