"""The workflow for GitHub Actions that users copy: each of its commands runs here, in its order."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ScenarioMaker

WORKFLOW = Path(__file__).parents[2] / ".github/workflows/execgo-matrix.yml"


class Actions:
    """Runs the commands of the workflow in a folder, with the variables that GitHub sets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workflow: dict[str, Any] = yaml.safe_load(WORKFLOW.read_text())
        self.summary, self.output = folder / "summary.md", folder / "output"
        # "python" of the workflow is the one that has the package.
        programs = folder / "programs"
        programs.mkdir()
        (programs / "python").symlink_to(sys.executable)
        self.variables = {
            **os.environ, "GITHUB_ACTIONS": "true", "CI": "true",
            "GITHUB_STEP_SUMMARY": str(self.summary), "GITHUB_OUTPUT": str(self.output),
            "PATH": f"{Path(sys.executable).parent}:{programs}:{os.environ['PATH']}",
            **self.workflow["env"],
        }  # fmt: skip

    def step(
        self, job: str, name: str, place: Path, values: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one step as GitHub does: with bash, and with the values of expressions."""
        (text,) = [
            step["run"] for step in self.workflow["jobs"][job]["steps"] if step.get("name") == name
        ]
        for expression, value in (values or {}).items():
            text = text.replace("${{ " + expression + " }}", value)
        assert "${{" not in text
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text],
            cwd=place, env=self.variables, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def shards(self) -> list[str]:
        """The shards that the first job plans."""
        done = self.step("plan", "plan", self.folder)
        assert done.returncode == 0, done.stderr
        name, _, text = self.output.read_text().strip().partition("=")
        assert name == "matrix"
        return [entry["shard"] for entry in json.loads(text)["include"]]

    def run_shards(self, shards: list[str], status: set[int]) -> None:
        """Run each shard where it finds the scenarios, and bring its reports to the last job."""
        found = set()
        for number, shard in enumerate(shards):
            shutil.rmtree(self.folder / "reports", ignore_errors=True)
            done = self.step("shard", "run", self.folder, {"matrix.shard": shard})
            found.add(done.returncode)
            shutil.copytree(
                self.folder / "reports", self.folder / f"shards/shard-{number}", symlinks=False
            )
        assert found == status
        shutil.rmtree(self.folder / "reports")


def test_the_workflow_runs_merges_compares_and_reports(
    tmp_path: Path, make_scenario: ScenarioMaker
) -> None:
    scenario = make_scenario("demo")
    actions = Actions(tmp_path)
    # The test needs the commands, not all of the trials.
    actions.variables["OPTIONS"] = re.sub(r"chaos all", "chaos none", actions.variables["OPTIONS"])
    shards = actions.shards()
    assert shards == ["1/4", "2/4", "3/4", "4/4"]

    actions.run_shards(shards, {0})
    for name in ("merge", "summary", "compare", "keep for the next comparison"):
        done = actions.step("report", name, tmp_path)
        assert done.returncode == 0, done.stderr
    base = json.loads((tmp_path / "base/benchmark.json").read_text())
    assert len(base["trials"]) == 3
    assert "3 of 3 trials passed" in actions.summary.read_text()

    (scenario / "workspace/greet.py").write_text("raise SystemExit(3)")
    shutil.rmtree(tmp_path / "shards")
    shutil.rmtree(tmp_path / "reports")
    actions.summary.unlink()
    # The fourth shard of three trials is empty.
    actions.run_shards(shards, {0, 1})
    assert actions.step("report", "merge", tmp_path).returncode == 0
    assert actions.step("report", "summary", tmp_path).returncode == 0
    compared = actions.step("report", "compare", tmp_path)
    assert compared.returncode == 11, compared.stderr
    text = actions.summary.read_text()
    assert "0 of 3 trials passed" in text
    assert "newly red (1): `demo-reference-replay-none`" in text


@pytest.mark.parametrize("path", sorted(WORKFLOW.parent.glob("*.yml")), ids=lambda path: path.name)
def test_actions_of_others_are_pinned_to_a_commit(path: Path) -> None:
    jobs = yaml.safe_load(path.read_text())["jobs"].values()
    used = [step["uses"] for job in jobs for step in job["steps"] if "uses" in step]
    assert used
    assert [one for one in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", one)] == []
