"""Stages that took far longer than in the clean trial of the same plan."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_execgo.models.events import BaselineKnown, StageFinished
from pytest_execgo.verdict.evidence import Evidence
from pytest_execgo.verdict.suspicion import Rule, Suspicion

# A busy machine makes a stage take twice as long, and short stages vary by hundreds of milliseconds.
_FACTOR = 3.0
_LONGER_BY_MS = 1000.0


def _suspect(evidence: Evidence) -> Iterator[Suspicion]:
    known = evidence.of(BaselineKnown)
    usual = known[-1].stages if known else {}
    for stage in evidence.of(StageFinished):
        before = usual.get(stage.stage_id)
        if before is None or stage.outcome != "succeeded":
            continue
        if stage.duration_ms > max(before * _FACTOR, before + _LONGER_BY_MS):
            message = (
                f"stage {stage.stage_id} took {stage.duration_ms:.0f} ms, {before:.0f} ms in the clean "
                "trial, and nothing explains it"
            )
            yield Suspicion(
                "unknown", "slow", "possible", (stage.event_id,), message, stage.at_ms,
                notes=frozenset({"slow"}),
            )  # fmt: skip


RULE = Rule("slow", {"unknown": ("slow",)}, _suspect)
