"""What all fuzzed trials share: the real path from a plan to the verdict, a scenario, and limits."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import yaml

from pytest_execgo.benchmark.metrics import outcome_digest, plan_facts, trial_metrics
from pytest_execgo.harness.readiness import probe_json
from pytest_execgo.models.chaos import ChaosProfile
from pytest_execgo.models.events import TrialFinished
from pytest_execgo.models.plan import StandardPlan
from pytest_execgo.observability.access_log import collect_access_log
from pytest_execgo.observability.health import ask
from pytest_execgo.observability.recorder import TimelineRecorder
from pytest_execgo.runner.client import ExecgoClient
from pytest_execgo.runner.trial import TrialIdentity, TrialRunner
from pytest_execgo.scenario.checks import TrialView, evaluate
from pytest_execgo.scenario.manifest import Scenario, load_scenario
from pytest_execgo.verdict.failure_counts import failure_counts
from pytest_execgo.verdict.verify import judge
from tests.fakes import FakeChaos, FakeFleet

DEADLINE_SECONDS = 0.5
GRACE_SECONDS = 2.0
PROFILE = ChaosProfile.model_validate({"id": "fuzz", "expectation": "not_applicable"})
CHECKS = [
    {"kind": "task", "task": "a", "status": "success"},
    {"kind": "value", "task": "a", "path": "result.n", "at_least": 1, "at_most": 3},
    {"kind": "value", "task": "a", "path": "result.stdout", "matches": "list"},
    {"kind": "value", "task": "b", "path": "result", "contains": "n"},
    {"kind": "value", "task": "c", "path": "[@, @, result.n] | to_string(@)", "contains": "n"},
    {"kind": "value", "task": "c", "path": "runtime.duration_ms", "equals": 3},
]


@dataclass(frozen=True)
class FuzzResult:
    """What came of one trial: its number, answers and verdict, or why it broke the promise."""

    seed: int
    answers: int
    verdict: str
    problem: str = ""


def fuzz_scenario(root: Path) -> Scenario:
    """The scenario whose checks look at everything that a hostile answer can change."""
    folder = root / "fuzz"
    folder.mkdir()
    manifest = {"schema_version": "1", "id": "fuzz", "checks": CHECKS}
    (folder / "scenario.yaml").write_text(yaml.safe_dump(manifest))
    return load_scenario(folder / "scenario.yaml")


def guarded(trial: Callable[[], tuple[float, str]]) -> tuple[str, str]:
    """The verdict of a trial, and the promise that it broke; empty if it broke none. ``trial`` returns
    how many seconds it took longer than its deadlines, and its verdict."""
    try:
        seconds, verdict = trial()
        return verdict, "" if seconds <= GRACE_SECONDS else f"{seconds:.2f} s after its deadline"
    except Exception:
        return "raised", traceback.format_exc(limit=-4)


def run_plan(
    url: str,
    headers: Mapping[str, str],
    plan: StandardPlan,
    scenario: Scenario,
    folder: Path,
) -> tuple[float, str]:
    """How long the trial took longer than its stages may, and its verdict."""
    recorder, workspace = TimelineRecorder(folder), folder / "w"
    workspace.mkdir(parents=True, exist_ok=True)

    def verify(plan: StandardPlan, results: Mapping[str, dict[str, Any]]) -> None:
        for event in evaluate(scenario, TrialView(plan, results, workspace)):
            recorder.add(event)

    with ExecgoClient(url, headers=headers) as client:
        began = monotonic()
        runner = TrialRunner(client, recorder, FakeFleet(), FakeChaos())
        runner.execute(TrialIdentity("run", "t", "c", 1), lambda: plan, {}, verify)
        runner.clean_up()
        took = monotonic() - began
    recorder.add(TrialFinished(wall_time_ms=took * 1000))
    probe_json(url, 0.3)
    ask(url, 0.3)
    collect_access_log(url, headers, "t", recorder, timeout=0.3)
    recorder.close()
    events = recorder.events()
    verdict, _ = judge(PROFILE, events)
    trial_metrics(events, verdict, failure_counts(events)).model_dump_json()
    outcome_digest(events, verdict)
    plan_facts(events)
    verdict.model_dump_json()
    stages = sum(event.event_type == "stage_started" for event in events)
    causes = (
        f"{verdict.attribution[0].layer}/{verdict.attribution[0].code}"
        if verdict.attribution
        else ""
    )
    return took - stages * DEADLINE_SECONDS, f"{verdict.status} {causes}".strip()
