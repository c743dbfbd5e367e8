"""``ctrf.json``: the run in the Common Test Report Format (https://ctrf.io)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pytest_execgo.benchmark.reports.base import ReportFormat
from pytest_execgo.benchmark.reports.ended import End, EndedTrial, ended_trials
from pytest_execgo.models.benchmark import BenchmarkResult, EarlierAttempt
from pytest_execgo.models.safe_text import for_terminal

SPEC_VERSION = "0.0.0"
_STATUS: dict[End, str] = {
    "passed": "passed",
    "failed": "failed",
    "error": "failed",
    "skipped": "skipped",
    "not_run": "pending",
}


class CtrfReport(ReportFormat):
    """One test per trial, labelled with its cell and its cause."""

    filename = "ctrf.json"

    def render(self, result: BenchmarkResult) -> str:
        """Indented JSON."""
        ended = list(ended_trials(result))
        document = {
            "reportFormat": "CTRF",
            "specVersion": SPEC_VERSION,
            "runId": result.run_id,
            "generatedBy": "pytest-execgo",
            "results": {
                "tool": {"name": "pytest-execgo", "version": result.environment.pytest_execgo},
                "summary": _summary(result, ended),
                "tests": [_test(one) for one in ended],
                "environment": _environment(result),
            },
        }
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _summary(result: BenchmarkResult, ended: Sequence[EndedTrial]) -> dict[str, int]:
    counts = Counter(_STATUS[one.end] for one in ended)
    starts = [_milliseconds(trial.started_at) for trial in result.trials]
    stops = [
        start + round(trial.metrics.wall_time_ms)
        for start, trial in zip(starts, result.trials, strict=True)
    ]
    return {
        "tests": len(ended),
        **{name: counts[name] for name in ("passed", "failed", "skipped", "pending", "other")},
        "flaky": sum(map(_is_flaky, ended)),
        "start": min(starts, default=0),
        "stop": max(stops, default=0),
    }


def _test(one: EndedTrial) -> dict[str, Any]:
    cell, trial = one.cell, one.result
    labels = {"cell": cell.cell_id}
    found: dict[str, Any] = {
        "name": one.trial_id,
        "status": _STATUS[one.end],
        "duration": 0,
        "suite": [cell.scenario, cell.cell_id],
        "filePath": f"scenarios/{cell.scenario}/scenario.yaml",
        "rawStatus": one.end.replace("_", " "),
        "tags": [cell.framework, cell.mode, cell.chaos],
        "type": "benchmark",
        "labels": labels,
    }
    if trial is not None:
        start, milliseconds = _milliseconds(trial.started_at), round(trial.metrics.wall_time_ms)
        found |= {"start": start, "stop": start + milliseconds, "duration": milliseconds}
        found["rawStatus"] = trial.verdict.status
        labels |= {
            "cause": trial.verdict.attribution[0].name,
            "recovery": trial.verdict.recovery,
        }
        found["extra"] = {"record": one.record, "rerun": trial.rerun}
    if one.message:
        found["message"] = for_terminal(one.message)
    if one.text:
        found["trace"] = one.text
    if one.earlier:
        found |= {
            "retries": len(one.earlier),
            "flaky": _is_flaky(one),
            "retryAttempts": [
                {
                    "attempt": attempt.attempt,
                    "status": _attempt_status(attempt),
                    "message": for_terminal(attempt.reason),
                }
                for attempt in one.earlier
            ],
        }
    return found


def _attempt_status(attempt: EarlierAttempt) -> str:
    if attempt.failed:
        return "failed"
    if attempt.state == "not_run":
        return "pending"
    return "skipped" if attempt.known_finding else "passed"


def _is_flaky(one: EndedTrial) -> bool:
    """Whether it passed after an attempt that failed."""
    return one.end == "passed" and any(attempt.failed for attempt in one.earlier)


def _environment(result: BenchmarkResult) -> dict[str, Any]:
    found = result.environment
    services = {name: f"{one.launcher} {one.version}" for name, one in found.services.items()}
    environment: dict[str, Any] = {
        "appName": "execgo",
        "osPlatform": found.platform,
        "healthy": result.trustworthy,
        "extra": {"python": found.python, "seed": found.seed, "services": services},
    }
    if found.git_commit:
        environment["commit"] = found.git_commit
    if result.request.shard:
        environment["shardId"] = result.request.shard
    return environment


def _milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1000)
