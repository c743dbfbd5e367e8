"""Where scenarios, reports and printed commands are, from whichever folder pytest is called."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ScenarioMaker
from tests.plugin.conftest import latest

ONE = "*/scenario.yaml::reference-replay-none-r0"


def call(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """pytest in a process of its own, called in ``folder``."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=os.environ | environment,
    )


def failing(project: ScenarioMaker, name: str) -> Path:
    return project(name, manifest=lambda manifest: manifest["checks"][1].update(equals=4))


@pytest.mark.parametrize("option", ["--execgo-reports", "--execgo-scenarios"])
def test_the_value_of_an_option_does_not_move_the_root_folder(
    pytester: pytest.Pytester, option: str
) -> None:
    inner = pytester.path / "project"
    failing(ScenarioMaker(inner / "scenarios"), "mine")
    (inner / "pytest.ini").touch()
    (pytester.path / "other").mkdir()
    if option == "--execgo-scenarios":
        shutil.copytree(inner / "scenarios", pytester.path / "other", dirs_exist_ok=True)
    for words in ((option, "../other"), (f"{option}=../other",)):
        done = call(inner, "--execgo-matrix", *words)
        assert f"rootdir: {inner}\n" in done.stdout
        assert "configfile: pytest.ini" in done.stdout
        assert "1 failed" in done.stdout


def test_a_value_in_pytest_addopts_that_moves_the_root_folder_is_refused(
    pytester: pytest.Pytester,
) -> None:
    inner = pytester.path / "project"
    failing(ScenarioMaker(inner / "scenarios"), "mine")
    done = call(inner, "--execgo-matrix", PYTEST_ADDOPTS=f"--execgo-reports '{pytester.path}'")
    assert done.returncode == 4
    assert f"write --execgo-reports={pytester.path}" in done.stderr


