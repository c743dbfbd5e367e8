"""Events of the verification: artifacts and checks."""

from __future__ import annotations

from typing import Any, Literal

from pytest_execgo.models.events.base import Event


class ChecksStarted(Event):
    """The stages have ended; artifacts and checks are evaluated next."""

    event_type: Literal["checks_started"] = "checks_started"


class ArtifactSeen(Event):
    """A file in the workspace at the end; ``sha256`` is null if the file does not exist, or is larger
    than 1 GB."""

    event_type: Literal["artifact_seen"] = "artifact_seen"
    stage_id: str
    path: str
    sha256: str | None = None
    expected_sha256: str | None = None


class CheckEvaluated(Event):
    """One check. ``raised`` means that the check's own code raised an error, which says nothing about
    the system. ``diff``: the lines that differ, as a unified diff."""

    event_type: Literal["check_evaluated"] = "check_evaluated"
    index: int
    kind: str
    ok: bool
    message: str
    expected: Any = None
    got: Any = None
    task: str | None = None
    raised: bool = False
    diff: tuple[str, ...] = ()

    def sentence(self) -> str | None:
        return None if self.ok else f"check {self.kind} failed: {self.message}"
