"""Accepted findings about engines: counted apart, visible, and never applied to another defect."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.conftest import ScenarioMaker
from tests.plugin.conftest import latest

BOOK = {
    "schema_version": "1",
    "findings": [
        {
            "id": "ours-fails", "service": "runtime", "versions": ["0.*"], "summary": "it fails",
            "causes": [{"layer": "task", "code": "exit_non_zero"}],
        }
    ],
}  # fmt: skip


def _fail(plan: dict[str, Any]) -> None:
    task = plan["stages"][0]["task_graph"]["tasks"][0]
    task["input"] = {"execution": {"kind": "command", "program": "/bin/false"}}


@pytest.fixture
def failing(project: ScenarioMaker) -> ScenarioMaker:
    project("demo", plan=_fail)
    (project.folder / "findings.yaml").write_text(yaml.safe_dump(BOOK))
    return project


@pytest.mark.usefixtures("failing")
def test_a_known_finding_is_an_expected_failure_counted_apart(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest(
        "--execgo-matrix", "--execgo-known-findings", "ours-fails=reported as #7", "-rx"
    )
    assert result.ret == 0
    result.assert_outcomes(xfailed=1)
    result.stdout.fnmatch_lines(
        [
            "*0/1 * 1 known finding",
            "engine finding ours-fails: 1 trial (it fails): reported as #7",
            "XFAIL *engine finding ours-fails (reported as #7): expected: all checks hold*",
        ]
    )
    report = latest(pytester.path)
    (cell,) = report["cells"]
    assert (cell["passed"], cell["failed"], cell["known_findings"]) == (0, 0, 1)
    assert (cell["rates"]["success"]["of"], cell["rates"]["success"]["value"]) == (0, None)
    (trial,) = report["trials"]
    assert trial["verdict"]["status"] == "failed"
    assert "--execgo-known-findings 'ours-fails=reported as #7'" in trial["rerun"]
    assert report["known_findings"][0]["trials"] == [trial["trial_id"]]
    assert "reported as #7" in (pytester.path / "reports/latest/benchmark.md").read_text()


@pytest.mark.usefixtures("failing")
def test_a_finding_that_is_not_accepted_fails_the_run(pytester: pytest.Pytester) -> None:
    assert pytester.runpytest("--execgo-matrix").ret == 1


def test_a_profile_can_accept_a_finding(failing: ScenarioMaker, pytester: pytest.Pytester) -> None:
    accepted = [{"id": "ours-fails", "reason": "known"}]
    failing.chaos("calm", expectation="not_applicable", known_findings=accepted)
    pytester.runpytest("--execgo-matrix", "--execgo-chaos", "calm").assert_outcomes(xfailed=1)
    accepted[0]["id"] = "ours-fail"
    failing.chaos("calm", expectation="not_applicable", known_findings=accepted)
    result = pytester.runpytest("--execgo-matrix", "--execgo-chaos", "calm")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["*calm.yaml: known_findings[[]0[]].id: unknown finding 'ours-fail'*'ours-fails'? *"]
    )


def test_an_accepted_finding_that_is_not_seen_is_listed(
    project: ScenarioMaker, pytester: pytest.Pytester
) -> None:
    project("demo")
    pytester.makeini("[pytest]\nexecgo_known_findings = runtime-tasks-stay-running=seen\n")
    result = pytester.runpytest("--execgo-matrix")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["engine finding runtime-tasks-stay-running: not seen*"])
