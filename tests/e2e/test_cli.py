"""``python -m pytest_execgo``, as a child process, as the desktop client calls it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import jsonschema
import pytest
import yaml

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


def test_a_new_scenario_passes(cli: Cli, tmp_path: Path) -> None:
    made = cli("scenario", "new", "demo")
    assert made.returncode == 0
    done = cli("run", "--scenario", "demo", "--json")
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["exit_status"] == 0
    assert [cell["passed"] for cell in outcome["cells"]] == [1]
    assert Path(outcome["folder"]) == tmp_path / "reports" / outcome["run_id"]
    assert "1 passed" in done.stderr


def test_standard_output_holds_only_events(cli: Cli) -> None:
    cli("scenario", "new", "demo")
    done = cli("benchmark", "--repetitions", "2", "--events", "-")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    trial = ["trial_started", "stage_started", "stage_started", "trial_finished"]
    assert [event["event"] for event in events] == [
        "stream_started", "run_started", *trial, *trial, "run_finished"
    ]  # fmt: skip
    assert (events[0]["protocol"], events[1]["trials"]) == (1, 2)
    assert Path(events[1]["folder"]).name == events[1]["run_id"]
    assert {event.get("verdict") for event in events} == {None, "passed"}


def test_benchmark_runs_five_trials_per_cell_by_default(cli: Cli) -> None:
    cli("scenario", "new", "demo")
    done = cli("benchmark", "--", "--collect-only", "-q")
    assert sum("scenario.yaml::" in line for line in done.stdout.splitlines()) == 5


def test_run_exits_as_pytest_does(cli: Cli, tmp_path: Path) -> None:
    cli("scenario", "new", "demo")
    manifest = tmp_path / "scenarios/demo/scenario.yaml"
    manifest.write_text(manifest.read_text().replace("equals: 3", "equals: 4"))
    assert cli("run").returncode == 1
    assert cli("run", "--scenario", "dmo").returncode == 4


def test_lists_are_tables_or_json(cli: Cli) -> None:
    shown = cli("scenario", "list")
    assert "codegen_exec" in shown.stdout
    listed = json.loads(cli("scenario", "list", "--json").stdout)
    tasks = {row["scenario"]: row["tasks"] for row in listed}
    assert tasks["long_chain_dag"] >= 20
    profiles = json.loads(cli("chaos", "list", "--json").stdout)
    assert {row["profile"] for row in profiles} >= {"none", "runtime_kill", "fixture_error"}


@pytest.mark.parametrize("kind", ["scenario", "chaos"])
def test_the_built_in_files_are_valid(cli: Cli, kind: str) -> None:
    done = cli(kind, "validate")
    assert done.returncode == 0
    found = re.fullmatch(r"(\d+) of (\d+) valid", done.stdout.splitlines()[-1])
    assert found
    assert found[1] == found[2]
    assert int(found[1]) >= (4 if kind == "scenario" else 30)


def test_validation_names_file_line_and_key(cli: Cli, tmp_path: Path) -> None:
    cli("scenario", "new", "demo")
    manifest = tmp_path / "scenarios/demo/scenario.yaml"
    manifest.write_text(manifest.read_text().replace("seed:", "sead:"))
    done = cli("scenario", "validate", "demo")
    assert done.returncode == 2
    assert done.stderr.startswith("error: scenarios/demo/scenario.yaml:5: sead: unknown key")
    assert "Traceback" not in done.stderr


def test_a_scenario_is_shown_as_a_tree(cli: Cli, tmp_path: Path) -> None:
    cli("scenario", "new", "demo")
    (tmp_path / "scenarios/demo/fixtures").mkdir()
    (tmp_path / "scenarios/demo/fixtures/rates.json").write_text("{}")
    shown = cli("scenario", "show", "demo").stdout
    bound = (
        "input.execution.env.NAMES ← greet: from_json(runtime.output.stdout).names | to_string(@)"
    )
    assert shown.splitlines() == [
        "demo: Greet everybody in a list, then count the greetings.",
        "├── stage greet, at most 2 resubmissions",
        "│   └── greet (runtime command)",
        "├── stage count, at most 2 resubmissions",
        "│   └── count (runtime script)",
        f"│       └── {bound}",
        "├── checks",
        "│   ├── task task='greet' status='success'",
        "│   ├── value task='count' path='from_json(runtime.output.stdout).greetings' equals=3",
        "│   └── file path='greetings.txt' equals_file='expected/greetings.txt'",
        "└── fixtures",
        "    └── GET /rates.json",
    ]
    document = json.loads(cli("scenario", "show", "demo", "--json").stdout)
    assert document["manifest"]["id"] == "demo"
    assert len(document["plan"]["stages"]) == 2
    unknown = cli("scenario", "show", "dmo")
    assert unknown.returncode == 2
    assert unknown.stderr.startswith("error: unknown scenario 'dmo'; did you mean 'demo'?")


def test_a_new_profile_is_valid_and_is_shown_in_words(cli: Cli, tmp_path: Path) -> None:
    cli("scenario", "new", "demo")
    made = cli("chaos", "new", "mine")
    assert made.stdout.splitlines() == [
        "made scenarios/chaos/mine.yaml; run it with: pytest --execgo-matrix --execgo-chaos mine",
        "what it does: python -m pytest_execgo chaos show mine",
    ]
    assert cli("chaos", "validate", "mine").returncode == 0
    assert cli("chaos", "show", "mine").stdout.splitlines()[1:] == [
        "├── expects: should recover, cause runtime",
        "├── kill runtime (heal_after_ms: 500) when a task of a stage runs, 20 ms later",
        "└── applicable to: demo",
    ]
    again = cli("chaos", "new", "mine")
    assert (again.returncode, again.stderr) == (
        2, "error: scenarios/chaos/mine.yaml exists already; choose another name or remove it\n",
    )  # fmt: skip
    assert cli("chaos", "new", "none").returncode == cli("chaos", "new", "all").returncode == 2
    wrong = cli("chaos", "new", "Mine")
    assert wrong.stderr.startswith("error: profile name 'Mine': expected lower-case letters")


def test_a_profile_says_where_it_is_not_applicable(cli: Cli) -> None:
    cli("scenario", "new", "demo")
    shown = cli("chaos", "show", "fixture_error").stdout
    assert "├── applicable to: no scenario here" in shown
    assert "    └── demo: the plan does not use ${fixtures_url}" in shown
    document = json.loads(cli("chaos", "show", "fixture_error", "--json").stdout)
    assert document["profile"]["faults"][0]["params"]["path_prefix"] == "/"


def test_editors_find_the_schema_of_each_file_that_is_made(cli: Cli, tmp_path: Path) -> None:
    cli("scenario", "new", "demo")
    cli("chaos", "new", "mine")
    for name in ("demo/scenario.yaml", "demo/plan.yaml", "chaos/mine.yaml"):
        file = tmp_path / "scenarios" / name
        first = file.read_text().splitlines()[0]
        schema = file.parent / first.removeprefix("# yaml-language-server: $schema=")
        jsonschema.validate(yaml.safe_load(file.read_text()), json.loads(schema.read_text()))


PLAN = """
schema_version: "1"
plan_id: p
scenario_id: demo
stages:
  - stage_id: s
    task_graph:
      tasks:
        - { id: a, type: os, tool_name: sleep, params: { seconds: 3 } }
