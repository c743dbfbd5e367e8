"""Whether a failed trial is explained by a finding that was accepted as known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

from pytest_execgo.models.cause import ExpectedCause
from pytest_execgo.models.environment import ServiceInfo
from pytest_execgo.models.events import ChaosEvent, EvidenceEvent, TaskChanged, TaskStuck
from pytest_execgo.models.finding import Finding
from pytest_execgo.models.trial_result import FaultRecord
from pytest_execgo.models.verdict import Attribution, Verdict

_ENDS_NO_PROCESS = frozenset({"network", "pause"})
"""Actions that cannot end the processes of a task."""


@dataclass(frozen=True)
class JudgedTrial:
    """A trial with its verdict, expected causes, faults and events."""

    verdict: Verdict
    expected: Sequence[ExpectedCause]
    faults: Sequence[FaultRecord]
    events: Sequence[EvidenceEvent | ChaosEvent]


def known_finding(
    trial: JudgedTrial, accepted: Sequence[Finding], services: Mapping[str, ServiceInfo]
) -> str | None:
    """The id of the first accepted finding that explains a failed trial; ``None`` if no finding does.

    A finding excuses neither a second defect nor the effect of an injected fault. So all of this must
    hold: the finding concerns a service of this fleet in its version; attribution names its cause as
    ``certain`` or ``likely``; every other ``certain`` cause, and every ``likely`` one of the plan's own,
    is in an injected layer; and if a fault was
    injected into that service, the tasks that show the finding began after the fault was healed, or show
    something that the fault cannot cause.
    """
    if trial.verdict.status != "failed":
        return None
    for finding in findings_about(services, accepted):
        met = _met(trial.verdict, finding)
        blamed = [cause for cause in trial.verdict.attribution if not cause.mitigated]
        affected = {one.layer for one in trial.expected}
        others = [c for c in blamed if c.confidence == "certain" or _is_the_plans(c)]
        alone = all(_fits(c, finding.causes) or c.layer in affected for c in others)
        if met and alone and _unaffected(trial, finding, met):
            return finding.id
    return None


def findings_about(
    services: Mapping[str, ServiceInfo], findings: Sequence[Finding]
) -> list[Finding]:
    """The findings that concern a service of a fleet in its version."""
    return [
        one
        for one in findings
        if (info := services.get(one.service)) is not None and one.concerns(info.version)
    ]


def named_findings(verdict: Verdict, findings: Sequence[Finding]) -> tuple[str, ...]:
    """The ids of the findings whose cause attribution named, whether the trial failed or not."""
    return tuple(one.id for one in findings if _met(verdict, one))


def _met(verdict: Verdict, finding: Finding) -> list[Attribution]:
    """The named causes that are those of a finding."""
    blamed = [cause for cause in verdict.attribution if not cause.mitigated]
    return [c for c in blamed if _fits(c, finding.causes) and c.confidence != "possible"]


def _is_the_plans(cause: Attribution) -> bool:
    """Whether a cause is likely, and one of the plan's own: those are never certain."""
    return cause.confidence == "likely" and cause.layer in ("dsl", "binding", "task")


def _fits(cause: Attribution, wanted: Sequence[ExpectedCause]) -> bool:
    return any(one.fits(cause.layer, cause.code) for one in wanted)


def _unaffected(trial: JudgedTrial, finding: Finding, met: Sequence[Attribution]) -> bool:
    """Whether the tasks that show the finding were first seen after all faults of its service were
    healed; or, after faults that end no process, whether the processes of these tasks were seen ended
    after that."""
    affected = [f for f in trial.faults if f.status == "fired" and f.target == finding.service]
    healed = max(
        (inf if f.healed_at_ms is None else f.healed_at_ms for f in affected), default=-inf
    )
    shown = {event for cause in met for event in cause.evidence}
    stuck = [e for e in trial.events if isinstance(e, TaskStuck) and e.event_id in shown]
    if stuck and all(fault.action in _ENDS_NO_PROCESS for fault in affected):
        return all(e.how == "ended" and e.at_ms - e.watched_ms > healed for e in stuck)
    tasks = {
        e.engine_task_id
        for e in trial.events
        if isinstance(e, (TaskChanged, TaskStuck)) and e.event_id in shown
    }
    begun = [
        e.at_ms for e in trial.events if isinstance(e, TaskChanged) and e.engine_task_id in tasks
    ]
    return not affected or (bool(begun) and min(begun) > healed)
