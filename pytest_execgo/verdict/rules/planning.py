"""Before the first submission: the harness, the adapter, and the answers of the model."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from pytest_execgo.models.cause import Layer
from pytest_execgo.models.events import (
    AnswerJudged,
    HarnessProblem,
    ModelReplied,
    PlanFailed,
    PlanReady,
)
from pytest_execgo.models.verdict import Confidence
from pytest_execgo.verdict.evidence import Evidence
from pytest_execgo.verdict.suspicion import Rule, Suspicion

# The adapter worked, but its plan cannot be submitted.
_PLAN_CODES = ("unknown_placeholder", "never_valid")
_BUDGETS = {"budget_requests", "budget_tokens", "budget_time", "budget_bytes"}


def _suspect(evidence: Evidence) -> Iterator[Suspicion]:
    for problem in evidence.of(HarnessProblem):
        if problem.service is None:
            yield Suspicion("harness", "problem", "certain", (problem.event_id,), problem.message)
        else:
            # The service, or the connection to it, may be the reason.
            yield Suspicion(
                "unknown", "unobserved", "possible", (problem.event_id,), problem.message,
                problem.at_ms,
            )  # fmt: skip
    for event in evidence.of(PlanFailed):
        layer: Layer = "plan" if event.code in _PLAN_CODES else "adapter"
        shown = [reply.event_id for reply in evidence.of(ModelReplied) if reply.code == event.code]
        # It decided the end, so it comes before what led to it.
        ids = (*shown, event.event_id)
        yield Suspicion(layer, event.code, "certain", ids, event.message, at=-inf)
    yield from _model(evidence)


def _model(evidence: Evidence) -> Iterator[Suspicion]:
    """Unusable replies of the model's endpoint, and answers that break rules of the DSL."""
    planned = bool(evidence.of(PlanReady))
    failed = {event.code for event in evidence.of(PlanFailed)}
    replies = evidence.of(ModelReplied)
    for code in dict.fromkeys(reply.code for reply in replies):
        if code is None or code in failed:
            continue
        mine = [reply for reply in replies if reply.code == code]
        later = any(r.code is None and r.at_ms > mine[-1].at_ms for r in replies)
        ids = tuple(reply.event_id for reply in mine)
        message, mitigated = mine[-1].message, planned or later
        yield Suspicion(
            "adapter", code, "certain", ids, message, mine[0].at_ms, mitigated=mitigated
        )
    slow = [reply for reply in replies if reply.slow]
    if slow:
        longest = max(reply.stalled_ms for reply in slow) / 1000
        message = f"the model's answer paused for {longest:.1f} s"
        ids = tuple(reply.event_id for reply in slow)
        mitigated = "budget_time" not in failed
        yield Suspicion(
            "adapter", "model_slow", "likely", ids, message, slow[0].at_ms, mitigated=mitigated
        )
    if "never_valid" not in failed:
        yield from _broken_answers(evidence, planned, bool(failed & _BUDGETS))


def _broken_answers(evidence: Evidence, planned: bool, used_up: bool) -> Iterator[Suspicion]:
    """Rules that answers of the model broke. If the plan failed for another reason, they are only
    possible causes, unless the answers exhausted the budget (``used_up``)."""
    confidence: Confidence = "certain" if planned or used_up else "possible"
    judged = evidence.of(AnswerJudged)
    for rule in dict.fromkeys(rule for answer in judged for rule in answer.rules):
        broken = [answer for answer in judged if rule in answer.rules]
        which = ", ".join(str(answer.attempt) for answer in broken)
        message = f"the model's answer {which} breaks {rule}"
        ids = tuple(answer.event_id for answer in broken)
        yield Suspicion("plan", rule, confidence, ids, message, broken[0].at_ms, mitigated=planned)


RULE = Rule(
    "planning",
    {
        "harness": ("problem",),
        "unknown": ("unobserved",),
        "adapter": (
            "model_rate_limit", "model_error", "model_timeout", "model_slow", "model_malformed",
            "model_unreachable", "model_key_refused", "model_unknown", "model_not_openai",
            "budget_requests", "budget_tokens", "budget_time", "budget_bytes", "adapter_raised",
            "replay_divergence", "recording_broken", "script_missing", "no_tools", "no_answer",
            "key_in_plan", "*",
        ),
        "plan": ("never_valid", "unknown_placeholder", "broken_json", "schema", "unknown_tool", "*"),
    },
    _suspect,
)  # fmt: skip
