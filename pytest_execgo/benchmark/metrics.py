"""The metrics of one trial, from its events."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_execgo.models import events as t
from pytest_execgo.models.trial_result import TrialMetrics
from pytest_execgo.models.verdict import FailureCounts, Verdict

Events = Sequence[t.EvidenceEvent | t.ChaosEvent]


@dataclass(frozen=True)
class PlanFacts:
    """How a trial came to its plan: fields of :class:`TrialResult`."""

    plan_shape: str | None
    model: str | None
    broken_rules: tuple[str, ...]


@dataclass(frozen=True)
class ModelFigures:
    """What was measured of a model; all null if no model was asked."""

    repair_count: int | None = None
    landed: float | None = None
    landed_at_first: float | None = None
    model_requests: int | None = None
    model_retries: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True)
class Reaction:
    """How long after the first fault it was detected, and recovered from; in milliseconds."""

    detection_ms: float | None = None
    recovery_ms: float | None = None


def trial_metrics(events: Events, verdict: Verdict, failures: FailureCounts) -> TrialMetrics:
    """All metrics of one trial; units and meanings: :class:`TrialMetrics`. ``failures`` are counted by
    the verdict, which knows the words of ExecGo."""
    facts = t.evidence(list(events))
    plan = [e for e in facts if isinstance(e, t.PlanReady)]
    plan_failed = [e for e in facts if isinstance(e, t.PlanFailed)]
    stages = [e for e in facts if isinstance(e, t.StageFinished)]
    accepted = [e for e in facts if isinstance(e, t.Submitted)]
    rejected = [e for e in facts if isinstance(e, t.SubmitRejected)]
    finished = [e for e in facts if isinstance(e, t.TrialFinished)]
    wall = finished[-1].wall_time_ms if finished else facts[-1].at_ms if facts else 0.0
    engine = _engine_time_ms(stages)
    submissions = len(accepted) + len(rejected)
    success = bool(verdict.checks) and all(check.ok for check in verdict.checks)
    model, reaction = _model_figures(facts), _reaction(events, verdict)
    return TrialMetrics(
        plan_validity=_plan_validity(plan, plan_failed),
        submit_accept_rate=len(accepted) / submissions if submissions else None,
        scenario_success=1.0 if success else 0.0,
        recovery_success=_recovery_success(verdict),
        wall_time_ms=_ms(wall),
        engine_time_ms=None if engine is None else _ms(engine),
        overhead_ms=None if engine is None else _ms(max(0.0, wall - engine)),
        plan_time_ms=_ms(
            sum(e.duration_ms for e in plan) + sum(e.duration_ms for e in plan_failed)
        ),
        stage_count=len(stages),
        task_count=sum(e.tasks for e in plan),
        retry_count=_retries(facts),
        resubmit_count=sum(isinstance(e, t.Resubmitted) for e in facts),
        repair_count=model.repair_count,
        landed=model.landed,
        landed_at_first=model.landed_at_first,
        model_requests=model.model_requests,
        model_retries=model.model_retries,
        prompt_tokens=model.prompt_tokens,
        completion_tokens=model.completion_tokens,
        timeout_count=failures.timeouts,
        runtime_failure_count=failures.of_runtime,
        invalid_action_count=failures.invalid_actions,
        artifact_hash_match=_artifacts(facts),
        detection_ms=reaction.detection_ms,
        recovery_ms=reaction.recovery_ms,
    )


def outcome_digest(events: Events, verdict: Verdict) -> str:
    """The sha256 of a trial's outcome: plan, outcome of each stage, last status of each task, result of
    each check. Times and ids are left out, so equal outcomes have equal digests."""
    facts = t.evidence(list(events))
    outcome = {
        "plan": [e.digest for e in facts if isinstance(e, t.PlanReady)],
        "stages": [[e.stage_id, e.outcome] for e in facts if isinstance(e, t.StageFinished)],
        "tasks": {e.task_id: e.status for e in facts if isinstance(e, t.TaskChanged)},
        "checks": [[check.kind, check.ok] for check in verdict.checks],
    }
    text = json.dumps(outcome, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _engine_time_ms(stages: Sequence[t.StageFinished]) -> float | None:
    """The time of all stages by ExecGo's clock; ``None`` if that of one stage is not known."""
    times = [stage.engine_time_ms for stage in stages if stage.engine_time_ms is not None]
    return sum(times) if len(times) == len(stages) else None


def _ms(value: float) -> float:
    return round(value, 3)


_NEVER_LANDED = {"never_valid", "no_answer"}
_TOO_EXPENSIVE = {"budget_requests", "budget_tokens"}


