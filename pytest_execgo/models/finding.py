"""Known findings: defects of services, and the reasons why a run accepts them."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Literal

from pydantic import Field

from pytest_execgo.models.cause import ExpectedCause
from pytest_execgo.models.document import Document, VersionedDocument

FINDING_ID = "^[a-z0-9]+(-[a-z0-9]+)*$"


class Finding(Document):
    """A defect of one service, and how it is recognised.

    ``versions`` are shell patterns over the version that the service reports. ``causes`` are those that
    attribution names in a trial that meets the defect. ``quirks`` and ``invariants`` name the recorded
    cases and the invariants of the search that show it (package ``conformance``).
    """

    id: str = Field(pattern=FINDING_ID)
    service: Literal["execgo", "runtime", "fixtures"]
    versions: tuple[str, ...] = Field(min_length=1)
    summary: str
    causes: tuple[ExpectedCause, ...] = ()
    quirks: tuple[str, ...] = ()
    invariants: tuple[str, ...] = ()

    def concerns(self, version: str) -> bool:
        """Whether a service that reports ``version`` has the defect."""
        return any(fnmatchcase(version, pattern) for pattern in self.versions)


class FindingsBook(VersionedDocument):
    """A ``findings.yaml``: the package has one, and a folder of scenarios may have one."""

    findings: tuple[Finding, ...]


class AcceptedFinding(Document):
    """A finding that a run or a chaos profile accepts as known, and the reason."""

    id: str = Field(pattern=FINDING_ID)
    reason: str = Field(min_length=1)
