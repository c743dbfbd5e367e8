"""``python -m pytest_execgo``, as a child process, as the desktop client calls it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import pytest

Run = subprocess.CompletedProcess[str]


class Cli(Protocol):
    def __call__(self, *words: str) -> Run: ...


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    def run(*words: str) -> Run:
        return subprocess.run(
            [sys.executable, "-m", "pytest_execgo", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_a_new_scenario_runs_green_at_once(cli: Cli, tmp_path: Path) -> None:
    made = cli("scenario", "new", "demo")
    assert made.returncode == 0
    done = cli("run", "--scenario", "demo", "--json")
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["exit_status"] == 0
    assert [cell["passed"] for cell in outcome["cells"]] == [1]
    assert Path(outcome["folder"]) == tmp_path / "reports" / outcome["run_id"]
    assert "1 passed" in done.stderr


def test_events_stream_as_ndjson_and_nothing_else(cli: Cli) -> None:
    cli("scenario", "new", "demo")
    done = cli("benchmark", "--repetitions", "2", "--events", "-")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in events] == [
        "run_started",
        "trial_started",
        "trial_finished",
        "trial_started",
        "trial_finished",
        "run_finished",
    ]
    assert {event.get("verdict") for event in events} == {None, "passed"}


def test_benchmark_repeats_by_default(cli: Cli) -> None:
    cli("scenario", "new", "demo")
    done = cli("benchmark", "--", "--collect-only", "-q")
    assert sum("scenario.yaml::" in line for line in done.stdout.splitlines()) == 5


def test_a_failing_run_exits_as_pytest_does(cli: Cli, tmp_path: Path) -> None:
    cli("scenario", "new", "demo")
    manifest = tmp_path / "scenarios/demo/scenario.yaml"
    manifest.write_text(manifest.read_text().replace("equals: 3", "equals: 4"))
    assert cli("run").returncode == 1
    assert cli("run", "--scenario", "dmo").returncode == 4


def test_lists_are_for_people_and_programs(cli: Cli) -> None:
    shown = cli("scenario", "list")
    assert "codegen_exec" in shown.stdout
    listed = json.loads(cli("scenario", "list", "--json").stdout)
    tasks = {row["scenario"]: row["tasks"] for row in listed}
    assert tasks["long_chain_dag"] >= 20
    profiles = json.loads(cli("chaos", "list", "--json").stdout)
    assert {row["profile"] for row in profiles} >= {"none", "runtime_kill", "fixture_error"}


@pytest.mark.parametrize("kind", ["scenario", "chaos"])
def test_the_built_in_files_are_well(cli: Cli, kind: str) -> None:
    done = cli(kind, "validate")
    assert done.returncode == 0
    count, _, of = done.stdout.splitlines()[-1].partition(" of ")
    assert of.split()[0] == count
    assert int(count) >= (4 if kind == "scenario" else 30)


def test_validation_names_what_is_wrong(cli: Cli, tmp_path: Path) -> None:
    cli("scenario", "new", "demo")
    manifest = tmp_path / "scenarios/demo/scenario.yaml"
    manifest.write_text(manifest.read_text().replace("seed:", "sead:"))
    done = cli("scenario", "validate", "demo")
    assert done.returncode == 2
    assert done.stderr.startswith("error: scenarios/demo/scenario.yaml:4: sead: unknown key")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["Demo", "my-demo", "chaos", "", "../x"])
def test_a_bad_name_for_a_scenario_is_refused(cli: Cli, tmp_path: Path, name: str) -> None:
    done = cli("scenario", "new", name)
    assert done.returncode == 2
    assert not (tmp_path / "scenarios").exists()


def test_an_existing_scenario_is_left_alone(cli: Cli) -> None:
    assert cli("scenario", "new", "demo").returncode == 0
    done = cli("scenario", "new", "demo")
    assert done.returncode == 2
    assert "exists already" in done.stderr


def test_the_doctor_finds_a_working_fleet(cli: Cli) -> None:
    done = cli("doctor", "--json")
    assert done.returncode == 0, done.stdout
    states = {row["what"]: row["state"] for row in json.loads(done.stdout)}
    assert states["embedded fleet"] == "ok"
    assert states["Python"] == "ok"


def test_conformance_of_the_embedded_engine(cli: Cli, tmp_path: Path) -> None:
    done = cli("conformance", "--area", "validation", "--area", "lifecycle", "--markdown", "c.md")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Differs on purpose" in (tmp_path / "c.md").read_text()
    found = json.loads(cli("conformance", "--area", "validation", "--json").stdout)
    assert {case["state"] for case in found["cases"]} == {"passed"}


def test_conformance_of_something_else_says_what_differs(cli: Cli, tmp_path: Path) -> None:
    """An engine that answers its health check and nothing else."""
    program = tmp_path / "execgo"
    program.write_text(
        f"#!{sys.executable}\n"
        "import os\n"
        "from pytest_execgo.emulators import httpd\n"
        "host, port = httpd.parse_addr(os.environ['EXECGO_ADDR'])\n"
        "answer = httpd.json_response({'status': 'ok', 'version': 'v0'})\n"
        "raise SystemExit(httpd.run('x', 'v0', httpd.Server(host, port, lambda request: answer),"
        " exit_with_stdin=True))\n"
    )
    program.chmod(0o755)
    done = cli("conformance", "--area", "validation", "--service", f"execgo=binary:{program}")
    assert done.returncode == 1
    assert "status: expected 400, got 200" in done.stdout


def test_schemas_are_exported(cli: Cli, tmp_path: Path) -> None:
    assert cli("schema", "export", "out").returncode == 0
    assert (tmp_path / "out" / "benchmark_result.schema.json").exists()
