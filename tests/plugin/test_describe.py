"""``describe`` and ``estimate``: what programs need that let a user compose a run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_execgo.models.project import ProjectDescription, RunEstimate
from tests.conftest import ScenarioMaker


def cli(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest_execgo", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_project_is_described_with_all_that_a_run_can_choose(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("good")
    (project("broken") / "scenario.yaml").write_text("id: broken\nchecks: 3\n")
    chaos = pytester.path / "scenarios/chaos"
    chaos.mkdir()
    (chaos / "mine.yaml").write_text(
        'schema_version: "1"\nid: mine\nexpectation: measure\nfaults:\n'
        "  - {action: kill, target: runtime, when: {phase: runtime}}\n"
    )
    (chaos / "wrong.yaml").write_text("id: wrong\n")
    done = cli(pytester.path, "describe", "--json")
    assert done.returncode == 0, done.stderr
    found = ProjectDescription.model_validate_json(done.stdout)
    assert (found.root, found.builtin_scenarios) == (str(pytester.path), False)
    assert found.reports_folder == str(pytester.path / "reports")
    scenarios = {one.id: one for one in found.scenarios}
    assert (scenarios["good"].stages, scenarios["good"].problem) == (2, None)
    assert "scenario.yaml:" in str(scenarios["broken"].problem)
    profiles = {one.id: one for one in found.profiles}
    assert (profiles["mine"].faults, profiles["mine"].builtin) == (("kill runtime",), False)
    assert profiles["runtime_kill"].builtin
    assert profiles["model_timeout"].targets_model
    assert "wrong.yaml" in str(profiles["wrong"].problem)
    frameworks = {one.name: one for one in found.frameworks}
    assert (frameworks["reference"].install, frameworks["reference"].asks_model) == (None, False)
    assert frameworks["langgraph"].asks_model
    assert found.harnesses == ("embedded", "container")
    assert {"repetitions", "chaos", "seed", "compare"} <= {one.word for one in found.options}


def test_the_description_for_people_names_what_cannot_be_read(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    (project("broken") / "scenario.yaml").write_text("id: broken\nchecks: 3\n")
    done = cli(pytester.path, "describe")
    assert done.returncode == 0
    assert "1 in scenarios" in done.stdout
    assert "cannot be read: scenarios/broken/scenario.yaml:" in done.stdout


def test_a_project_that_blocks_the_plugin_is_refused(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\naddopts = -p no:execgo\n")
    done = cli(pytester.path, "describe", "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "block the plugin" in done.stderr


def test_a_run_is_estimated_by_the_times_of_the_newest_one(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("good")
    words = ("estimate", "--repetitions=4", "--chaos=none", "--chaos=runtime_kill")
    first = RunEstimate.model_validate_json(cli(pytester.path, *words, "--json").stdout)
    assert (first.trials, first.seconds, first.measured_in) == (8, None, None)
    assert cli(pytester.path, *words).stdout.startswith("8 trials; no earlier run")
    assert cli(pytester.path, "run", "--run-id=before").returncode == 0
    times = json.loads((pytester.path / "reports/before/benchmark.json").read_text())
    wall = times["trials"][0]["metrics"]["wall_time_ms"] / 1000
    later = RunEstimate.model_validate_json(cli(pytester.path, *words, "--json").stdout)
    assert (later.measured, later.measured_in) == (4, "before")
    assert later.seconds == round(8 * wall, 1)
    halved = RunEstimate.model_validate_json(cli(pytester.path, *words, "-n2", "--json").stdout)
    assert halved.seconds == round(4 * wall, 1)


def test_what_a_run_refuses_an_estimate_refuses(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("good")
    done = cli(pytester.path, "estimate", "--chaos=runtime_kil", "--json")
    assert (done.returncode, done.stdout) == (4, "")
    assert "did you mean 'runtime_kill'?" in done.stderr
    done = cli(pytester.path, "estimate", "--json", "--", "nosuch")
    assert (done.returncode, done.stdout) == (4, "")
    assert "nosuch" in done.stderr
    pytester.makepyfile(test_broken="import nothing_like_this")
    done = cli(pytester.path, "estimate", "--", "test_broken.py")
    assert (done.returncode, done.stdout) == (2, "")
    assert "nothing_like_this" in done.stderr
