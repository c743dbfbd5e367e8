"""The driver against a hostile ExecGo and a hostile fixtures server, with random answers.

    python -m tests.fuzz.driver --answers 10000 --seed 1

Each trial is the real path from the plan to the verdict: client, stages, bindings, checks, cleaning up,
access log, health check, judgement and metrics. It must end in a verdict within two seconds of its
deadline, raise nothing, and the process must stay below 300 MB. Prints the seed of every trial that does
not; ``--seed`` with that number and ``--answers 1`` repeats it alone.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
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
from pytest_execgo.verdict.verify import judge
from tests.fakes import FakeChaos, FakeFleet
from tests.fuzz.answers import HostileAnswers
from tests.hostile import HostileServer

DEADLINE_SECONDS = 0.5
GRACE_SECONDS = 2.0
LARGEST_MB = 300
PROFILE = ChaosProfile.model_validate({"id": "fuzz", "expectation": "not_applicable"})
TASK = {"type": "noop", "params": {}}
PLAN = {
    "plan_id": "p",
    "scenario_id": "fuzz",
    "stages": [
        {
            "stage_id": "one",
            "task_graph": {"tasks": [{"id": "a", **TASK}, {"id": "b", **TASK}]},
            "submit_policy": {"deadline_ms": DEADLINE_SECONDS * 1000, "max_resubmits": 1},
        },
        {
            "stage_id": "two",
            "task_graph": {"tasks": [{"id": "c", **TASK}]},
            "submit_policy": {"deadline_ms": DEADLINE_SECONDS * 1000},
            "bindings": [
                {
                    "source_task_id": "a",
                    "source_path": "from_json(result.stdout).list",
                    "target_task_id": "c",
                    "target_param_path": "params.x",
                }
            ],
        },
    ],
}
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


def run_one(seed: int, scenario: Scenario, folder: Path) -> FuzzResult:
    """Run trial number ``seed``."""
    rng = Random(seed)
    folder.mkdir()
    server = HostileServer(lambda method, path: ())
    honesty = rng.choice([0.0, 0.5, 0.8, 0.95])
    answers = HostileAnswers(
        rng, lambda content: server.drip(content, 0.02 if content else 5), honesty
    )
    server.script = answers.answer
    with server:
        try:
            seconds, verdict = _trial(server.url, scenario, folder)
            problem = "" if seconds <= GRACE_SECONDS else f"{seconds:.2f} s after its deadline"
        except Exception:
            verdict, problem = "raised", traceback.format_exc(limit=-4)
    return FuzzResult(seed, len(server.requests), verdict, problem)


def _trial(url: str, scenario: Scenario, folder: Path) -> tuple[float, str]:
    """How long the trial took longer than its stages may, and its verdict."""
    recorder, workspace = TimelineRecorder(folder), folder / "w"
    workspace.mkdir()
    plan = StandardPlan.model_validate(PLAN)

    def verify(plan: StandardPlan, results: Mapping[str, dict[str, Any]]) -> None:
        for event in evaluate(scenario, TrialView(plan, results, workspace)):
            recorder.add(event)

    with ExecgoClient(url) as client:
        began = monotonic()
        runner = TrialRunner(client, recorder, FakeFleet(), FakeChaos())
        runner.execute(TrialIdentity("run", "t", "c", 1), lambda: plan, {}, verify)
        runner.clean_up()
        took = monotonic() - began
    recorder.add(TrialFinished(wall_time_ms=took * 1000))
    probe_json(url, 0.3)
    ask(url, 0.3)
    collect_access_log(url, {}, "t", recorder, timeout=0.3)
    recorder.close()
    events = recorder.events()
    verdict, _ = judge(PROFILE, events)
    trial_metrics(events, verdict).model_dump_json()
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


def main(arguments: list[str] | None = None) -> int:
    """Print a summary; 0 if every trial keeps the promise."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--answers", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    results: list[FuzzResult] = []
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        scenario_folder = root / "fuzz"
        scenario_folder.mkdir()
        manifest = {"schema_version": "1", "id": "fuzz", "checks": CHECKS}
        (scenario_folder / "scenario.yaml").write_text(yaml.safe_dump(manifest))
        scenario = load_scenario(scenario_folder / "scenario.yaml")
        while sum(one.answers for one in results) < options.answers:
            seed = options.seed + len(results)
            results.append(run_one(seed, scenario, root / str(seed)))
            shutil.rmtree(root / str(seed))
    return report(results)


def report(results: list[FuzzResult]) -> int:
    """Print verdicts and problems; 0 if there is no problem."""
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if sys.platform == "darwin":
        megabytes /= 1024
    broken = [one for one in results if one.problem]
    for verdict, count in Counter(one.verdict for one in results).most_common():
        print(f"{count:6} {verdict}")
    for one in broken:
        print(f"seed {one.seed}: {one.problem}")
    answers = sum(one.answers for one in results)
    print(f"{len(results)} trials, {answers} answers, {len(broken)} broken, {megabytes:.0f} MB")
    return 1 if broken or megabytes > LARGEST_MB else 0


if __name__ == "__main__":
    sys.exit(main())
