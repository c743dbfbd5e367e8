"""Names of scenarios, frameworks and chaos profiles as markers."""

from __future__ import annotations

import pytest

from tests.conftest import ScenarioMaker
from tests.plugin.conftest import latest

OWNER = """
import pytest

def pytest_configure(config):
    config.addinivalue_line("markers", "limit(seconds): end a test after that time")

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    for marker in item.iter_markers("limit"):
        raise TypeError("limit needs an argument")
"""
STRICT = ("--strict-markers", "-W", "error")


@pytest.mark.parametrize("place", ["sub/scenarios", "sub/deeper/still", "other"])
@pytest.mark.parametrize("by", ["file", "folder"])
def test_a_scenario_outside_the_scenarios_folder_has_a_registered_marker(
    pytester: pytest.Pytester, project: ScenarioMaker, place: str, by: str
) -> None:
    project("own")
    ScenarioMaker(pytester.path / place)("demo")
    argument = place + ("/demo/scenario.yaml" if by == "file" else "")
    result = pytester.runpytest("--execgo-matrix", argument, "-m", "demo", *STRICT)
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("kind", ["scenario", "chaos"])
def test_a_marker_of_a_plugin_keeps_its_meaning(
    pytester: pytest.Pytester, project: ScenarioMaker, kind: str
) -> None:
    """A scenario that is called ``timeout`` must not set the time limit of pytest-timeout."""
    pytester.makeconftest(OWNER)
    project("limit" if kind == "scenario" else "demo")
    options = ["--execgo-matrix"]
    if kind == "chaos":
        fault = {"action": "invalid_tool", "when": {"phase": "plan"}}
        cause = {"layer": "dsl"}
        project.chaos("limit", expectation="expected_failure", expected_cause=cause, faults=[fault])
        options.append("--execgo-chaos=limit")
    result = pytester.runpytest(*options, *STRICT, "-k", "limit")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*marker limit belongs to pytest or a plugin*-k limit*"])
    pytester.runpytest(*options, "-m", "limit").assert_outcomes(deselected=1)


@pytest.mark.parametrize("name", ["tryfirst", "trylast", "xdist_group", "execgo"])
def test_a_scenario_may_have_the_name_of_a_marker_that_is_installed(
    pytester: pytest.Pytester, project: ScenarioMaker, name: str
) -> None:
    project(name)
    pytester.runpytest("--execgo-matrix", "-k", name, *STRICT).assert_outcomes(passed=1)
    assert [trial["scenario"] for trial in latest(pytester.path)["trials"]] == [name]


def test_a_marker_of_the_ini_file_is_the_users_own(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    pytester.makeini("[pytest]\nmarkers =\n  demo: my own text")
    project("demo")
    result = pytester.runpytest("--execgo-matrix", "-m", "demo", *STRICT)
    result.assert_outcomes(passed=1)
    assert "belongs to" not in result.stdout.str()
