"""``chaos search`` finds the fewest faults under which a scenario fails, on real services."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import ScenarioMaker

ROOT = Path(__file__).parents[2]
MOST_TRIALS = 300


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, capture_output=True, text=True, check=False
    )


def search(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return command(folder, "pytest_execgo", "chaos", "search", "demo", *words)


@pytest.fixture
def planted(tmp_path: Path) -> str:
    """The choice of the engine with the planted defect."""
    program = tmp_path / "planted-engine"
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m tests.e2e.planted_engine "$@"\n'
    )
    program.chmod(0o755)
    return f"execgo=binary:{program}"


def test_a_defect_that_needs_two_faults_is_found_and_reduced_to_them(
    tmp_path: Path, make_scenario: ScenarioMaker, planted: str
) -> None:
    make_scenario("demo")
    done = search(tmp_path, f"--budget={MOST_TRIALS}", "--service", planted)
    assert done.returncode == 1, done.stderr
    profile = yaml.safe_load(done.stdout)
    first, second = sorted(profile["faults"], key=lambda fault: str(fault["target"]))
    assert (first["target"], second["target"]) == ("execgo", "runtime")
    assert first["action"] in ("kill", "restart")
    assert second["action"] in ("kill", "restart", "network")
    assert re.search(r"reproduced [2-4] of [34]", done.stderr), done.stderr
    assert "cause: " in done.stderr
    # It is ready to save and to run, and the next search begins with it.
    saved = tmp_path / "scenarios/chaos/found_demo.yaml"
    saved.parent.mkdir(exist_ok=True)
    saved.write_text(done.stdout)
    matrix = ("pytest", "--execgo-matrix", "--execgo-chaos=found_demo", "--execgo-service", planted)
    run = command(tmp_path, *matrix)
    assert "1 failed" in run.stdout, run.stdout
    again = search(tmp_path, "--budget=12", "--service", planted, "--json", "--name=again")
    found = json.loads(again.stdout)
    assert found["found"]["profile"]["id"] == "again"
    assert found["trials"] <= 12


def test_a_scenario_that_recovers_from_everything_is_not_reported(
    tmp_path: Path, make_scenario: ScenarioMaker
) -> None:
    make_scenario("demo")
    done = search(tmp_path, "--budget=3", "--action=restart", "--target=runtime")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines()[-1] == "demo failed under no schedule in 3 trials"
    assert not (tmp_path / "reports").exists(), "a search leaves no run"


def test_mistakes_are_one_line(tmp_path: Path, make_scenario: ScenarioMaker) -> None:
    make_scenario("demo")
    for words, complaint in (
        (("--budget=0",), "--budget '0': expected a whole number"),
        (("--action=kil",), "--action: unknown name 'kil'"),
        (("--action=garbage",), "--action: unknown name 'garbage'"),
        (("--target=model",), "--target: unknown name 'model'"),
        (("--name=With Spaces",), "--name:"),
        (("--service=execgo=binary:/nope",), "no such file"),
        (("--target=fixtures",), "no action of the search can be injected"),
    ):
        done = search(tmp_path, *words)
        assert done.returncode == 2, (words, done.stderr)
        assert complaint in done.stderr, done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr
    other = command(tmp_path, "pytest_execgo", "chaos", "search", "dem")
    assert "did you mean 'demo'?" in other.stderr


def test_a_scenario_that_fails_without_a_fault_is_refused(
    tmp_path: Path, make_scenario: ScenarioMaker
) -> None:
    folder = make_scenario("demo")
    (folder / "workspace/greet.py").write_text("exit('cannot')")
    done = search(tmp_path, "--budget=3")
    assert done.returncode == 2
    assert "scenario demo fails without any fault" in done.stderr
