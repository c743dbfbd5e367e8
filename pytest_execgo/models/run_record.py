"""What the reports of a run need besides its trials: ``run.json``."""

from __future__ import annotations

from typing import Literal

from pytest_execgo.models.document import Document, VersionedDocument
from pytest_execgo.models.gate import GateRecord
from pytest_execgo.models.plan import Mode

UnfinishedState = Literal["error", "skipped", "not_needed", "not_run"]


class NotApplicable(Document):
    """A scenario and chaos profile that make no trial, and the reason. ``framework`` and ``mode`` are
    null unless the reason concerns only them."""

    scenario: str
    chaos: str
    reason: str
    framework: str | None = None
    mode: Mode | None = None


class TrialEnd(Document):
    """How a trial ended without a result that counts; ``reason`` is one line."""

    state: UnfinishedState
    reason: str


class AcceptedFindingText(Document):
    """Why a run accepts a finding as known, and what the finding is about."""

    reason: str
    summary: str


class FaultPlace(Document):
    """One fault of a chaos profile: ``action target`` and its phase."""

    fault: str
    phase: str


class ReplayRecord(Document):
    """A repeated trial; ``differences`` from the recorded trial are empty if both are equal."""

    trial_id: str
    of: str
    differences: tuple[str, ...]


class RunRecord(VersionedDocument):
    """``run.json``: what the reports of a run need besides the folders of its trials.

    ``planned``: ids of the trials. ``shards``: the parts ``i/n`` of the matrix that the folder holds;
    empty for the whole. ``ends``: trials that ended without a result. ``findings`` by id, ``faults`` by
    chaos profile: those of a trial without a result count as not exercised. ``gates``: what they came to
    in this run; a report judges those anew that need no base.
    """

    planned: tuple[str, ...] = ()
    shards: tuple[str, ...] = ()
    ends: dict[str, TrialEnd] = {}
    not_applicable: tuple[NotApplicable, ...] = ()
    findings: dict[str, AcceptedFindingText] = {}
    faults: dict[str, tuple[FaultPlace, ...]] = {}
    replays: tuple[ReplayRecord, ...] = ()
    gates: tuple[GateRecord, ...] = ()
