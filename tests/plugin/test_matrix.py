"""``pytest --execgo-matrix`` does what a pytest user expects."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET

import jsonschema
import pytest

from pytest_execgo.cli.schema import schemas
from pytest_execgo.scenario.library import list_profiles
from tests.conftest import ScenarioMaker
from tests.ids import readable
from tests.plugin.conftest import latest

ITEM = "scenarios/demo/scenario.yaml::reference-replay-none-r0"
WORKERS = pytest.mark.parametrize("workers", [[], ["-n0"], ["-n2"]], ids=["plain", "n0", "n2"])


THREE = [f"--execgo-chaos={name}" for name in ("invalid_tool", "none", "runtime_kill")]


def ids(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if "scenario.yaml::" in line]


@WORKERS
def test_a_run_writes_a_complete_report(
    pytester: pytest.Pytester, project: ScenarioMaker, workers: list[str]
) -> None:
    project("demo")
    project("other")
    result = pytester.runpytest("--execgo-matrix", *THREE, "-p", "xdist", *workers)
    result.assert_outcomes(passed=6)
    assert result.ret == 0
    run = pytester.path / "reports" / "latest"
    report = latest(pytester.path)
    jsonschema.validate(report, schemas()["benchmark_result.schema.json"])
    assert len(report["trials"]) == len(report["cells"]) == 6
    assert report["trustworthy"]
    assert report["attribution"]["correct"] == 4
    markdown = (run / "benchmark.md").read_text()
    for cell in report["cells"]:
        assert re.search(
            rf"\| {cell['scenario']} +\| reference +\| replay \| {cell['chaos']}", markdown
        )
    assert {path.name for path in run.iterdir()} >= {
        "request.json", "environment.json", "events.ndjson", "benchmark.json", "benchmark.md",
        "ctrf.json", "junit.xml", "trace.json",
    }  # fmt: skip
    events = [json.loads(line) for line in (run / "events.ndjson").read_text().splitlines()]
    kinds = [event["event"] for event in events]
    assert (kinds[:2], kinds[-1]) == (["stream_started", "run_started"], "run_finished")
    schema = schemas()["stream_line.schema.json"]
    for event in events:
        jsonschema.validate(event, schema)
    # A changed plan has nothing to heal.
    assert (kinds.count("fault_injected"), kinds.count("fault_healed")) == (4, 2)
    open_now: set[str] = set()
    for event in events:
        if event["event"] == "trial_started":
            open_now.add(event["trial_id"])
        elif event["event"] == "trial_finished":
            open_now.remove(event["trial_id"])
        elif "trial_id" in event:
            assert event["trial_id"] in open_now
    assert kinds.count("trial_started") == kinds.count("trial_finished") == 6
    result.stdout.fnmatch_lines(
        ["*execgo: run * seed 7", "  execgo *embedded * sha256 *", "*faults fired 4/4*"]
    )


def test_without_the_option_nothing_is_collected(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    result = pytester.runpytest()
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert not (pytester.path / "reports").exists()


def test_an_unused_plugin_imports_nothing_heavy(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_it():
            heavy = {"pydantic", "requests", "yaml", "jmespath", "jsonschema", "tabulate", "psutil"}
            assert not heavy & set(sys.modules)
        """
    )
    # The plugin of requests-mock imports requests.
    words = ("-p", "no:cacheprovider", "-p", "no:requests_mock")
    pytester.runpytest_subprocess(*words).assert_outcomes(passed=1)


def test_the_plugin_can_be_switched_off(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): pass")
    pytester.runpytest_subprocess("-p", "no:execgo").assert_outcomes(passed=1)


