"""Checks that do not hold, although every stage succeeded."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from pytest_execgo.models.events import CheckEvaluated, StageFinished
from pytest_execgo.models.verdict import Confidence
from pytest_execgo.verdict.evidence import Evidence
from pytest_execgo.verdict.suspicion import Rule, Suspicion


def _suspect(evidence: Evidence) -> Iterator[Suspicion]:
    failed = [event for event in evidence.of(CheckEvaluated) if not event.ok]
    for event in failed:
        if event.raised:
            # A check may raise because a result is missing, or because of what a task read.
            alone = evidence.first_failure_at() == inf and not evidence.uses("fixtures")
            confidence: Confidence = "likely" if alone else "possible"
            yield Suspicion(
                "verifier",
                "check_raised",
                confidence,
                (event.event_id,),
                event.message,
                event.at_ms,
            )
    plain = [event for event in failed if not event.raised]
    stages = evidence.of(StageFinished)
    if plain and stages and not evidence.failed_stages():
        first = plain[0]
        subject = f"task {first.task}" if first.task else "the run"
        message = (
            f"{subject} succeeded, but check {first.kind} failed ({first.message}): "
            "either the plan's result or the expectation is wrong"
        )
        ids = tuple(event.event_id for event in plain)
        if evidence.plan_proven():
            message = (
                f"{subject} succeeded, but check {first.kind} failed ({first.message}); it held before "
                "with the same plan, so what the tasks read changed, or they do not always give the same"
            )
            yield Suspicion("unknown", "changed_output", "possible", ids, message, first.at_ms)
            return
        yield Suspicion("task", "wrong_output", "possible", ids, message, first.at_ms)


RULE = Rule(
    "checks",
    {
        "verifier": ("check_raised",),
        "task": ("wrong_output",),
        "unknown": ("changed_output",),
    },
    _suspect,
)
