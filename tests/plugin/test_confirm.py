"""``--execgo-confirm``: trials that failed or recovered are repeated with their faults and without."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ScenarioMaker
from tests.plugin.conftest import SCRIPTED, latest, trial

CONFIRM = ("--execgo-matrix", "--execgo-confirm=4")


def submitted_once(plan: dict[str, Any]) -> None:
    for stage in plan["stages"]:
        stage["submit_policy"] = {"max_resubmits": 0}


def failing(project: ScenarioMaker, script: str) -> None:
    """A scenario whose first task runs ``script`` first."""
    path = project("demo", plan=submitted_once) / "workspace/greet.py"
    path.write_text(f"{script}\n{path.read_text()}")


def test_a_fault_that_is_the_reason_is_confirmed(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    gate = ("--execgo-fail-if", "confirmed_rate < 1")
    kill = ("--execgo-chaos=runtime_kill", "--execgo-chaos=none", "--execgo-confirm=2")
    result = pytester.runpytest("--execgo-matrix", *kill, *gate)
    result.assert_outcomes(passed=2)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*confirmed 1 · controls 3/3*"])
    report = latest(pytester.path)
    assert report["confirmations"] == {"confirmed": 1}
    by_chaos = {one["chaos"]: one for one in report["trials"]}
    assert by_chaos["none"]["confirmation"] is None, "a clean trial is not repeated"
    assert by_chaos["runtime_kill"]["confirmation"]["arms"] == [
        {"faults": [], "same": 0, "clean": 2, "of": 2},
        {"faults": ["kill runtime"], "same": 2, "clean": 0, "of": 2},
    ]
    folder = pytester.path / "reports/latest/trials" / by_chaos["runtime_kill"]["trial_id"]
    repetitions = [json.loads(p.read_text()) for p in sorted(folder.glob("confirm/*/result.json"))]
    assert [len(one["faults"]) for one in repetitions] == [0, 0, 1, 1]
    assert {one["rerun"] for one in repetitions} == {by_chaos["runtime_kill"]["rerun"]}
    (fault,) = by_chaos["runtime_kill"]["faults"]
    places = {(one["stage_id"], one["task_id"]) for r in repetitions for one in r["faults"]}
    assert places == {(fault["stage_id"], fault["task_id"])}, "the draws are the same"
    assert "repeated     confirmed 2/2 vs 0/2" in (folder / "summary.md").read_text()
    assert "confirmed 2/2 vs 0/2" in (pytester.path / "reports/latest/benchmark.md").read_text()


def test_a_task_that_fails_sometimes_is_called_flaky(
    pytester: pytest.Pytester, project: ScenarioMaker, tmp_path: Path
) -> None:
    counter = tmp_path / "counter"
    every_second = f"""
from pathlib import Path
counter = Path({str(counter)!r})
runs = counter.stat().st_size if counter.exists() else 0
counter.write_bytes(b"x" * (runs + 1))
if runs % 2 == 0:
    exit("cannot")
"""
    failing(project, every_second)
    result = pytester.runpytest(*CONFIRM)
    result.assert_outcomes(failed=1)
    assert trial(pytester)["confirmation"]["status"] == "flaky"
    result.stdout.fnmatch_lines(["repeated     flaky 2/4"])


def test_a_task_that_always_fails_is_called_deterministic(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    failing(project, "exit('cannot')")
    result = pytester.runpytest(*CONFIRM, "--execgo-fail-if", "confirmed_rate > 0")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["repeated     deterministic 4/4", "*deterministic 1 ·*"])


def test_a_trial_without_a_plan_is_not_repeated(pytester: pytest.Pytester, tiny: Path) -> None:
    result = pytester.runpytest(*SCRIPTED, "--execgo-chaos=model_never_legal", "--execgo-confirm=1")
    result.assert_outcomes(passed=1)
    assert trial(pytester)["confirmation"] == {
        "status": "not_run", "by": [], "arms": [],
        "reason": "planning failed, so there is no plan",
    }  # fmt: skip


def test_a_live_trial_is_repeated_without_the_model(pytester: pytest.Pytester, tiny: Path) -> None:
    kill = ("--execgo-chaos=runtime_kill", "--execgo-confirm=1")
    pytester.runpytest(*SCRIPTED, *kill).assert_outcomes(passed=1)
    one = trial(pytester)
    assert one["confirmation"]["status"] == "confirmed"
    assert one["metrics"]["model_requests"] == 1
    folder = pytester.path / "reports/latest/trials" / one["trial_id"]
    traces = [json.loads(p.read_text()) for p in folder.glob("confirm/*/adapter_trace.json")]
    assert [trace["steps"] for trace in traces] == [[], []]


def test_a_recorded_trial_can_be_confirmed_later(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    kill = "--execgo-chaos=runtime_kill"
    pytester.runpytest("--execgo-matrix", kill, "--execgo-confirm=1").assert_outcomes(passed=1)
    pytester.runpytest("--execgo-replay=reports/latest").assert_outcomes(passed=1)
    assert trial(pytester)["confirmation"] is None, "a replay repeats a trial once"
    again = pytester.runpytest("--execgo-replay=reports/latest", "--execgo-confirm=1")
    again.assert_outcomes(passed=1)
    assert trial(pytester)["confirmation"]["status"] == "confirmed"


def test_ones_own_test_gets_the_confirmation(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    pytester.makepyfile("""
        def test_it(execgo_run):
            result = execgo_run(scenario="demo", chaos="runtime_kill")
            assert result.confirmation.text == "confirmed 1/1 vs 0/1"
    """)
    pytester.runpytest("--execgo-confirm=1").assert_outcomes(passed=1)


@pytest.mark.parametrize("number", ["-1", "101", "many"])
def test_a_wrong_number_is_refused_in_one_line(
    pytester: pytest.Pytester, project: ScenarioMaker, number: str
) -> None:
    project("demo")
    result = pytester.runpytest("--execgo-matrix", f"--execgo-confirm={number}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *confirm*"])
