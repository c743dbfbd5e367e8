"""The metrics of one trial, from its events."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from pytest_execgo.models import events as t
from pytest_execgo.models.benchmark import TrialMetrics, Verdict

Events = Sequence[t.EvidenceEvent | t.ChaosEvent]


def trial_metrics(events: Events, verdict: Verdict) -> TrialMetrics:
    """Everything that is measured on one trial; see :class:`TrialMetrics` for units."""
    facts = t.evidence(list(events))
    plan = [e for e in facts if isinstance(e, t.PlanReady)]
    plan_failed = [e for e in facts if isinstance(e, t.PlanFailed)]
    stages = [e for e in facts if isinstance(e, t.StageFinished)]
    accepted = [e for e in facts if isinstance(e, t.Submitted)]
    rejected = [e for e in facts if isinstance(e, t.SubmitRejected)]
    finished = [e for e in facts if isinstance(e, t.TrialFinished)]
    wall = finished[-1].wall_time_ms if finished else facts[-1].at_ms if facts else 0.0
    engine = sum(stage.engine_time_ms for stage in stages)
    failures = _failures(facts)
    submissions = len(accepted) + len(rejected)
    success = bool(verdict.checks) and all(check.ok for check in verdict.checks)
    return TrialMetrics(
        plan_validity=_plan_validity(plan, plan_failed),
        submit_accept_rate=len(accepted) / submissions if submissions else None,
        scenario_success=1.0 if success else 0.0,
        recovery_success=_recovery_success(verdict),
        wall_time_ms=_ms(wall),
        engine_time_ms=_ms(engine),
        overhead_ms=_ms(max(0.0, wall - engine)),
        plan_time_ms=_ms(
            sum(e.duration_ms for e in plan) + sum(e.duration_ms for e in plan_failed)
        ),
        stage_count=len(stages),
        task_count=sum(e.tasks for e in plan),
        retry_count=_retries(facts),
        resubmit_count=sum(isinstance(e, t.Resubmitted) for e in facts),
        **_landing(facts),
        timeout_count=sum(_is_timeout(e) for e in failures),
        runtime_failure_count=sum(_is_runtime_failure(e) for e in failures),
        invalid_action_count=_invalid_actions(rejected, failures),
        artifact_hash_match=_artifacts(facts),
        **_reaction(events, verdict),
    )


def outcome_digest(events: Events, verdict: Verdict) -> str:
    """The sha256 of what a trial came to, without times and ids: equal for equal outcomes.

    Plan, outcome of each stage, last status of each task, each check's result.
    """
    facts = t.evidence(list(events))
    outcome = {
        "plan": [e.digest for e in facts if isinstance(e, t.PlanReady)],
        "stages": [[e.stage_id, e.outcome] for e in facts if isinstance(e, t.StageFinished)],
        "tasks": {e.task_id: e.status for e in facts if isinstance(e, t.TaskChanged)},
        "checks": [[check.kind, check.ok] for check in verdict.checks],
    }
    text = json.dumps(outcome, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _ms(value: float) -> float:
    return round(value, 3)


_NEVER_LANDED = {"never_valid", "no_answer"}
_TOO_EXPENSIVE = {"budget_requests", "budget_tokens"}


def _landing(facts: Sequence[t.EvidenceEvent]) -> dict[str, Any]:
    """What came of the answers of a model; empty where none was asked."""
    used = [event for event in facts if isinstance(event, t.ModelUsed)]
    if not used:
        return {"repair_count": None}
    landed = any(isinstance(event, t.PlanReady) for event in facts)
    codes = {e.code for e in facts if isinstance(e, t.PlanFailed)}
    # Of a plan that became too expensive, answers say whether it was the model's fault.
    never = bool(codes & _NEVER_LANDED or (codes & _TOO_EXPENSIVE and used[-1].answers))
    known = landed or never
    return {
        "repair_count": max(0, used[-1].answers - 1),
        # An endpoint that does not answer says nothing about plans.
        "landed": float(landed) if known else None,
        "landed_at_first": float(landed and used[-1].answers == 1) if known else None,
        "model_requests": used[-1].requests,
        "model_retries": sum(isinstance(e, t.ModelReplied) and e.attempt > 1 for e in facts),
        "prompt_tokens": used[-1].prompt_tokens,
        "completion_tokens": used[-1].completion_tokens,
    }


def plan_facts(events: Events) -> dict[str, Any]:
    """The shape of the plan, the model behind it, and the rules that answers broke on the way to it."""
    models = [f"{e.provider}/{e.model}" for e in events if isinstance(e, t.ModelUsed)]
    shapes = [e.shape for e in events if isinstance(e, t.PlanReady)]
    rules = [rule for e in events if isinstance(e, t.AnswerJudged) for rule in e.rules]
    return {
        "plan_shape": shapes[-1] if shapes else None,
        "model": models[-1] if models else None,
        "broken_rules": tuple(dict.fromkeys(rules)),
    }


def _plan_validity(plan: list[t.PlanReady], failed: list[t.PlanFailed]) -> float | None:
    if failed:
        return 0.0
    return None if not plan else 0.0 if plan[-1].problems else 1.0


def _recovery_success(verdict: Verdict) -> float | None:
    if verdict.recovery == "not_needed" or verdict.expectation == "expected_failure":
        return None
    return 1.0 if verdict.recovery == "recovered" else 0.0


def _failures(facts: Sequence[t.EvidenceEvent]) -> list[t.TaskChanged]:
    last: dict[str, t.TaskChanged] = {}
    for event in facts:
        if isinstance(event, t.TaskChanged) and event.status == "failed":
            last[event.engine_task_id] = event
    return list(last.values())


def _retries(facts: Sequence[t.EvidenceEvent]) -> int:
    """ExecGo's own attempts beyond the first, over all tasks."""
    attempts: dict[str, int] = {}
    for event in facts:
        if isinstance(event, t.TaskChanged):
            attempts[event.engine_task_id] = max(
                event.attempt, attempts.get(event.engine_task_id, 0)
            )
    return sum(max(0, count - 1) for count in attempts.values())