"""
SLEEPY = """
schema_version: "1"
id: demo
reference_plan: plan.yaml
checks: [{ kind: task, task: a, status: success }]
"""


def test_strict_validation_also_checks_the_payloads_of_tools(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "scenarios/demo"
    folder.mkdir(parents=True)
    (folder / "scenario.yaml").write_text(SLEEPY)
    (folder / "plan.yaml").write_text(PLAN)
    assert cli("scenario", "validate").returncode == 0
    done = cli("scenario", "validate", "--strict")
    assert done.returncode == 2
    place = "scenarios/demo/plan.yaml:9: stages[0].task_graph.tasks[0].params.seconds"
    assert done.stderr == f"error: {place}: unknown key (allowed: duration_ms)\n"


CONFTEST = """
from pytest_execgo.chaos.action import PlanAction

print("loaded")  # Must not mix with JSON.

class Rename(PlanAction):
    name = "rename_stage"

    def change(self, plan, fault, rng):
        return None

def pytest_execgo_chaos_actions():
    return [Rename]
"""
PROFILE = """
schema_version: "1"
id: mine
description: Renames a stage.
expectation: measure
faults: [{ action: rename_stage, when: { phase: plan } }]
"""


@pytest.fixture
def chaos_of_a_project(cli: Cli, tmp_path: Path) -> Path:
    """A project with an action in its ``conftest.py`` and a profile that uses it."""
    cli("scenario", "new", "demo")
    (tmp_path / "conftest.py").write_text(CONFTEST)
    profile = tmp_path / "scenarios/chaos/mine.yaml"
    profile.parent.mkdir()
    profile.write_text(PROFILE)
    return profile


@pytest.mark.usefixtures("chaos_of_a_project")
def test_chaos_commands_know_the_actions_of_conftest(cli: Cli) -> None:
    done = cli("chaos", "validate", "mine")
    assert (done.returncode, done.stdout) == (0, "1 of 1 valid\n"), done.stderr
    listed = json.loads(cli("chaos", "list", "--json").stdout)
    (mine,) = [row for row in listed if row["profile"] == "mine"]
    assert mine["faults"] == "rename_stage plan"


@pytest.mark.usefixtures("chaos_of_a_project")
def test_chaos_commands_know_the_actions_of_a_conftest_that_pytest_loads_by_settings(
    cli: Cli, tmp_path: Path
) -> None:
    (tmp_path / "conftest.py").rename(tmp_path / "parts.py")
    assert cli("chaos", "validate", "mine").returncode == 2
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\naddopts = -p parts\n")
    assert cli("chaos", "validate", "mine").returncode == 0


@pytest.mark.parametrize(
    ("file", "text", "line"),
    [
        ("conftest.py", "\n\nraise ValueError('boom')", "conftest.py:3: ValueError: boom"),
        ("conftest.py", "import nowhere", "conftest.py:1: ModuleNotFoundError: No module named"),
        ("conftest.py", "def x(:", "conftest.py: SyntaxError: invalid syntax"),
        (
            "conftest.py",
            "def pytest_execgo_chaos_actions(): return 3",
            "conftest.py: pytest_execgo",
        ),
        ("pytest.ini", "[pytest]\naddopts = --nope", "pytest does not start in this folder: unrec"),
    ],
    ids=["raises", "missing_module", "syntax", "wrong_part", "settings"],
)
def test_a_broken_project_is_one_line(
    cli: Cli, tmp_path: Path, file: str, text: str, line: str
) -> None:
    (tmp_path / file).write_text(text)
    done = cli("chaos", "list")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {line}")
    assert len(done.stderr.splitlines()) == 1
    doctor = cli("doctor", "--json")
    assert doctor.returncode == 1
    broken = {row["what"] for row in json.loads(doctor.stdout) if row["state"] == "broken"}
    assert broken == {"project"}


def test_chaos_commands_work_where_the_plugin_is_switched_off(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -p no:execgo\n")
    assert cli("chaos", "list").returncode == 0


@pytest.mark.parametrize("name", ["Demo", "my-demo", "chaos", "", "../x"])
def test_a_bad_name_for_a_scenario_is_refused(cli: Cli, tmp_path: Path, name: str) -> None:
    done = cli("scenario", "new", name)
    assert done.returncode == 2
    assert not (tmp_path / "scenarios").exists()


def test_an_existing_scenario_is_not_overwritten(cli: Cli) -> None:
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


def test_conformance_shows_how_another_engine_differs(cli: Cli, tmp_path: Path) -> None:
    """The engine answers its health check and nothing else."""
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


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("nonsense", "invalid choice: 'nonsense'"),
        ("run --sead 3", "unrecognized arguments: --sead 3"),
        ("run --chao none", "unrecognized arguments: --chao none"),
        ("run --events x", "argument --events: invalid choice: 'x'"),
        ("chaos validate stormy", "unknown chaos profile 'stormy'"),
        ("harness up --ready-timeout 0", "--ready-timeout '0': expected more than 0 seconds"),
        ("harness up --publish execgo=x", "--publish 'execgo=x': expected a port"),
        ("harness down a --all", "give a NAME or --all, not both"),
        ("conformance --search many", "--search 'many': expected a whole number of at least 0"),
        ("conformance --known x", "--known 'x': expected ID=REASON"),
        ("conformance --service runtime=embedded", "expected execgo=KIND:TARGET"),
    ],
)
def test_a_wrong_argument_is_one_line_and_exit_2(cli: Cli, command: str, complaint: str) -> None:
    done = cli(*command.split())
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert complaint in line


def test_schemas_are_exported(cli: Cli, tmp_path: Path) -> None:
    assert cli("schema", "export", "out").returncode == 0
    assert (tmp_path / "out" / "benchmark_result.schema.json").exists()


def test_the_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from pytest_execgo.cli.parsers import command_line;"
        "command_line().format_help();"
        "print(sorted({'pydantic', 'pytest', 'requests', 'yaml', 'docker'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_the_first_scenario_says_that_the_built_in_ones_do_not_run_any_more(cli: Cli) -> None:
    first, second = cli("scenario", "new", "one"), cli("scenario", "new", "two")
    text = "runs here now take the scenarios in scenarios and not the built-in ones\n"
    assert first.stdout.endswith(text)
    assert text not in second.stdout


def test_contract_tests_of_a_missing_engine_end_with_one_line() -> None:
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "tests/contract", "-q", "-p", "no:cacheprovider",
            "--execgo-service=execgo=binary:/no/such/engine",
        ],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 4
    assert done.stdout.count("/no/such/engine: no such file; build it, or correct the path") == 1
    assert "Traceback" not in done.stdout + done.stderr


def test_the_page_of_a_run_is_opened_by_its_address(cli: Cli, tmp_path: Path) -> None:
    cli("scenario", "new", "demo")
    assert cli("run", "--run-id", "one").returncode == 0
    page = tmp_path / "reports/one/index.html"
    for words in ((), ("reports/one",), ("reports/one/index.html",)):
        done = cli("show", "--print", *words)
        assert (done.returncode, done.stdout) == (0, f"{page.as_uri()}\n")
    missing = cli("show", "--print", "reports/two")
    assert missing.returncode == 2
    assert missing.stderr.startswith(
        "error: reports/two: no index.html there; give the folder of a run"
    )
