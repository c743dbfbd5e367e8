"""When a fault was detected, and when the trial had recovered from it."""

from __future__ import annotations

import pytest

from pytest_execgo.benchmark.metrics import trial_metrics
from pytest_execgo.models import events as t
from pytest_execgo.models.chaos import ChaosProfile
from pytest_execgo.models.verdict import FailureCounts
from pytest_execgo.verdict.verify import judge
from tests.ids import readable

PROFILE = ChaosProfile.model_validate(
    {
        "id": "p",
        "expectation": "should_recover",
        "expected_cause": {"layer": "adapter"},
        "faults": [{"action": "a", "target": "model", "when": {"phase": "plan"}}],
    }
)
FIRED = t.ChaosFired(fault=0, action="a", target="model", detail="d", at_ms=10)
PLANNED = t.PlanReady(plan_id="p", stages=1, tasks=1, digest="d", duration_ms=1, at_ms=50)
STAGE = t.StageFinished(
    stage_id="s", outcome="succeeded", duration_ms=1, engine_time_ms=1, rounds=1, at_ms=90
)
GOOD = t.CheckEvaluated(index=0, kind="value", ok=True, message="m", at_ms=95)
DONE = t.TrialFinished(wall_time_ms=99, at_ms=99)


def replied(code: str | None, at_ms: float, stalled_ms: float = 0) -> t.ModelReplied:
    return t.ModelReplied(
        number=1, attempt=1, status=200, took_ms=1, code=code, stalled_ms=stalled_ms, at_ms=at_ms
    )


@pytest.mark.parametrize(
    ("seen", "detection_ms", "recovery_ms"),
    [
        ([replied("model_error", 12), replied(None, 20)], 2, 40),
        ([replied(None, 12), t.AnswerJudged(attempt=1, rules=("cycle",), at_ms=15)], 5, 40),
        # A slow answer needs no recovery.
        ([replied(None, 30, stalled_ms=1500)], 20, None),
        ([replied(None, 30)], None, None),
        # Detected at the runtime: recovered with the success of the stage.
        ([t.TaskLost(stage_id="s", round=0, task_id="a", engine_task_id="x", at_ms=60)], 50, 80),
    ],
    ids=readable,
)
def test_detection_and_recovery_count_from_the_fault(
    seen: list[t.TimelineEvent], detection_ms: float | None, recovery_ms: float | None
) -> None:
    events = [FIRED, *seen, PLANNED, STAGE, GOOD, DONE]
    metrics = trial_metrics(events, judge(PROFILE, events)[0], FailureCounts())
    assert (metrics.detection_ms, metrics.recovery_ms) == (detection_ms, recovery_ms)
