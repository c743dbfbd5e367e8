"""Whether a failed trial is explained by a finding that was accepted as known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

from pytest_execgo.models.benchmark import Attribution, FaultRecord, ServiceInfo, Verdict
from pytest_execgo.models.cause import ExpectedCause
from pytest_execgo.models.events import ChaosEvent, EvidenceEvent, TaskChanged
from pytest_execgo.models.finding import Finding


@dataclass(frozen=True)
class JudgedTrial:
    """What is looked at: the verdict, what was expected, what became of the faults, the record."""

    verdict: Verdict
    expected: Sequence[ExpectedCause]
    faults: Sequence[FaultRecord]
    events: Sequence[EvidenceEvent | ChaosEvent]


def known_finding(
    trial: JudgedTrial, accepted: Sequence[Finding], services: Mapping[str, ServiceInfo]
) -> str | None:
    """The id of the accepted finding that explains a failure; ``None`` if none does.

    A finding is no excuse for a second defect, nor for what our own fault did: it must be about a
    service of this fleet in this version, attribution must hold its cause for at least likely,
    nothing else may certainly be to blame but what was injected, and where that very service was
    hit, the tasks that show the finding must have begun after the fault was healed.
    """
    if trial.verdict.status != "failed":
        return None
    for finding in accepted:
        info = services.get(finding.service)
        if info is None or not finding.concerns(info.version):
            continue
        blamed = [cause for cause in trial.verdict.attribution if not cause.mitigated]
        met = [c for c in blamed if _is(c, finding.causes)]
        met = [cause for cause in met if cause.confidence != "possible"]
        affected = {one.layer for one in trial.expected}
        certain = [c for c in blamed if c.confidence == "certain"]
        alone = all(_is(c, finding.causes) or c.layer in affected for c in certain)
        if met and alone and _on_its_own(trial, finding, met):
            return finding.id
    return None


def _is(cause: Attribution, wanted: Sequence[ExpectedCause]) -> bool:
    return any(one.fits(cause.layer, cause.code) for one in wanted)


def _on_its_own(trial: JudgedTrial, finding: Finding, met: Sequence[Attribution]) -> bool:
    """Whether the tasks that show it were first seen after all faults of that service were healed."""
    affected = [f for f in trial.faults if f.status == "fired" and f.target == finding.service]
    healed = max(
        (inf if f.healed_at_ms is None else f.healed_at_ms for f in affected), default=-inf
    )
    shown = {event for cause in met for event in cause.evidence}
    tasks = {
        e.engine_task_id for e in trial.events if isinstance(e, TaskChanged) and e.event_id in shown
    }
    begun = [
        e.at_ms for e in trial.events if isinstance(e, TaskChanged) and e.engine_task_id in tasks
    ]
    return not affected or (bool(begun) and min(begun) > healed)
