"""Each option, its ini twin, and one clear line for a wrong value or combination."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from fnmatch import fnmatch
from typing import Any

import pytest

from pytest_execgo.errors import UsageError
from pytest_execgo.models.trial_result import TrialResult
from pytest_execgo.options.table import OPTIONS, Option
from pytest_execgo.options.values import Text
from pytest_execgo.plugin.request import RequestReader
from tests.conftest import ScenarioMaker
from tests.ids import readable
from tests.plugin.conftest import latest

COLLECT = ("--execgo-matrix", "--collect-only", "-q")


def count(result: pytest.RunResult) -> int:
    return sum("scenario.yaml::" in line for line in result.outlines)


def complaint_of(result: pytest.RunResult) -> str:
    """The only line on standard error."""
    (line,) = [line for line in result.errlines if line.strip()]
    return line


def options(names: Callable[[Option], bool]) -> pytest.MarkDecorator:
    """Parametrises ``option`` by a part of the table, so that a new option is tested by itself."""
    chosen = [option for option in OPTIONS if names(option)]
    return pytest.mark.parametrize("option", chosen, ids=lambda option: option.name)


def words(option: Option, text: str = "1") -> list[str]:
    return [option.flag] if option.kind == "flag" else [f"{option.flag}={text}"]


# A persistent fleet needs Docker, also to find out that its name is wrong.
@options(lambda o: o.kind != "flag" and not isinstance(o.value, Text) and o.name != "fleet")
def test_a_value_that_no_option_allows_is_refused(
    pytester: pytest.Pytester, project: ScenarioMaker, option: Option
) -> None:
    project("demo")
    live = ["--execgo-mode=live", "--execgo-model=m", "--execgo-base-url=http://h/v1"]
    others = [word for word in live if not word.startswith(f"{option.flag}=")]
    result = pytester.runpytest(
        "--execgo-matrix", *(others if option.live_only else []), *words(option, "=!")
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert complaint_of(result).startswith("ERROR: execgo: ")
    assert "=!" in complaint_of(result)


@options(lambda o: o.kind != "flag")
def test_an_empty_value_is_refused_even_without_the_matrix(
    pytester: pytest.Pytester, option: Option
) -> None:
    result = pytester.runpytest(f"{option.flag}=")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert complaint_of(result) == f"ERROR: execgo: {option.flag}: needs a value: {option.help}"


@options(lambda o: o.live_only)
def test_an_option_for_live_mode_is_refused_without_live_mode(
    pytester: pytest.Pytester, project: ScenarioMaker, option: Option
) -> None:
    project("demo")
    result = pytester.runpytest("--execgo-matrix", *words(option))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    expected = f"ERROR: execgo: {option.flag} is for live mode, *add --execgo-mode live"
    assert fnmatch(complaint_of(result), expected)


def earlier_run(pytester: pytest.Pytester) -> None:
    """The folder of a run without trials."""
    folder = pytester.mkdir("reports") / "earlier"
    folder.mkdir()
    (folder / "request.json").write_text('{"schema_version": "1"}')


@options(lambda o: o.resume == "refuse" and o.name != "replay")
def test_an_option_that_would_change_a_resumed_run_is_refused(
    pytester: pytest.Pytester, project: ScenarioMaker, option: Option
) -> None:
    project("demo")
    earlier_run(pytester)
    result = pytester.runpytest("--execgo-matrix", "--execgo-resume=earlier", *words(option))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert complaint_of(result) == (
        "ERROR: execgo: --execgo-resume takes the request of the run it resumes; "
        f"leave out {option.flag}"
    )


def test_a_resumed_run_without_live_mode_refuses_to_record(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    earlier_run(pytester)
    result = pytester.runpytest("--execgo-matrix", "--execgo-resume=earlier", "--execgo-record")
    assert "--execgo-record is for live mode" in complaint_of(result)


@options(lambda o: o.replay == "refuse")
def test_an_option_that_would_change_a_replay_is_refused(
    pytester: pytest.Pytester, option: Option
) -> None:
    recorded = {"demo-r0": (pytester.path, TrialResult.model_construct())}
    reader = RequestReader(pytester.parseconfig(*words(option)), recorded)
    with pytest.raises(UsageError) as caught:
        reader.read()
    assert str(caught.value) == (
        f"--execgo-replay repeats trials as they were recorded; leave out {option.flag}"
    )


@options(lambda o: o.replay == "allow" and o.name != "replay")
def test_an_option_that_a_replay_allows_is_not_refused(
    pytester: pytest.Pytester, option: Option
) -> None:
    recorded = {"demo-r0": (pytester.path / "run/trials/demo-r0", TrialResult.model_construct())}
    reader = RequestReader(pytester.parseconfig(*words(option)), recorded)
    with pytest.raises(UsageError, match="so the fleet of the trial is unknown"):
        reader.read()


@pytest.mark.parametrize(
    ("file", "words", "timeout"),
    [
        (9.0, [], 9.0),
        (9.0, ["--execgo-model-timeout=7"], 7.0),
        (None, [], 5.0),
        (None, ["--execgo-model-timeout=7"], 7.0),
    ],
)
def test_a_provider_on_the_command_line_discards_the_model_of_files_but_not_its_timeout(
    pytester: pytest.Pytester, file: float | None, words: list[str], timeout: float
) -> None:
    pytester.makeini("[pytest]\nexecgo_model_timeout = 5\nexecgo_temperature = 1\n")
    model = {"provider": "openai-compatible", "model": "m", "model_timeout": file}
    request = {"schema_version": "1", "modes": ["live"]} | ({"model": model} if file else {})
    (pytester.path / "request.json").write_text(json.dumps(request))
    given = ["--execgo-request=request.json", "--execgo-mode=live", "--execgo-provider=scripted"]
    read = RequestReader(pytester.parseconfig(*given, *words), {}).read()
    assert read.model is not None
    assert read.model.model_dump(exclude_none=True) == {
        "provider": "scripted",
        "model": "default",
        "model_timeout": timeout,
    }


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        ("scenario=dmo", "unknown scenario 'dmo'; did you mean 'demo'? (allowed: demo)"),
        ("chaos=runtime_kil", "did you mean 'runtime_kill'?"),
        ("chaos=runtim_*", "no chaos profile matches 'runtim_[*]' (profiles: *"),
        ("framework=langraph", "unknown framework 'langraph'*did you mean 'langgraph'?*"),
        ("mode=liv", "did you mean 'live'?"),
        ("mode=live", "live mode asks a model: give --execgo-provider"),
        ("repetitions=0", "expected a whole number of at least 1"),
        ("repetitions=many", "expected a whole number of at least 1"),
        ("seed=x", "expected a whole number of at least 0"),
        ("shard=3/2", "expected i/n with 1 <= i <= n"),
        ("harness=embeded", "did you mean 'embedded'?"),
        ("service=execgo", "expected NAME=KIND[[]:TARGET[]]"),
        ("service=execgo=binary:/nope", "no such file"),
        ("service-args=runtime", "expected NAME=ARGUMENTS"),
        ("service-args=runtime='-x", "no closing quotation"),
        ("service-args=rntime=-x", "did you mean 'runtime'?"),
        ("service-args=runtime=-x", "is launched as embedded, which takes no arguments"),
        ("resume=yesterday", "no such run"),
        ("request=nope.json", "no such file"),
        ("scenarios=nope", "no such folder"),
        ("seed=", "needs a value"),
        ("known-findings=runtime-tasks-stay-running", "expected ID=REASON"),
        ("known-findings=runtime-task-stays=x", "did you mean 'runtime-tasks-stay-running'?"),
        ("reports=taken", "is not a writable directory"),
        ("run-id=../up", "--execgo-run-id '../up': expected at most 80 letters"),
        ("run-id=latest", "and not latest"),
        ("run-id=-x", "not beginning with '.' or '-'"),
    ],
)
def test_a_wrong_value_is_one_line_and_exit_4(
    pytester: pytest.Pytester, project: ScenarioMaker, option: str, complaint: str
) -> None:
    project("demo")
    (pytester.path / "taken").touch()
    result = pytester.runpytest("--execgo-matrix", f"--execgo-{option}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert complaint_of(result)
    result.stderr.fnmatch_lines([f"ERROR: execgo: *{complaint}*"])


@pytest.mark.parametrize(
    ("ini", "items"),
    [
        ("execgo_chaos =\n  none\n  runtime_kill", 2),
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
def test_an_ini_file_sets_options(
    pytester: pytest.Pytester, project: ScenarioMaker, ini: str, items: int
) -> None:
    project("demo")
    pytester.makeini(f"[pytest]\n{ini}\n")
    result = pytester.runpytest(*COLLECT, "--strict-config")
    assert count(result) == items, result.stdout.str()


@options(lambda o: True)
def test_every_option_has_an_ini_twin(pytester: pytest.Pytester, option: Option) -> None:
    value = {"flag": "true", "one": "some-text", "many": "\n  some-text\n  other"}[option.kind]
    read = {"flag": True, "one": "some-text", "many": ["some-text", "other"]}[option.kind]
    pytester.makeini(f"[pytest]\n{option.key} = {value}\n")
    config = pytester.parseconfig("--strict-config")
    assert config.getini(option.key) == read


def test_profiles_can_be_chosen_by_a_pattern(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    result = pytester.runpytest(*COLLECT, "--execgo-chaos=execgo_*", "--execgo-chaos=execgo_kill")
    names = {"execgo_kill", "execgo_pause", "execgo_restart", "execgo_unreachable"}
    ids = [line for line in result.outlines if "scenario.yaml::" in line]
    assert {line.split("-replay-")[1].removesuffix("-r0") for line in ids} == names
    assert len(ids) == len(names)


def test_the_command_line_wins_over_the_request_file_which_wins_over_the_ini_file(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    pytester.makeini("[pytest]\nexecgo_repetitions = 5\nexecgo_chaos =\n none\n runtime_kill\n")
    request = {"schema_version": "1", "repetitions": 3}
    (pytester.path / "request.json").write_text(json.dumps(request))
    assert count(pytester.runpytest(*COLLECT)) == 10
    assert count(pytester.runpytest(*COLLECT, "--execgo-request=request.json")) == 6
    chosen = pytester.runpytest(
        *COLLECT, "--execgo-request=request.json", "--execgo-repetitions=1", "--execgo-chaos=none"
    )
    assert count(chosen) == 1


@pytest.mark.parametrize(
    ("ini", "complaint"),
    [
        ("execgo_chaos = none runtime_kill", "'none runtime_kill': write each name on a line of"),
        ("execgo_service = 'runtime=embedded'", "'runtime=embedded': write it without the quotes"),
    ],
    ids=["two names", "quotes"],
)
def test_an_entry_of_an_ini_list_is_a_line(
    pytester: pytest.Pytester, project: ScenarioMaker, ini: str, complaint: str
) -> None:
    project("demo")
    pytester.makeini(f"[pytest]\n{ini}\n")
    result = pytester.runpytest(*COLLECT)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"{ini.partition(' ')[0]}: {complaint}" in complaint_of(result)


def test_the_folder_of_a_scenario_runs_it(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    project("other")
    result = pytester.runpytest("scenarios/demo")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["scenarios/demo/scenario.yaml .*"])


def test_a_folder_of_scenarios_without_the_matrix_is_explained(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    result = pytester.runpytest("scenarios")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    hint = "execgo: scenarios is a folder of scenarios; add --execgo-matrix to run them"
    result.stdout.fnmatch_lines([hint])


def test_a_matrix_run_of_a_folder_without_scenarios_says_so(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    pytester.makepyfile("def test_a(): pass")
    (pytester.path / "tests").mkdir()
    (pytester.path / "tests/test_b.py").write_text("def test_b(): pass")
    result = pytester.runpytest("--execgo-matrix", "tests")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["execgo: no trial ran, because no scenario is in: tests"])


def test_reports_that_cannot_be_written_are_one_line(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    result = pytester.runpytest("--execgo-matrix", "--execgo-reports=/proc/nothing")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "/proc/nothing" in complaint_of(result)
    assert complaint_of(result).endswith("choose another folder with --execgo-reports DIR")


def test_the_name_of_a_run_can_be_chosen(pytester: pytest.Pytester, project: ScenarioMaker) -> None:
    project("demo")
    pytester.runpytest("--execgo-matrix", "--execgo-run-id=nightly-1").assert_outcomes(passed=1)
    assert (pytester.path / "reports/nightly-1/benchmark.json").is_file()
    again = pytester.runpytest("--execgo-matrix", "--execgo-run-id=nightly-1")
    assert again.ret == pytest.ExitCode.USAGE_ERROR
    assert complaint_of(again).endswith(
        "reports/nightly-1 exists already; choose another id, or continue that run with "
        "--execgo-resume nightly-1"
    )


def test_the_request_of_a_run_names_what_was_used(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    pytester.runpytest(
        "--execgo-matrix", "--execgo-chaos=runtime_k*", "--execgo-shard=1/1",
        "--execgo-framework=reference",
    )  # fmt: skip
    used = json.loads((pytester.path / "reports/latest/request.json").read_text())
    chosen = {name: used[name] for name in ("scenarios", "frameworks", "chaos", "seed", "shard")}
    assert chosen == {
        "scenarios": ["demo"], "frameworks": ["reference"], "chaos": ["runtime_kill"], "seed": 7,
        "shard": "1/1",
    }  # fmt: skip


def test_a_resumed_shard_runs_only_its_own_trials(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    project("other")
    pytester.runpytest("--execgo-matrix", "--execgo-shard=1/2").assert_outcomes(passed=1)
    again = pytester.runpytest("--execgo-matrix", "--execgo-resume=latest")
    again.assert_outcomes(deselected=1)
    both = pytester.runpytest("--execgo-matrix", "--execgo-resume=latest", "--execgo-shard=2/2")
    assert both.ret == pytest.ExitCode.USAGE_ERROR
    assert "--execgo-resume takes the request of the run it resumes" in complaint_of(both)


def test_the_reports_folder_and_the_seed_can_be_chosen(
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
        ("scenario.yaml", "seed:", "sead:", "scenario.yaml:5: sead: unknown key*mean 'seed'?"),
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
def test_a_wrong_scenario_is_one_line_without_a_traceback(
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
    # With xdist the controller reads the manifests, before any worker starts.
    assert result.ret == (4 if workers else 2)
    output = result.stdout.str() + result.stderr.str()
    assert "Traceback" not in output
    lines = [line for line in output.splitlines() if f"{file}:" in line]
    assert len(lines) == 1, lines
    (result.stderr if workers else result.stdout).fnmatch_lines([f"*{complaint}*"])


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ({"action": "kil"}, "unknown chaos action 'kil'*did you mean 'kill'?"),
        ({"params": {"revive_afer_ms": 1}}, "did you mean 'heal_after_ms'?"),
        ({"target": "fixture"}, "unknown target of kill 'fixture'*did you mean 'fixtures'?"),
        ({"when": {"phase": "plan"}}, "unknown when.phase of kill 'plan'"),
        ({"probability": 3}, "faults[[]0[]].probability"),
        (
            {"when": {"phase": "runtime", "stage": "gret"}},
            ":*: faults[[]0[]].when: the scenarios have no stage 'gret'; did you mean "
            "'greet'? (allowed: greet, count)",
        ),
        (
            {"when": {"phase": "runtime", "stage": "greet", "task": "count"}},
            "the scenarios have no task 'count' in stage 'greet' (allowed: greet)",
        ),
    ],
    ids=readable,
)
def test_a_wrong_profile_is_found_before_any_trial_runs(
    pytester: pytest.Pytester, project: ScenarioMaker, fault: dict[str, object], complaint: str
) -> None:
    project("demo")
    good = {"action": "kill", "target": "runtime", "when": {"phase": "runtime"}}
    project.chaos("mine", expectation="should_recover", faults=[{**good, **fault}])
    result = pytester.runpytest("--execgo-matrix", "--execgo-chaos=mine")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: execgo: *mine.yaml*{complaint}*"])


def test_a_profile_for_a_stage_of_another_scenario_is_not_applicable(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    def rename(plan: dict[str, Any]) -> None:
        plan["stages"][0]["stage_id"] = "welcome"

    project("demo")
    project("other", plan=rename)
    when = {"phase": "runtime", "stage": "greet"}
    params = {"heal_after_ms": 100}
    fault = {"action": "kill", "target": "runtime", "params": params, "when": when}
    project.chaos("mine", expectation="should_recover", faults=[fault])
    result = pytester.runpytest("--execgo-matrix", "--execgo-chaos=mine")
    result.assert_outcomes(passed=1)
    reason = "the plan has no stage 'greet' (allowed: welcome, count)"
    result.stdout.fnmatch_lines([f"not applicable: 1 pair of scenario and profile: {reason}"])


RUNTIME = """\
#!/bin/sh
shift
exec {python} -m pytest_execgo.emulators.runtime "$@"
"""


@pytest.mark.parametrize("source", ["command line", "ini", "request"])
def test_arguments_for_a_binary_come_from_every_source_and_are_recorded(
    pytester: pytest.Pytester, project: ScenarioMaker, source: str
) -> None:
    project("demo")
    program = pytester.path / "my runtime"
    program.write_text(RUNTIME.format(python=sys.executable))
    program.chmod(0o755)
    service, arguments = f"runtime=binary:{program}", "runtime=--max-running-tasks 2"
    given: list[str] = []
    if source == "command line":
        given = [f"--execgo-service={service}", "--execgo-service-args", arguments]
    elif source == "ini":
        ini = f"[pytest]\nexecgo_service = {service}\nexecgo_service_args = {arguments}\n"
        pytester.makeini(ini)
    else:
        words = ["--max-running-tasks", "2"]
        request = {"services": {"runtime": f"binary:{program}"}, "service_args": {"runtime": words}}
        (pytester.path / "r.json").write_text(json.dumps({"schema_version": "1", **request}))
        given = ["--execgo-request=r.json"]
    result = pytester.runpytest("--execgo-matrix", *given)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["  runtime *binary * sha256 * --max-running-tasks 2"])
    run = pytester.path / "reports/latest"
    environment = json.loads((run / "environment.json").read_text())
    runtime = environment["services"]["runtime"]
    assert runtime["arguments"] == ["--max-running-tasks", "2"]
    assert len(runtime["digest"]) == 64
    trial = json.loads((run / "benchmark.json").read_text())["trials"][0]
    words = shlex.split(trial["rerun"])
    assert words[words.index("--execgo-service-args") + 1] == arguments


def test_a_replay_takes_the_recorded_arguments_unless_the_launcher_is_another_one(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    program = pytester.path / "runtime"
    program.write_text(RUNTIME.format(python=sys.executable))
    program.chmod(0o755)
    given = [f"--execgo-service=runtime=binary:{program}"]
    arguments = ["--execgo-service-args", "runtime=--max-running-tasks 2"]
    pytester.runpytest("--execgo-matrix", *given, *arguments).assert_outcomes(passed=1)
    before = (pytester.path / "reports/latest").resolve()

    def replayed(*words: str) -> list[str]:
        pytester.runpytest("--execgo-replay", str(before), *words).assert_outcomes(passed=1)
        environment = json.loads((pytester.path / "reports/latest/environment.json").read_text())
        found: list[str] = environment["services"]["runtime"]["arguments"]
        return found

    assert replayed() == ["--max-running-tasks", "2"]
    assert replayed("--execgo-service=runtime=embedded") == []
    other = ["--execgo-service-args", "runtime=--max-running-tasks 3"]
    assert replayed(*other) == ["--max-running-tasks", "3"]