def _model_figures(facts: Sequence[t.EvidenceEvent]) -> ModelFigures:
    used = [event for event in facts if isinstance(event, t.ModelUsed)]
    if not used:
        return ModelFigures()
    landed = any(isinstance(event, t.PlanReady) for event in facts)
    codes = {e.code for e in facts if isinstance(e, t.PlanFailed)}
    # A budget that ran out counts against the model only if the model answered.
    never = bool(codes & _NEVER_LANDED or (codes & _TOO_EXPENSIVE and used[-1].answers))
    # An endpoint that does not answer proves nothing about plans.
    known = landed or never
    return ModelFigures(
        repair_count=max(0, used[-1].answers - 1),
        landed=float(landed) if known else None,
        landed_at_first=float(landed and used[-1].answers == 1) if known else None,
        model_requests=used[-1].requests,
        model_retries=sum(isinstance(e, t.ModelReplied) and e.attempt > 1 for e in facts),
        prompt_tokens=used[-1].prompt_tokens,
        completion_tokens=used[-1].completion_tokens,
    )


def plan_facts(events: Events) -> PlanFacts:
    """The shape of the plan, the model that made it, and the rules that its answers broke, each once
    and in order of appearance."""
    models = [f"{e.provider}/{e.model}" for e in events if isinstance(e, t.ModelUsed)]
    shapes = [e.shape for e in events if isinstance(e, t.PlanReady)]
    rules = [rule for e in events if isinstance(e, t.AnswerJudged) for rule in e.rules]
    return PlanFacts(
        plan_shape=shapes[-1] if shapes else None,
        model=models[-1] if models else None,
        broken_rules=tuple(dict.fromkeys(rules)),
    )


def _plan_validity(plan: list[t.PlanReady], failed: list[t.PlanFailed]) -> float | None:
    if failed:
        return 0.0
    return None if not plan else 0.0 if plan[-1].problems else 1.0


def _recovery_success(verdict: Verdict) -> float | None:
    if verdict.recovery == "not_needed" or verdict.expectation == "expected_failure":
        return None
    return 1.0 if verdict.recovery == "recovered" else 0.0


def _retries(facts: Sequence[t.EvidenceEvent]) -> int:
    """Attempts beyond the first that ExecGo made by itself (``retry``), over all tasks."""
    attempts: dict[str, int] = {}
    for event in facts:
        if isinstance(event, t.TaskChanged):
            attempts[event.engine_task_id] = max(
                event.attempt, attempts.get(event.engine_task_id, 0)
            )
    return sum(max(0, count - 1) for count in attempts.values())


def _artifacts(facts: Sequence[t.EvidenceEvent]) -> float | None:
    hashed = [e for e in facts if isinstance(e, t.ArtifactSeen) and e.expected_sha256]
    if not hashed:
        return None
    return sum(e.sha256 == e.expected_sha256 for e in hashed) / len(hashed)


def _reaction(events: Events, verdict: Verdict) -> Reaction:
    """``detection_ms``: from the first fault to the first symptom. ``recovery_ms``, for trials that
    recovered: from the first fault to the next success of a stage, or to the plan if the symptom was
    seen while planning."""
    ordered = sorted(events, key=lambda event: event.at_ms)
    fired_at = next((e.at_ms for e in ordered if isinstance(e, t.ChaosFired)), None)
    if fired_at is None:
        return Reaction()
    later = (e for e in ordered if e.at_ms >= fired_at)
    symptom = next((e for e in later if _is_symptom(e)), None)
    if symptom is None:
        return Reaction()
    recovered = None
    if verdict.recovery == "recovered":
        planning = isinstance(symptom, (t.ModelReplied, t.AnswerJudged))
        kind = t.PlanReady if planning else t.StageFinished
        ends = (e for e in ordered if isinstance(e, kind) and e.at_ms > symptom.at_ms)
        recovered = next((e.at_ms for e in ends if _succeeded(e)), None)
    return Reaction(
        detection_ms=_ms(symptom.at_ms - fired_at),
        recovery_ms=None if recovered is None else _ms(recovered - fired_at),
    )


def _succeeded(event: t.PlanReady | t.StageFinished) -> bool:
    return isinstance(event, t.PlanReady) or event.outcome == "succeeded"


_SYMPTOMS = (
    t.TaskLost, t.TaskStuck, t.EngineUnreachable, t.EngineUnavailable, t.SubmitRejected,
    t.BindingMissing, t.ServiceExited, t.ServiceStopped, t.ServiceSilent, t.ServiceLimited,
    t.LinkDegraded,
)  # fmt: skip


def _is_symptom(event: t.EvidenceEvent | t.ChaosEvent) -> bool:
    """Whether an event shows that something went wrong."""
    if isinstance(event, t.TaskChanged):
        return event.status == "failed"
    if isinstance(event, t.FixtureRequest):
        return event.wrong or event.slow
    if isinstance(event, t.ModelReplied):
        return event.code is not None or event.slow
    if isinstance(event, t.AnswerJudged):
        return bool(event.rules)
    return isinstance(event, _SYMPTOMS)
