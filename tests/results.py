"""Results made on the spot: finished and unfinished trials, and the report over them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pytest_execgo.benchmark.aggregate import RunFacts, aggregate
from pytest_execgo.models.benchmark import BenchmarkResult, UnfinishedTrial
from pytest_execgo.models.environment import Environment
from pytest_execgo.models.request import BenchmarkRunRequest
from pytest_execgo.models.trial_result import TrialMetrics, TrialResult

# These metrics vary only where a model is asked.
METRICS_OF_MODELS = {
    "repair_count", "landed", "landed_at_first", "model_requests", "model_retries", "prompt_tokens",
    "completion_tokens",
}  # fmt: skip

ENVIRONMENT = Environment(
    pytest_execgo="0", python="3", platform="x", cpu_count=1, git_commit=None, seed=7, workers=1,
    services={}, packages={},
)  # fmt: skip


def trial(repetition: int, status: str = "passed", **verdict: Any) -> TrialResult:
    cause = {"layer": "none", "code": "x", "confidence": "certain", "evidence": [], "message": "m"}
    metrics: dict[str, Any] = dict.fromkeys(TrialMetrics.model_fields, 1)
    return TrialResult.model_validate(
        {
            "trial_id": f"s-f-replay-none-r{repetition}",
            "cell_id": "s-f-replay-none",
            "scenario": "s", "framework": "f", "mode": "replay", "chaos": "none",
            "repetition": repetition, "seed": 7, "started_at": datetime.now(UTC),
            "outcome_digest": status, "metrics": {**metrics, "wall_time_ms": repetition},
            "rerun": "pytest x",
            "verdict": {
                "status": status, "expectation": "not_applicable", "outcome": "o",
                "recovery": "not_needed", "checks": [], "attribution": [cause],
                "explanation": [], **verdict,
            },
        }
    )  # fmt: skip


def missing(repetition: int, state: str) -> UnfinishedTrial:
    return UnfinishedTrial.model_validate(
        {
            "trial_id": f"s-f-replay-none-r{repetition}",
            "cell_id": "s-f-replay-none",
            "state": state,
            "reason": "because",
        }
    )


def result(
    trials: list[TrialResult], unfinished: list[UnfinishedTrial], **facts: Any
) -> BenchmarkResult:
    return aggregate(
        RunFacts("run", BenchmarkRunRequest(), ENVIRONMENT, trials, unfinished, **facts)
    )
