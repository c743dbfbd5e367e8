"""Each option, its ini twin, and one clear line for a bad value."""

from __future__ import annotations

import json

import pytest

from tests.conftest import ScenarioMaker
from tests.ids import readable
from tests.plugin.conftest import latest

COLLECT = ("--execgo-matrix", "--collect-only", "-q")


def count(result: pytest.RunResult) -> int:
    return sum("scenario.yaml::" in line for line in result.outlines)


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        ("scenario=dmo", "unknown scenario 'dmo' (allowed: demo); did you mean 'demo'?"),
        ("chaos=runtime_kil", "did you mean 'runtime_kill'?"),
        ("chaos=runtim_*", "unknown chaos profile 'runtim_[*]' (allowed: *"),
        ("framework=langraph", "unknown framework 'langraph' *did you mean 'langgraph'?"),
        ("mode=liv", "did you mean 'live'?"),
        ("mode=live", "live mode asks a model: give --execgo-provider"),
        ("repetitions=0", "expected a whole number of at least 1"),
        ("repetitions=many", "expected a whole number of at least 1"),
        ("seed=x", "expected a whole number of at least 0"),
        ("shard=3/2", "expected i/n with 1 <= i <= n"),
        ("harness=embeded", "did you mean 'embedded'?"),
        ("service=execgo", "expected NAME=KIND[[]:TARGET[]]"),
        ("service=execgo=binary:/nope", "no such file"),
        ("resume=yesterday", "no such run"),
        ("request=nope.json", "no such file"),
        ("scenarios=nope", "no such folder"),
        ("seed=", "needs a value"),
        ("known-findings=runtime-tasks-stay-running", "expected ID=REASON"),
        ("known-findings=runtime-task-stays=x", "did you mean 'runtime-tasks-stay-running'?"),
        ("reports=taken", "is no folder that can be written to"),
    ],
)
def test_a_bad_value_is_one_line_and_exit_4(
    pytester: pytest.Pytester, project: ScenarioMaker, option: str, complaint: str
) -> None:
    project("demo")
    (pytester.path / "taken").touch()
    result = pytester.runpytest("--execgo-matrix", f"--execgo-{option}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    lines = [line for line in result.errlines if line.strip()]
    assert len(lines) == 1, lines
    result.stderr.fnmatch_lines([f"ERROR: execgo: *{complaint}*"])


@pytest.mark.parametrize(
    ("ini", "items"),
    [
        ("execgo_chaos = none runtime_kill", 2),
        ("execgo_repetitions = 3", 3),
        ("execgo_scenario = demo", 1),
        ("execgo_framework = reference", 1),
        ("execgo_mode = replay", 1),
        ("execgo_shard = 1/2", 1),
        ("execgo_scenarios = scenarios", 1),
        ("execgo_seed = 3", 1),
        ("execgo_harness = embedded", 1),
        ("execgo_service = runtime=embedded", 1),
        ("execgo_reports = out", 1),
    ],
)
def test_every_option_has_an_ini_twin(
    pytester: pytest.Pytester, project: ScenarioMaker, ini: str, items: int
) -> None:
    project("demo")
    pytester.makeini(f"[pytest]\n{ini}\n")
    result = pytester.runpytest(*COLLECT, "--strict-config")
    assert count(result) == items, result.stdout.str()


def test_profiles_can_be_chosen_by_a_pattern(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    result = pytester.runpytest(*COLLECT, "--execgo-chaos=execgo_*", "--execgo-chaos=execgo_kill")
    names = {"execgo_kill", "execgo_pause", "execgo_restart", "execgo_unreachable"}
    ids = [line for line in result.outlines if "scenario.yaml::" in line]
    assert {line.split("-replay-")[1].removesuffix("-r0") for line in ids} == names
    assert len(ids) == len(names)


def test_the_command_line_wins_over_the_request_and_that_over_the_ini(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    pytester.makeini("[pytest]\nexecgo_repetitions = 5\nexecgo_chaos = none runtime_kill\n")
    request = {"schema_version": "1", "repetitions": 3}
    (pytester.path / "request.json").write_text(json.dumps(request))
    assert count(pytester.runpytest(*COLLECT)) == 10
    assert count(pytester.runpytest(*COLLECT, "--execgo-request=request.json")) == 6
    chosen = pytester.runpytest(
        *COLLECT, "--execgo-request=request.json", "--execgo-repetitions=1", "--execgo-chaos=none"
    )
    assert count(chosen) == 1


def test_reports_and_seed_go_where_they_are_told(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    result = pytester.runpytest("--execgo-matrix", "--execgo-reports=out", "--execgo-seed=42")
    result.assert_outcomes(passed=1)
    report = json.loads((pytester.path / "out/latest/benchmark.json").read_text())
    assert report["environment"]["seed"] == 42
    assert report["trials"][0]["seed"] == 42
    assert "--execgo-seed 42" in report["trials"][0]["rerun"]


def test_the_folder_of_scenarios_can_be_chosen(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    elsewhere = ScenarioMaker(pytester.path / "mine")
    elsewhere("one")
    project("demo")
    result = pytester.runpytest("--execgo-matrix", "--execgo-scenarios=mine")
    result.assert_outcomes(passed=1)
    assert latest(pytester.path)["trials"][0]["scenario"] == "one"


@pytest.mark.parametrize("workers", [[], ["-n2"]], ids=["plain", "n2"])
@pytest.mark.parametrize(
    ("file", "old", "new", "complaint"),
    [
        ("scenario.yaml", "seed:", "sead:", "scenario.yaml:4: sead: unknown key*mean 'seed'?"),
        ("scenario.yaml", "plan.yaml", "plam.yaml", "reference_plan: no such file: plam.yaml"),
        ("scenario.yaml", "kind: file", "kind: fil", "unknown kind 'fil'*did you mean 'file'?"),
        ("scenario.yaml", "id: demo", "id: dmo", "must equal the name of its folder"),
        ("scenario.yaml", "task: count", "task: cont", "has no task 'cont'*did you mean 'count'?"),
        ("scenario.yaml", "allowed_chaos:", "  - [", "not YAML"),
        (
            "plan.yaml",
            "source_task_id: greet",
            "source_task_id: gret",
            "no earlier stage has a task",
        ),
        ("plan.yaml", "${workspace}/", "${worksapce}/", "did you mean 'workspace'?"),
        (
            "plan.yaml",
            "type: runtime",
            "type: runtime\n          depends_on: [greet]",
            "depends on itself",
        ),
        ("plan.yaml", 'schema_version: "1"', 'schema_version: "9"', "pip install -U pytest-execgo"),
    ],
)
def test_a_bad_scenario_is_one_line_without_a_traceback(
    pytester: pytest.Pytester,
    project: ScenarioMaker,
    workers: list[str],
    file: str,
    old: str,
    new: str,
    complaint: str,
) -> None:
    path = project("demo") / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    result = pytester.runpytest("--execgo-matrix", *workers)
    assert result.ret in (2, 4)
    output = result.stdout.str() + result.stderr.str()
    assert "Traceback" not in output
    told = [line for line in output.splitlines() if f"{file}:" in line]
    assert len(told) == 1, told
    (result.stderr if workers else result.stdout).fnmatch_lines([f"*{complaint}*"])


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ({"action": "kil"}, "unknown chaos action 'kil'*did you mean 'kill'?"),
        ({"params": {"revive_afer_ms": 1}}, "did you mean 'heal_after_ms'?"),
        ({"target": "fixture"}, "unknown target of kill 'fixture'*did you mean 'fixtures'?"),
        ({"when": {"phase": "plan"}}, "unknown when.phase of kill 'plan'"),
        ({"probability": 3}, "faults[[]0[]].probability"),
    ],
    ids=readable,
)
def test_a_bad_profile_is_found_before_anything_runs(
    pytester: pytest.Pytester, project: ScenarioMaker, fault: dict[str, object], complaint: str
) -> None:
    project("demo")
    good = {"action": "kill", "target": "runtime", "when": {"phase": "runtime"}}
    project.chaos("mine", expectation="should_recover", faults=[{**good, **fault}])
    result = pytester.runpytest("--execgo-matrix", "--execgo-chaos=mine")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: execgo: *mine.yaml*{complaint}*"])