def _is_timeout(event: t.TaskChanged) -> bool:
    return event.error is not None and event.error.timed_out


def _is_runtime_failure(event: t.TaskChanged) -> bool:
    return event.error is not None and event.error.blames_runtime() is not None


def _invalid_actions(rejected: list[t.SubmitRejected], failures: list[t.TaskChanged]) -> int:
    unknown_type = sum("unknown task type" in e.message for e in rejected)
    unknown_tool = sum(
        e.error is not None and e.error.message.startswith("unknown os tool") for e in failures
    )
    return unknown_type + unknown_tool


def _artifacts(facts: Sequence[t.EvidenceEvent]) -> float | None:
    hashed = [e for e in facts if isinstance(e, t.ArtifactSeen) and e.expected_sha256]
    if not hashed:
        return None
    return sum(e.sha256 == e.expected_sha256 for e in hashed) / len(hashed)


def _reaction(events: Events, verdict: Verdict) -> dict[str, Any]:
    """``detection_ms``: fault to first evidence; ``recovery_ms``: fault to the success of the stage
    in which it was seen, or to the plan, for trials that had to recover."""
    ordered = sorted(events, key=lambda event: event.at_ms)
    fired_at = next((e.at_ms for e in ordered if isinstance(e, t.ChaosFired)), None)
    shown = None
    if fired_at is not None:
        later = (e for e in ordered if e.at_ms >= fired_at)
        shown = next((e for e in later if _is_evidence(e)), None)
    if fired_at is None or shown is None:
        return {"detection_ms": None, "recovery_ms": None}
    recovered = None
    if verdict.recovery == "recovered":
        planning = isinstance(shown, (t.ModelReplied, t.AnswerJudged))
        kind = t.PlanReady if planning else t.StageFinished
        ends = (e for e in ordered if isinstance(e, kind) and e.at_ms > shown.at_ms)
        recovered = next((e.at_ms for e in ends if _went_well(e)), None)
    return {
        "detection_ms": _ms(shown.at_ms - fired_at),
        "recovery_ms": None if recovered is None else _ms(recovered - fired_at),
    }


def _went_well(event: t.PlanReady | t.StageFinished) -> bool:
    return isinstance(event, t.PlanReady) or event.outcome == "succeeded"


_PROBLEMS = (
    t.TaskLost, t.EngineUnreachable, t.SubmitRejected, t.BindingMissing, t.ServiceExited,
    t.ServiceStopped, t.ServiceSilent, t.ServiceLimited, t.LinkDegraded,
)  # fmt: skip


def _is_evidence(event: t.EvidenceEvent | t.ChaosEvent) -> bool:
    """Whether an answer, a silence, or a look at a service shows that something went wrong."""
    if isinstance(event, t.TaskChanged):
        return event.status == "failed"
    if isinstance(event, t.FixtureRequest):
        return event.wrong or event.slow
    if isinstance(event, t.ModelReplied):
        return event.code is not None or event.slow
    if isinstance(event, t.AnswerJudged):
        return bool(event.rules)
    return isinstance(event, _PROBLEMS)
