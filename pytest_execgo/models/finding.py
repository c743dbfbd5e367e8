"""Known findings: what an engine or runtime is known to do wrong, and who has accepted it."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Literal

from pydantic import Field

from pytest_execgo.models.cause import ExpectedCause
from pytest_execgo.models.document import Document, VersionedDocument

FINDING_ID = "^[a-z0-9]+(-[a-z0-9]+)*$"


class Finding(Document):
    """A defect of one service, and by what it is recognised.

    ``versions`` are shell patterns over the version that the service itself reports. ``causes`` is
    what attribution names when a trial meets it; ``quirks`` and ``invariants`` are the recorded cases
    and the search's invariants that show it (``conformance``).
    """

    id: str = Field(pattern=FINDING_ID)
    service: Literal["execgo", "runtime", "fixtures"]
    versions: tuple[str, ...] = Field(min_length=1)
    summary: str
    causes: tuple[ExpectedCause, ...] = ()
    quirks: tuple[str, ...] = ()
    invariants: tuple[str, ...] = ()

    def concerns(self, version: str) -> bool:
        """Whether a version, as the service reports it, has the defect."""
        return any(fnmatchcase(version, pattern) for pattern in self.versions)


class FindingsBook(VersionedDocument):
    """A ``findings.yaml``: the package has one, a folder of scenarios may have another."""

    findings: tuple[Finding, ...]


class AcceptedFinding(Document):
    """A finding that a run or a chaos profile takes as known, and why."""

    id: str = Field(pattern=FINDING_ID)
    reason: str = Field(min_length=1)
