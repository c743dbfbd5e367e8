"""A trial's id, folder, pytest id and record belong together, whatever runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import ScenarioMaker
from tests.plugin.conftest import latest

SCOPES = ("function", "class", "module", "package", "session")
NAME = "reference-replay-none-r0"


def failing(manifest: dict[str, list[dict[str, object]]]) -> None:
    manifest["checks"][1].update(equals=4)


def verdicts(path: Path) -> dict[str, str]:
    return {trial["trial_id"]: trial["verdict"]["status"] for trial in latest(path)["trials"]}


@pytest.mark.parametrize("workers", [[], ["-n2"]], ids=["plain", "n2"])
@pytest.mark.parametrize("by", ["files", "folders"])
def test_two_scenarios_of_one_name_are_two_trials(
    pytester: pytest.Pytester, by: str, workers: list[str]
) -> None:
    pytester.makeini("[pytest]")
    ScenarioMaker(pytester.path / "a/scenarios")("demo")
    ScenarioMaker(pytester.path / "b/scenarios")("demo", manifest=failing)
    end = "/demo/scenario.yaml" if by == "files" else ""
    arguments = ("b/scenarios" + end, "a/scenarios" + end)
    result = pytester.runpytest("--execgo-matrix", *arguments, *workers)
    result.assert_outcomes(passed=1, failed=1)
    report = latest(pytester.path)
    assert sorted(verdicts(pytester.path).values()) == ["failed", "passed"]
    assert (len(report["cells"]), report["unfinished"]) == (2, [])
    for trial in report["trials"]:
        record = json.loads(
            (
                pytester.path / "reports/latest/trials" / trial["trial_id"] / "result.json"
            ).read_text()
        )
        assert record["verdict"] == trial["verdict"]
        package = "a" if trial["verdict"]["status"] == "passed" else "b"
        assert f"pytest {package}/scenarios/demo/scenario.yaml::{NAME}" in trial["rerun"]
        result.stdout.fnmatch_lines(
            [f"*scenario {trial['scenario']} is {package}/scenarios/demo/scenario.yaml: *"]
        )


def test_names_that_are_equal_after_all_are_refused_with_both_files(
    pytester: pytest.Pytester,
) -> None:
    """A plugin may collect a manifest that no argument leads to."""
    pytester.makeini("[pytest]")
    ScenarioMaker(pytester.path / "a")("demo")
    ScenarioMaker(pytester.path / "hidden/build")("demo")
    pytester.makeconftest(
        """
        def pytest_configure(config):
            config.addinivalue_line("norecursedirs", "build")

        def pytest_ignore_collect(collection_path):
            return False
        """
    )
    link = pytester.path / "a" / "linked"
    link.symlink_to(pytester.path / "hidden/build", target_is_directory=True)
    result = pytester.runpytest("--execgo-matrix", "a")
    assert result.ret == 2
    result.stdout.fnmatch_lines(
        ["*two scenarios are named demo: a/demo/scenario.yaml and a/linked*"]
    )


@pytest.mark.parametrize("scope", SCOPES)
def test_fixtures_of_every_scope_surround_a_trial(
    pytester: pytest.Pytester, project: ScenarioMaker, scope: str
) -> None:
    project("demo")
    pytester.makeconftest(
        f"""
        import pytest

        @pytest.fixture(scope="{scope}", autouse=True)
        def around():
            print("before the trial")
            yield
            print("after the trial")
        """
    )
    result = pytester.runpytest("--execgo-matrix", "-s")
    result.assert_outcomes(passed=1)
    assert result.stdout.str().count("after the trial") == 1


def test_the_module_of_a_trial_has_the_name_and_file_of_its_scenario(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture(autouse=True)
        def around(request):
            assert request.module.__name__ == "demo"
            assert request.module.__file__.endswith("scenario.yaml")
            assert not hasattr(request.module, "pytestmark")
        """
    )
    pytester.runpytest("--execgo-matrix").assert_outcomes(passed=1)


@pytest.mark.parametrize("dist", ["load", "loadfile", "loadgroup"])
def test_ids_are_the_same_with_every_kind_of_distribution(
    pytester: pytest.Pytester, project: ScenarioMaker, dist: str
) -> None:
    project("demo")
    pytester.makeconftest(
        """
        import pytest

        def pytest_itemcollected(item):
            item.add_marker(pytest.mark.xdist_group("one"))
        """
    )
    arguments = ("--execgo-matrix", "-n2", f"--dist={dist}")
    pytester.runpytest(*arguments, "--execgo-repetitions=2").assert_outcomes(passed=2)
    report = latest(pytester.path)
    assert (report["trustworthy"], report["unfinished"]) == (True, [])
    assert [trial["trial_id"] for trial in report["trials"]] == [
        f"demo-reference-replay-none-r{k}" for k in range(2)
    ]
    assert (
        "NOT TRUSTWORTHY"
        not in pytester.runpytest(*arguments, "--execgo-resume=latest").stdout.str()
    )


@pytest.mark.parametrize("extra", [[], ["--keep-duplicates"]], ids=["plain", "keep_duplicates"])
def test_a_trial_that_is_named_twice_runs_once(
    pytester: pytest.Pytester, project: ScenarioMaker, extra: list[str]
) -> None:
    project("demo")
    file = "scenarios/demo/scenario.yaml"
    result = pytester.runpytest(file, f"{file}::{NAME}", file, "scenarios", *extra)
    assert result.parseoutcomes()["passed"] == 1
    assert len(latest(pytester.path)["trials"]) == 1


@pytest.mark.parametrize("plugin", ["terminal", "xdist"])
def test_a_run_does_not_need_other_plugins(
    pytester: pytest.Pytester, project: ScenarioMaker, plugin: str
) -> None:
    project("demo")
    result = pytester.runpytest("--execgo-matrix", "-p", f"no:{plugin}")
    assert result.ret == 0
    assert latest(pytester.path)["trustworthy"]
