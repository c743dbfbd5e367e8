"""The verdict of a trial, from its events and the expectation of its chaos profile."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf
from typing import TypeGuard

from pytest_execgo.models.cause import ExpectedCause
from pytest_execgo.models.chaos import ChaosProfile
from pytest_execgo.models.events import (
    AnswerJudged,
    ChaosArmed,
    ChaosEvent,
    ChaosFired,
    ChaosHealed,
    ChaosHealFailed,
    ChaosNotFired,
    CheckEvaluated,
    EngineUnavailable,
    EngineUnreachable,
    EvidenceEvent,
    HarnessProblem,
    ModelReplied,
    PlanFailed,
    Resubmitted,
    StageFinished,
    SubmitRejected,
    TaskChanged,
    TaskLost,
    TaskOutput,
    TaskStuck,
    TrialFinished,
    evidence,
)
from pytest_execgo.models.trial_result import FaultRecord
from pytest_execgo.models.verdict import (
    Attribution,
    CheckRecord,
    RecoveryOutcome,
    TaskWords,
    Verdict,
    VerdictStatus,
)
from pytest_execgo.verdict.advice import next_step
from pytest_execgo.verdict.attribute import attribute
from pytest_execgo.verdict.evidence import Evidence
from pytest_execgo.verdict.explain import explain
from pytest_execgo.verdict.rules import RULES
from pytest_execgo.verdict.suspicion import Rule

Events = Sequence[EvidenceEvent | ChaosEvent]
_MOST_LINES = 8
_LONGEST_LINE = 300


def judge(
    profile: ChaosProfile,
    events: Events,
    defects: Sequence[ExpectedCause] = (),
    rules: Iterable[Rule] = RULES,
) -> tuple[Verdict, tuple[FaultRecord, ...]]:
    """The verdict on one trial, and what became of each fault of ``profile``; from its events alone.

    ``defects``: causes of known findings about the services of the fleet. Naming one of them beside the
    injected cause is no mistake of attribution, and a trial that must fail still fails for that cause.
    ``rules`` are those of attribution.
    """
    facts = evidence(list(events))
    causes = attribute(facts, rules)
    checks = tuple(
        CheckRecord(
            kind=c.kind, ok=c.ok, message=c.message, expected=c.expected, got=c.got, diff=c.diff
        )
        for c in sorted(_of(facts), key=lambda c: c.index)
    )
    faults = fault_records(profile, events)
    expected = _expected(profile, faults)
    must_fail = profile.expectation == "expected_failure"
    own = [c for c in causes if _fits(c, expected) or not _fits(c, defects)]
    named = names_causes(own, expected, must_fail=must_fail) if expected else None
    ruling = _Ruling(profile, expected, facts, own, faults, checks)
    status, outcome = ruling.decide()
    fired = any(fault.status == "fired" for fault in faults)
    verdict = Verdict(
        status=status,
        expectation=profile.expectation,
        outcome=outcome,
        recovery=ruling.recovery(),
        checks=checks,
        attribution=causes,
        expected_cause=" + ".join(map(str, expected)) if expected and fired else None,
        cause_named=named if fired else None,
        failed_task=_words(Evidence(facts).stderr_of_end()),
        next_step=next_step(status, causes, checks),
        explanation=explain(events, _ending(status, ruling)),
    )
    return verdict, faults


def _words(output: TaskOutput | None) -> TaskWords | None:
    if output is None:
        return None
    lines = output.stderr.strip().splitlines()[-_MOST_LINES:]
    return TaskWords(task_id=output.task_id, stderr=tuple(line[:_LONGEST_LINE] for line in lines))


def _ending(status: VerdictStatus, ruling: _Ruling) -> str | None:
    """The last step of the explanation of a trial that passed; ``None`` for other trials."""
    if status != "passed" or not ruling.success:
        return None
    recovery = ruling.recovery()
    how = "nothing had to recover" if recovery == "not_needed" else recovery
    return f"all {len(ruling.checks)} checks hold: {how}"


def _of(facts: Sequence[EvidenceEvent]) -> list[CheckEvaluated]:
    return [event for event in facts if isinstance(event, CheckEvaluated)]


def _expected(profile: ChaosProfile, faults: Sequence[FaultRecord]) -> tuple[ExpectedCause, ...]:
    """The causes that attribution must find; of combined faults, only those of injected faults."""
    causes = profile.causes
    if len(causes) < 2:
        return causes
    return tuple(c for c, f in zip(causes, faults, strict=True) if f.status == "fired")


def names_causes(
    causes: Sequence[Attribution], expected: Sequence[ExpectedCause], *, must_fail: bool = False
) -> bool:
    """Whether attribution named every expected cause, and no cause in another layer.

    A cause counts as named if its confidence is ``certain`` or ``likely``; ``possible`` causes count
    only if no other cause is blamed. A mitigated cause counts as well, unless ``must_fail``: it cannot
    have made the trial fail.
    """
    mitigated = [] if must_fail else [cause for cause in causes if cause.mitigated]
    shown = [*_named(causes), *mitigated]
    found = all(any(one.fits(c.layer, c.code) for c in shown) for one in expected)
    return found and not _elsewhere(causes, expected)


def _fits(cause: Attribution, wanted: Sequence[ExpectedCause]) -> bool:
    return any(one.fits(cause.layer, cause.code) for one in wanted)


def _named(causes: Sequence[Attribution]) -> Sequence[Attribution]:
    blamed = [cause for cause in causes if not cause.mitigated]
    return [cause for cause in blamed if cause.confidence != "possible"] or blamed


def _elsewhere(
    causes: Sequence[Attribution], expected: Sequence[ExpectedCause]
) -> list[Attribution]:
    """Named causes in layers into which no fault was injected (``unknown`` names no cause), and
    ``wrong_output`` in such a layer at any confidence, because nothing else explains it."""
    layers = {one.layer for one in expected} | {"unknown"}
    weighed = [*_named(causes), *(cause for cause in causes if cause.code == "wrong_output")]
    return [cause for cause in weighed if cause.layer not in layers]


@dataclass(frozen=True)
class _Ruling:
    profile: ChaosProfile
    expected: Sequence[ExpectedCause]
    facts: Sequence[EvidenceEvent]
    causes: Sequence[Attribution]
    faults: Sequence[FaultRecord]
    checks: Sequence[CheckRecord]

    def decide(self) -> tuple[VerdictStatus, str]:
        """The status, and one line with the expectation and what happened."""
        missing = self._missing_evidence()
        if missing:
            return "inconclusive", missing
        silent = [f for f in self.faults if f.status == "not_fired"]
        if self.profile.expectation == "measure":
            return "passed", f"measured: {self.happened()}"
        if silent:
            names = ", ".join(f"{f.action} on {f.target} ({f.reason})" for f in silent)
            return "inconclusive", f"armed, but not injected: {names}"
        exercised = [f for f in self.faults if f.status == "fired"]
        if not exercised:
            return self._as_clean()
        if self.profile.expectation == "should_recover":
            return self._as_recovery()
        return self._as_failure()

    def _missing_evidence(self) -> str | None:
        if not any(isinstance(event, TrialFinished) for event in self.facts):
            return "the record ends before the trial does"
        for event in self.facts:
            if isinstance(event, HarnessProblem):
                return f"evidence is missing: {event.message}"
        planned = not any(isinstance(event, PlanFailed) for event in self.facts)
        if planned and not self.checks:
            return "no check was evaluated"
        return None

    @property
    def success(self) -> bool:
        return bool(self.checks) and all(check.ok for check in self.checks)

    def _as_clean(self) -> tuple[VerdictStatus, str]:
        if self.success:
            return "passed", f"all {len(self.checks)} checks hold"
        return "failed", f"expected: all checks hold · got: {self.happened()}"

    def _as_recovery(self) -> tuple[VerdictStatus, str]:
        ends = [e.at_ms for e in self.facts if isinstance(e, StageFinished)]
        late = [f for f in self.faults if f.at_ms is not None and f.at_ms > max(ends, default=inf)]
        if late:
            names = ", ".join(f"{fault.action} on {fault.target}" for fault in late)
            return (
                "inconclusive",
                f"nothing was left to recover: {names} was injected after the last stage",
            )
        if self.success:
            return "passed", f"{self.recovery().replace('_', ' ')}: all checks hold in the end"
        return "failed", f"expected: should recover · got: {self.happened()}"

    def _as_failure(self) -> tuple[VerdictStatus, str]:
        expected = self.expected
        text = " + ".join(map(str, expected))
        wanted = f"expected: failure caused by {text}"
        if self.success:
            return "failed", f"{wanted} · got: all checks hold, the fault had no effect"
        if not names_causes(self.causes, expected, must_fail=True):
            found = ", ".join(c.name for c in self.causes)
            others = _elsewhere(self.causes, expected)
            more = ", partly in other layers" if others and len(others) < len(self.causes) else ""
            return "failed", f"{wanted} · got: {self.happened()}, attributed to {found}{more}"
        return "passed", f"failed as expected ({text}): {self.happened()}"

    def happened(self) -> str:
        """The first failure, in a few words; without one, that all checks hold."""
        for event in self.facts:
            if isinstance(event, PlanFailed):
                return f"no plan: {event.message}"
        for stage in Evidence(self.facts).failed_stages():
            outcome = stage.outcome.replace("_", " ")
            return f"stage {stage.stage_id} did not finish ({outcome})"
        bad = [check for check in self.checks if not check.ok]
        if bad:
            return f"{len(bad)} of {len(self.checks)} checks do not hold"
        return f"all {len(self.checks)} checks hold"

    def recovery(self) -> RecoveryOutcome:
        """Whether something had to recover, and what became of it."""
        injections = [fault.at_ms for fault in self.faults if fault.at_ms is not None]
        injected_at = min(injections, default=inf)
        fired = any(fault.status == "fired" for fault in self.faults)
        demanded = Evidence(self.facts).demanded()
        # Without a fault, a failed task is the plan's own result. Only a task that was lost, stuck or
        # submitted again, or an engine that did not answer, means that something had to recover.
        affected = any(
            isinstance(event, _AFFECTED)
            or (event.at_ms >= injected_at and _unusable_answer(event))
            or (fired and isinstance(event, SubmitRejected))
            or (fired and _failed(event) and event.task_id not in demanded)
            for event in self.facts
        )
        outcomes = {e.outcome for e in self.facts if isinstance(e, StageFinished)}
        if self.success:
            return "recovered" if affected else "not_needed"
        if "stuck" in outcomes:
            return "stuck"
        if "lost" in outcomes:
            return "lost"
        return "degraded" if affected else "not_needed"


def _failed(event: EvidenceEvent) -> TypeGuard[TaskChanged]:
    return isinstance(event, TaskChanged) and event.status == "failed"


def _unusable_answer(event: EvidenceEvent) -> bool:
    """Whether the model gave no answer, or one that breaks rules."""
    if isinstance(event, ModelReplied):
        return event.code is not None
    return isinstance(event, AnswerJudged) and bool(event.rules)


def fault_records(profile: ChaosProfile, events: Events) -> tuple[FaultRecord, ...]:
    """What became of each fault: injected, armed and not injected, or left out by its random draw."""
    records = []
    for index, fault in enumerate(profile.faults):
        mine = [e for e in events if isinstance(e, _CHAOS) and e.fault == index]
        injections = [e for e in mine if isinstance(e, ChaosFired)]
        fired = injections[0] if injections else None
        healed = next((e for e in reversed(mine) if isinstance(e, ChaosHealed)), None)
        silent = next((e for e in mine if isinstance(e, ChaosNotFired)), None)
        left_out = silent is not None and silent.reason == "random_draw"
        reason = None if silent is None else silent.message
        if not fired and not silent:
            reason = "the record does not show whether it was injected"
        records.append(
            FaultRecord(
                action=fault.action,
                target=fault.target,
                phase=fault.when.phase,
                status="fired" if fired else ("not_exercised" if left_out else "not_fired"),
                injections=len(injections),
                detail=fired.detail if fired else None,
                stage_id=fired.stage_id if fired else None,
                task_id=fired.task_id if fired else None,
                tasks_inside=_running(events, fired, healed) if fired else (),
                at_ms=fired.at_ms if fired else None,
                healed_at_ms=healed.at_ms if healed else None,
                reason=reason,
                events=tuple(event.event_id for event in mine),
            )
        )
    return tuple(records)


def _running(events: Events, fired: ChaosFired, healed: ChaosHealed | None) -> tuple[str, ...]:
    """The tasks that ExecGo reported as running at some time between a fault and its healing."""
    end = healed.at_ms if healed else inf
    began: dict[str, TaskChanged] = {}
    ended: dict[str, float] = {}
    for event in sorted(events, key=lambda e: e.at_ms):
        if isinstance(event, TaskChanged) and event.status == "running":
            began.setdefault(event.engine_task_id, event)
        elif isinstance(event, (TaskChanged, TaskLost)):
            ended[event.engine_task_id] = event.at_ms
    inside = [
        first.task_id
        for name, first in began.items()
        if first.at_ms <= end and ended.get(name, inf) >= fired.at_ms
    ]
    return tuple(dict.fromkeys(inside))


_AFFECTED = (TaskLost, TaskStuck, EngineUnreachable, EngineUnavailable, Resubmitted)
_CHAOS = (ChaosArmed, ChaosFired, ChaosNotFired, ChaosHealed, ChaosHealFailed)