def test_the_nearest_scenarios_between_the_current_and_the_root_folder_are_used(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeini("[pytest]\n")
    package = pytester.path / "packages/agent"
    (package / "src").mkdir(parents=True)
    ScenarioMaker(pytester.path / "scenarios")("of_root")
    list_ = [sys.executable, "-m", "pytest_execgo", "scenario", "list", "--json"]
    for folder, name, shown in (
        (package, "of_root", "../../scenarios"),
        (pytester.path, "of_root", "scenarios"),
    ):
        done = call(folder, "--execgo-matrix", "--collect-only")
        assert f"/{name}/scenario.yaml" in done.stdout or f"{name}" in done.stdout
        done = call(folder, "--execgo-matrix", "--collect-only")
        assert f"  scenarios in {shown}\n" in done.stdout
    ScenarioMaker(package / "scenarios")("of_package")
    for folder, shown in ((package, "scenarios"), (package / "src", "../scenarios")):
        done = call(folder, "--execgo-matrix", "--collect-only")
        assert f"  scenarios in {shown}\n" in done.stdout
        assert "of_package" in done.stdout
        assert "of_root" not in done.stdout
        listed = subprocess.run(list_, cwd=folder, capture_output=True, text=True, check=True)
        assert [row["scenario"] for row in json.loads(listed.stdout)] == ["of_package"]


def test_commands_take_the_scenarios_of_the_ini_file(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nexecgo_scenarios = my scenarios\n")
    ScenarioMaker(pytester.path / "my scenarios")("mine")
    (pytester.path / "sub").mkdir()
    list_ = [sys.executable, "-m", "pytest_execgo", "scenario", "list", "--json"]
    for folder in (pytester.path, pytester.path / "sub"):
        done = subprocess.run(list_, cwd=folder, capture_output=True, text=True, check=True)
        assert [row["scenario"] for row in json.loads(done.stdout)] == ["mine"]
        assert "mine" in call(folder, "--execgo-matrix", "--collect-only", "-q").stdout


def test_the_use_of_the_built_in_scenarios_is_explained(pytester: pytest.Pytester) -> None:
    (pytester.path / "scenarios").mkdir()
    result = pytester.runpytest("--execgo-matrix", "-k", "codegen_exec")
    why = f"no scenarios/[*]/scenario.yaml in {pytester.path}"
    result.stdout.fnmatch_lines([f"  scenarios built in ({why})"])
    result.stdout.fnmatch_lines([f"the built-in scenarios ran: {why}"])
    quiet = pytester.runpytest("--execgo-matrix", "-k", "codegen_exec", "-q")
    quiet.stdout.fnmatch_lines([f"the built-in scenarios ran: {why}"])


@pytest.mark.parametrize("reports", ["reports", "else/where"])
def test_what_a_run_left_is_never_collected(
    pytester: pytest.Pytester, project: ScenarioMaker, reports: str
) -> None:
    folder = failing(project, "demo")
    (folder / "workspace/test_agent.py").write_text("def test_agent(): assert 0")
    pytester.makepyfile(test_mine="def test_mine(): pass")
    pytester.makeini("[pytest]\nnorecursedirs = scenarios\n")
    run = pytester.runpytest("--execgo-matrix", f"--execgo-reports={reports}")
    run.assert_outcomes(failed=1)
    assert list((pytester.path / reports).glob("*/trials/*/workspace/test_agent.py"))
    pytester.runpytest().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    "words",
    [
        ["--ignore=scenarios/dangerous"],
        ["--ignore=scenarios/dangerous/scenario.yaml"],
        ["--ignore-glob=*/danger*"],
        ["-o", "norecursedirs=danger*"],
        ["--deselect=scenarios/dangerous/scenario.yaml"],
        ["conftest"],
        ["conftest of scenarios"],
    ],
)
@pytest.mark.parametrize("given", [[], ["scenarios"]], ids=["no_path", "folder"])
def test_an_ignored_scenario_does_not_run(
    pytester: pytest.Pytester, project: ScenarioMaker, words: list[str], given: list[str]
) -> None:
    project("dangerous")
    project("fine")
    if words == ["conftest"]:
        pytester.makeconftest("collect_ignore = ['scenarios/dangerous']")
        words = []
    elif words == ["conftest of scenarios"]:
        (pytester.path / "scenarios/conftest.py").write_text("collect_ignore_glob = ['d*']")
        words = []
    result = pytester.runpytest("--execgo-matrix", "--collect-only", "-q", *given, *words)
    found = [line for line in result.outlines if "::" in line]
    assert found == ["scenarios/fine/scenario.yaml::reference-replay-none-r0"]


def test_a_folder_in_place_of_the_link_to_the_newest_run_is_renamed(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    reports = pytester.path / "reports"
    pytester.runpytest("--execgo-matrix").assert_outcomes(passed=1)
    first = (reports / "latest").resolve()
    (reports / "latest").unlink()
    shutil.copytree(first, reports / "latest")
    resumed = pytester.runpytest("--execgo-matrix", "--execgo-resume=latest")
    assert resumed.ret == 4
    resumed.stderr.fnmatch_lines(["*reports/latest is a folder, not the link to the newest run*"])
    second = pytester.runpytest("--execgo-matrix")
    second.stdout.fnmatch_lines(["*reports/latest was a folder, *; its name is now latest-1"])
    assert latest(pytester.path)["run_id"] != first.name
    assert (reports / "latest-1/benchmark.json").is_file()


@pytest.mark.parametrize("name", ["../x", "a/b", "..", "/tmp", "x/"])
def test_a_resumed_run_is_named_not_located(
    pytester: pytest.Pytester, project: ScenarioMaker, name: str
) -> None:
    project("demo")
    result = pytester.runpytest("--execgo-matrix", f"--execgo-resume={name}")
    assert result.ret == 4
    result.stderr.fnmatch_lines(
        [f"ERROR: execgo: --execgo-resume {name}: expected the name of a run in *reports"]
    )


def test_what_is_printed_below_the_root_folder_works_there(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    failing(project, "demo")
    pytester.makeini("[pytest]\n")
    sub, tests = pytester.path / "sub", pytester.path / "te sts"
    sub.mkdir()
    tests.mkdir()
    (tests / "test_own.py").write_text(
        "def test_own(execgo_run):\n    assert execgo_run('demo').verdict.status == 'passed'\n"
    )
    done = call(sub, "--execgo-matrix")
    records = [x.split()[1] for x in done.stdout.splitlines() if x.startswith("record")]
    assert len(records) == 1, done.stdout + done.stderr
    assert (sub / records[0] / "result.json").is_file()
    call(sub, "../te sts/test_own.py")
    (trial,) = latest(pytester.path)["trials"]
    assert shlex.split(trial["rerun"])[1] == "../te sts/test_own.py::test_own"
    again = call(sub, *shlex.split(trial["rerun"])[1:])
    assert "1 failed" in again.stdout


def test_workers_in_another_folder_use_the_places_of_the_call(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    (pytester.path / "more").mkdir()
    project_of_sub = ScenarioMaker(pytester.path / "sub/scenarios")
    project_of_sub("of_sub")
    words = ("--execgo-matrix", "--tx", f"popen//chdir={pytester.path / 'more'}", "--dist", "load")
    done = call(pytester.path / "sub", *words, f"--rootdir={pytester.path}", "--execgo-reports=r")
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    assert list((pytester.path / "sub/r").glob("*/trials/of_sub-*/result.json"))
    assert not (pytester.path / "more/r").exists()
    assert not (pytester.path / "more/reports").exists()


@pytest.mark.parametrize(
    "option", ["chaos=all", "framework=reference", "mode=live", "repetitions=2", "scenario=x"]
)
def test_an_option_that_chooses_trials_needs_the_matrix(
    pytester: pytest.Pytester, option: str
) -> None:
    pytester.makepyfile("def test_it(): pass")
    result = pytester.runpytest(f"--execgo-{option}")
    assert result.ret == 4
    flag = option.partition("=")[0]
    result.stderr.fnmatch_lines(
        [f"ERROR: execgo: --execgo-{flag} has no effect without --execgo-matrix; add it"]
    )


def test_the_same_options_in_the_ini_file_wait_for_the_matrix(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): pass")
    pytester.makeini("[pytest]\nexecgo_chaos = all\nexecgo_repetitions = 2\n")
    pytester.runpytest().assert_outcomes(passed=1)


def test_the_command_line_wins_over_the_fleet_of_the_ini_file(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    pytester.makeini("[pytest]\nexecgo_fleet = nightly\n")
    result = pytester.runpytest("--execgo-matrix", "--execgo-harness=embedded")
    result.assert_outcomes(passed=1)


def test_watching_a_folder_that_reports_are_written_to_is_refused(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    result = pytester.runpytest("-f", "--execgo-matrix")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["ERROR: execgo: -f watches *, and every run writes to *reports*"])
    assert not (pytester.path / "reports").exists()


def test_a_working_folder_that_is_gone_is_one_line(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    code = (
        "import os, runpy, sys; os.rmdir(os.getcwd()); sys.argv = ['pytest_execgo', 'scenario', 'list'];"
        "runpy.run_module('pytest_execgo', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=gone, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
