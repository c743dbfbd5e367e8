"""A metric that cannot vary is a defect: each takes at least two values over real trials."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

from pytest_execgo.models.trial_result import TrialMetrics, TrialResult
from pytest_execgo.run.session import RunSession
from pytest_execgo.scenario.library import builtin_folder
from tests.conftest import ScenarioMaker
from tests.results import METRICS_OF_MODELS


def flaky(plan: dict[str, Any]) -> None:
    """ExecGo retries the task once; the runtime refuses its id the second time."""
    task = plan["stages"][0]["task_graph"]["tasks"][0]
    task.update(retry=1)
    task["input"]["execution"]["args"] = ["-c", "import sys; sys.exit(1)"]


def slow(plan: dict[str, Any]) -> None:
    task = plan["stages"][0]["task_graph"]["tasks"][0]
    task["input"] = {
        "execution": {"kind": "script", "script": "sleep 30"},
        "limits": {"wall_time_ms": 60},
    }
    plan["stages"][0]["submit_policy"] = {}


def artifact(sha256: str) -> Callable[[dict[str, Any]], None]:
    def edit(plan: dict[str, Any]) -> None:
        plan["stages"][0]["expected_artifacts"] = [{"path": "greetings.txt", "sha256": sha256}]

    return edit


def test_every_metric_moves(
    make_scenario: ScenarioMaker, make_session: Callable[..., RunSession]
) -> None:
    make_scenario("flaky", plan=flaky)
    make_scenario("slow", plan=slow)
    make_scenario("right", plan=artifact(_greetings_hash(make_scenario)))
    make_scenario("wrong", plan=artifact("0" * 64))
    shutil.copytree(
        builtin_folder() / "multi_step_agent", make_scenario.folder / "multi_step_agent"
    )
    make_scenario.chaos(
        "kill_for_good",
        expectation="measure",
        faults=[
            {
                "action": "kill",
                "target": "runtime",
                "when": {"phase": "runtime", "after": "task_running"},
            }
        ],
    )
    session = make_session()
    results = [
        session.run_cell(scenario, framework="reference", chaos=chaos)
        for scenario, chaos in (
            ("right", "none"),
            ("wrong", "invalid_tool"),
            ("wrong", "none"),
            ("right", "runtime_kill"),
            ("right", "kill_for_good"),
            ("multi_step_agent", "runtime_kill"),
            ("flaky", "none"),
            ("slow", "none"),
        )
    ]
    still = [name for name in TrialMetrics.model_fields if len(_values(results, name)) < 2]
    # `reference` asks no model; tests/plugin/test_model_runs.py checks these.
    assert set(still) == METRICS_OF_MODELS


def _values(results: list[TrialResult], name: str) -> set[Any]:
    """The distinct values that are not null."""
    return {getattr(result.metrics, name) for result in results} - {None}


def _greetings_hash(make_scenario: ScenarioMaker) -> str:
    import hashlib

    folder = make_scenario("probe")
    text = (folder / "expected" / "greetings.txt").read_bytes()
    return hashlib.sha256(text).hexdigest()