def test_collect_only_lists_trials_and_writes_nothing(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    result = pytester.runpytest("--execgo-matrix", "--collect-only", "-q", *THREE)
    assert ids(result) == [
        ITEM.replace("none", chaos) for chaos in ("invalid_tool", "none", "runtime_kill")
    ]
    assert not (pytester.path / "reports").exists()


def test_all_selects_every_profile_that_applies(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    result = pytester.runpytest("--execgo-matrix", "--collect-only", "-q", "--execgo-chaos=all")
    collected = {line.rpartition("-")[0].rpartition("-")[2] for line in ids(result)}
    profiles = list_profiles(project.folder)
    not_for_demo = {name for name in profiles if "fixture" in name or name.startswith("model_")}
    not_for_demo |= {"cyclic_dependency", "flaky_fixtures_and_kill"}
    assert collected == set(profiles) - not_for_demo


@pytest.mark.parametrize(
    ("selection", "count"),
    [
        (["-k", "demo and not runtime_kill"], 2),
        (["-k", "runtime_kill"], 1),
        (["-m", "runtime_kill and reference and replay and demo"], 1),
        (["--execgo-repetitions=3", "-k", "none"], 3),
        ([ITEM], 1),
        (["scenarios/demo/scenario.yaml"], 3),
        (["scenarios"], 3),
        (["--execgo-shard=1/2"], 2),
        (["--execgo-shard=2/2"], 1),
    ],
    ids=readable,
)
def test_pytest_options_select_trials(
    pytester: pytest.Pytester, project: ScenarioMaker, selection: list[str], count: int
) -> None:
    project("demo")
    result = pytester.runpytest(
        "--execgo-matrix",
        *THREE,
        "--strict-markers",
        "--collect-only",
        "-q",
        *selection,
    )
    assert len(ids(result)) == count


@WORKERS
def test_a_run_without_trials_writes_nothing(
    pytester: pytest.Pytester, project: ScenarioMaker, workers: list[str]
) -> None:
    project("demo")
    result = pytester.runpytest("--execgo-matrix", "-k", "nothing", *workers)
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert not (pytester.path / "reports").exists()


def test_a_failure_is_explained_and_can_be_rerun(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo", manifest=lambda manifest: manifest["checks"][1].update(equals=4))
    project("fine")
    result = pytester.runpytest("--execgo-matrix", "--junitxml=junit.xml")
    result.assert_outcomes(passed=1, failed=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "*demo [[]reference-replay-none-r0[]]*",
            "FAILED *expected: all checks hold*got: 1 of 3 checks do not hold",
            "cause *task*wrong_output*[[]e*[]]",
            "chain *check value failed: *expected 4, got 3",
            "record *reports/*/trials/demo-reference-replay-none-r0",
            f"rerun *pytest {ITEM} --execgo-seed 7",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    cases = {
        case.get("name"): case for case in ET.parse(pytester.path / "junit.xml").iter("testcase")
    }
    properties = {
        p.get("name"): p.get("value")
        for p in ET.parse(pytester.path / "junit.xml").iter("property")
    }
    assert "reference-replay-none-r0" in cases
    assert set(properties) == {"execgo_trial", "execgo_verdict", "execgo_cause"}

    trial = next(t for t in latest(pytester.path)["trials"] if t["verdict"]["status"] == "failed")
    again = pytester.runpytest(*trial["rerun"].split()[1:])
    again.assert_outcomes(failed=1)
    last_failed = pytester.runpytest("--execgo-matrix", "--lf")
    last_failed.assert_outcomes(failed=1)


def test_a_skip_mark_skips_the_trial_and_keeps_the_run_trustworthy(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    pytester.makeconftest(
        """
        import pytest

        def pytest_collection_modifyitems(items):
            for item in items:
                item.add_marker(pytest.mark.skip(reason="not today"))
        """
    )
    result = pytester.runpytest("--execgo-matrix")
    result.assert_outcomes(skipped=1)
    assert "NOT TRUSTWORTHY" not in result.stdout.str()


def test_a_trial_is_skipped_if_the_random_draw_leaves_all_its_faults_out(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    fault = {"action": "invalid_tool", "when": {"phase": "plan"}, "probability": 0.001}
    cause = {"layer": "dsl"}
    project.chaos("rare", expectation="expected_failure", expected_cause=cause, faults=[fault])
    result = pytester.runpytest("--execgo-matrix", "--execgo-chaos=rare", "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*the random draw left its faults out*probability 0.001*"])


def test_trials_after_a_stop_count_as_missing(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo", manifest=lambda manifest: manifest["checks"][1].update(equals=4))
    project("fine")
    result = pytester.runpytest("--execgo-matrix", "-x")
    result.assert_outcomes(failed=1)
    report = latest(pytester.path)
    assert not report["trustworthy"]
    assert [u["state"] for u in report["unfinished"]] == ["not_run"]
    result.stdout.fnmatch_lines(["NOT TRUSTWORTHY*"])


def test_a_resumed_run_runs_the_missing_trials_and_exits_for_all(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo", manifest=lambda manifest: manifest["checks"][1].update(equals=4))
    project("fine")
    pytester.runpytest("--execgo-matrix", "-x").assert_outcomes(failed=1)
    run_id = (pytester.path / "reports" / "latest").resolve().name
    result = pytester.runpytest("--execgo-matrix", f"--execgo-resume={run_id}")
    result.assert_outcomes(passed=1, deselected=1)
    assert result.ret == 1, "a resumed run exits for all of its trials"
    report = latest(pytester.path)
    assert report["run_id"] == run_id
    assert len(report["trials"]) == 2
    assert report["trustworthy"]


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "xdist"])
def test_the_summary_of_pytest_names_the_cause_in_one_line_on_a_ci_system(
    pytester: pytest.Pytester,
    project: ScenarioMaker,
    monkeypatch: pytest.MonkeyPatch,
    workers: tuple[str, ...],
) -> None:
    project("demo", manifest=lambda manifest: manifest["checks"][1].update(equals=4))
    monkeypatch.setenv("CI", "true")  # Then pytest prints the whole message of a failure.
    result = pytester.runpytest_subprocess("--execgo-matrix", "--junitxml=junit.xml", *workers)
    lines = result.stdout.lines
    (line,) = [x for x in lines if x.startswith(f"FAILED {ITEM} - ")]
    message = line.removeprefix(f"FAILED {ITEM} - ")
    assert message.startswith("task/wrong_output: ")
    assert sum(x.startswith("record ") for x in lines) == 1
    (failure,) = ET.parse(pytester.path / "junit.xml").iter("failure")
    assert failure.get("message") == message
    assert "record " in (failure.text or "")


def test_the_record_of_each_trial_has_a_summary_and_the_counters_of_execgo(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("fine")
    project("red", manifest=lambda manifest: manifest["checks"][1].update(equals="```\n# x"))
    result = pytester.runpytest("--execgo-matrix")
    result.assert_outcomes(passed=1, failed=1)
    for name, word in (("fine", "PASSED"), ("red", "FAILED")):
        folder = pytester.path / f"reports/latest/trials/{name}-reference-replay-none-r0"
        counters = json.loads((folder / "execgo_metrics.json").read_text())
        assert counters["after"]["tasks_total"] > counters["before"]["tasks_total"]
        head, blank, *lines = (folder / "summary.md").read_text().splitlines()
        assert (head.replace("\\", ""), blank) == (f"# {folder.name}", "")
        assert lines[0].startswith(f"    {word} ")
        assert all(line.startswith("    ") for line in lines)
        if word == "FAILED":
            shown = [line.strip() for line in result.stdout.lines]
            assert lines[0].strip() in shown


def test_a_damaged_result_is_named_and_its_trial_runs_again_in_a_resumed_run(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    project("fine")
    pytester.runpytest("--execgo-matrix").assert_outcomes(passed=2)
    path = pytester.path / "reports/latest/trials/demo-reference-replay-none-r0/result.json"
    whole = path.read_text()
    path.write_text(whole[:200])
    resumed = pytester.runpytest("--execgo-matrix", "--execgo-resume=latest")
    resumed.assert_outcomes(passed=1, deselected=1)
    assert resumed.ret == 0
    assert len(latest(pytester.path)["trials"]) == 2

    path.write_text(whole[:200])
    other = pytester.runpytest("--execgo-matrix", "--execgo-resume=latest", "-k", "fine")
    assert other.ret == 3
    other.stdout.fnmatch_lines(["report failed: *demo-reference-replay-none-r0*not JSON*"])
    assert [found["scenario"] for found in latest(pytester.path)["trials"]] == ["fine"]


def test_the_latest_run_can_be_resumed_as_latest(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    pytester.runpytest("--execgo-matrix").assert_outcomes(passed=1)
    run_id = (pytester.path / "reports" / "latest").resolve().name
    resumed = pytester.runpytest("--execgo-matrix", "--execgo-resume=latest")
    resumed.assert_outcomes(deselected=1)
    assert resumed.ret == 0
    mixed = pytester.runpytest("--execgo-matrix", "--execgo-resume=latest", "--execgo-seed=9")
    assert mixed.ret == 4
    assert (pytester.path / "reports" / "latest").resolve().name == run_id


def test_a_reports_folder_on_the_command_line_is_relative_to_the_current_folder(
    pytester: pytest.Pytester, project: ScenarioMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    project("demo")
    pytester.makeini("[pytest]")
    (pytester.path / "sub").mkdir()
    monkeypatch.chdir(pytester.path / "sub")
    pytester.runpytest("--execgo-matrix", "--execgo-reports=out").assert_outcomes(passed=1)
    assert (pytester.path / "sub" / "out" / "latest" / "benchmark.json").exists()


def test_a_trial_with_a_result_is_counted_once(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo", manifest=lambda manifest: manifest["checks"][1].update(equals=4))
    pytester.makeconftest(
        """
        import pytest

        def pytest_collection_modifyitems(items):
            for item in items:
                item.add_marker(pytest.mark.xfail)
        """
    )
    pytester.runpytest("--execgo-matrix").assert_outcomes(xfailed=1)
    report = latest(pytester.path)
    assert report["unfinished"] == []
    assert (report["cells"][0]["trials"], report["cells"][0]["failed"]) == (1, 1)


def test_a_service_that_does_not_start_is_an_error_not_a_failure(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    program = pytester.path / "execgo"
    program.write_text("#!/bin/sh\necho out of order\nexit 3\n")
    program.chmod(0o755)
    result = pytester.runpytest("--execgo-matrix", f"--execgo-service=execgo=binary:{program}")
    result.assert_outcomes(errors=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*execgo did not become ready*ended with 3*out of order*"])
    assert result.stdout.str().count("During handling") == 0
    report = latest(pytester.path)
    assert not report["trustworthy"], "the report is that of this run, not of an earlier one"
    assert [cell["errors"] for cell in report["cells"]] == [1]


def test_a_harness_error_during_a_trial_is_an_error_not_a_failure(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    pytester.makeconftest(
        """
        from pytest_execgo.errors import HarnessError
        from pytest_execgo.adapter.reference import ReferenceAdapter

        class Broken(ReferenceAdapter):
            name = "broken"

            def plan(self, context, trace, recording):
                raise HarnessError("the disk is full")

        def pytest_execgo_adapters():
            return [Broken()]
        """
    )
    result = pytester.runpytest("--execgo-matrix")
    result.assert_outcomes(errors=1, passed=1)
    report = latest(pytester.path)
    assert not report["trustworthy"]
    cell = next(cell for cell in report["cells"] if cell["framework"] == "broken")
    assert (cell["trials"], cell["errors"], cell["passed"]) == (1, 1, 0)
    result.stdout.fnmatch_lines(["the disk is full"])


def test_a_missing_framework_is_refused_with_the_command_that_installs_it(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    pytester.makeconftest(
        """
        from pytest_execgo.adapter.reference import ReferenceAdapter

        class Absent(ReferenceAdapter):
            name = "absent"

            def missing(self):
                return "pip install 'pytest-execgo[absent]'"

        def pytest_execgo_adapters():
            return [Absent()]
        """
    )
    pytester.runpytest("--execgo-matrix").assert_outcomes(passed=1)
    for words in ([], ["-n2"]):
        named = ("--execgo-matrix", "--execgo-framework=absent", *words)
        result = pytester.runpytest_subprocess(*named)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["ERROR: *absent is not installed*'pytest-execgo[[]absent[]]'"])
    listed = pytester.runpytest(*named[:2], "--collect-only")
    assert listed.ret == 0, "a machine can list the trials that it cannot run"


def test_the_id_of_a_built_in_scenario_can_be_selected(pytester: pytest.Pytester) -> None:
    """The built-in scenarios are outside the project's folder."""
    item = "scenarios/multi_step_agent/scenario.yaml::reference-replay-none-r0"
    listed = pytester.runpytest("--execgo-matrix", "--collect-only", "-q")
    assert item in ids(listed)
    assert len(ids(listed)) == 4
    pytester.runpytest(item).assert_outcomes(passed=1)


@pytest.mark.parametrize("workers", [[], ["-n2"]], ids=["plain", "n2"])
def test_an_empty_shard_is_no_error(
    pytester: pytest.Pytester, project: ScenarioMaker, workers: list[str]
) -> None:
    project("demo")
    result = pytester.runpytest_subprocess("--execgo-matrix", "--execgo-shard=3/4", *workers)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["execgo: shard 3/4 is empty: the matrix has 1 trial"])
    record = json.loads((pytester.path / "reports/latest/run.json").read_text())
    assert (record["shards"], record["planned"]) == (["3/4"], [])
    none = pytester.runpytest_subprocess("--execgo-matrix", "--execgo-shard=1/4", "-k", "nothing")
    assert none.ret == pytest.ExitCode.NO_TESTS_COLLECTED
