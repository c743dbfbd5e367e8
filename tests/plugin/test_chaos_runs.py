"""Runs with chaos as a user sees them: controls, gates, replays, coverage, interrupts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psutil
import pytest

from tests.conftest import ScenarioMaker
from tests.plugin.conftest import latest
from tests.traces import check as check_trace
from tests.traces import lanes as trace_lanes

KILL = "scenarios/demo/scenario.yaml::reference-replay-runtime_kill-r0"


def test_the_trace_of_a_trial_has_ordered_slices_in_lanes(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    pytester.runpytest("--execgo-matrix", "--execgo-chaos=runtime_kill").assert_outcomes(passed=1)
    (path,) = (pytester.path / "reports/latest/trials").glob("*/trace.json")
    document = json.loads(path.read_text())
    check_trace(document)
    assert {"planning", "stages", "task greet", "task count", "faults", "service runtime"} <= set(
        trace_lanes(document)
    )


def test_controls_run_once_before_the_first_fault(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    result = pytester.runpytest("--execgo-matrix", "--execgo-chaos=none")
    assert latest(pytester.path)["controls"] == [], "a run without faults needs no controls"
    result = pytester.runpytest(
        "--execgo-matrix", "--execgo-chaos=self_dependency", "--execgo-repetitions=2"
    )
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*faults fired 2/2 · causes named 2/2 · controls 3/3 *"])
    controls = latest(pytester.path)["controls"]
    assert [c["name"] for c in controls] == ["must_fail", "must_pass", "planted_fault"]
    assert all(c["ok"] for c in controls)


BLIND = """
    from pytest_execgo.verdict import verify
    from pytest_execgo.verdict.suspicion import Suspicion

    def blind(events, rules):
        return (Suspicion("none", "no_failure", "certain", (), "nothing failed").cause(),)

    verify.attribute = blind
"""


@pytest.mark.parametrize("workers", [[], ["-n2"]], ids=["plain", "n2"])
def test_a_run_whose_attribution_is_broken_is_not_trustworthy(
    pytester: pytest.Pytester, project: ScenarioMaker, workers: list[str]
) -> None:
    project("demo")
    pytester.makeconftest(BLIND)
    result = pytester.runpytest_subprocess(
        "--execgo-matrix", "--execgo-chaos=runtime_kill", *workers
    )
    assert result.ret == 10
    result.stdout.fnmatch_lines(
        [
            "NOT TRUSTWORTHY: control planted_fault: expected the fault fired, and fixture/http_error *"
        ]
    )
    assert latest(pytester.path)["trustworthy"] is False
    markdown = (pytester.path / "reports/latest/benchmark.md").read_text()
    assert "**NOT TRUSTWORTHY: control" in markdown.splitlines()[2]


def test_a_fail_if_condition_fails_a_run_whose_trials_pass(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    result = pytester.runpytest("--execgo-matrix", "--execgo-fail-if", "success_rate < 1")
    assert result.ret == 0
    result = pytester.runpytest("--execgo-matrix", "--execgo-fail-if", "success_rate == 1")
    result.assert_outcomes(passed=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["fail-if success_rate == 1: it is 1", "*1 passed, 1 fail-if in *"])


def test_a_replay_of_a_run_is_equal_to_it(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    chosen = ["--execgo-chaos=runtime_kill", "--execgo-chaos=unknown_tool", "--execgo-seed=11"]
    pytester.runpytest("--execgo-matrix", *chosen).assert_outcomes(passed=2)
    before = {trial["trial_id"]: trial for trial in latest(pytester.path)["trials"]}
    result = pytester.runpytest("--execgo-replay", "reports/latest")
    assert result.ret == 0
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["replay of *: equal: verdict, causes, faults and checks"] * 2)
    after = latest(pytester.path)
    assert after["environment"]["seed"] == 11
    for trial in after["trials"]:
        old = before[trial["trial_id"]]
        (fault,), (fault_before,) = trial["faults"], old["faults"]
        assert (fault["stage_id"], fault["task_id"]) == (
            fault_before["stage_id"],
            fault_before["task_id"],
        )
    one = "reports/latest/trials/demo-reference-replay-unknown_tool-r0"
    pytester.runpytest("--execgo-replay", one, "-n2").assert_outcomes(passed=1)


def test_a_replay_of_a_trial_run_by_a_test_repeats_its_random_draws(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    pytester.makepyfile("""
        import pytest

        @pytest.mark.parametrize("k", range(4))
        def test_it(execgo_run, k):
            execgo_run(scenario="demo", chaos="unknown_tool")
    """)
    pytester.runpytest("-n2").assert_outcomes(passed=4)
    trials = latest(pytester.path)["trials"]
    assert len({trial["rng_key"] for trial in trials}) == 4
    assert all(trial["rerun"].startswith("pytest 'test_a_replay") for trial in trials)
    result = pytester.runpytest("--execgo-replay", "reports/latest")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["replay of *: equal: *"] * 4)


def test_a_replay_compares_only_the_selected_trials(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    chosen = ["--execgo-chaos=none", "--execgo-chaos=self_dependency"]
    pytester.runpytest("--execgo-matrix", *chosen).assert_outcomes(passed=2)
    result = pytester.runpytest("--execgo-replay", "reports/latest", "-k", "self_dependency")
    assert result.ret == 0
    assert sum("replay of" in line for line in result.outlines) == 1


def test_a_recorded_trial_that_is_not_repeated_fails_the_replay(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    folder = project("demo")
    chosen = ["--execgo-chaos=none", "--execgo-chaos=self_dependency"]
    pytester.runpytest("--execgo-matrix", *chosen).assert_outcomes(passed=2)
    manifest = folder / "scenario.yaml"
    text = manifest.read_text()
    manifest.write_text(text.replace('allowed_chaos: ["*"]', "allowed_chaos: [none]"))
    result = pytester.runpytest("--execgo-replay", "reports/latest")
    assert result.ret == 1
    reason = "allowed_chaos of the scenario excludes self_dependency"
    result.stdout.fnmatch_lines([f"replay of *: it was not repeated: {reason}"])


def test_a_resumed_run_repeats_a_control_that_could_not_run(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    pytester.makeconftest("""
        import pathlib
        from pytest_execgo.run import session
        from pytest_execgo.errors import HarnessError

        original = session.run_trial

        def run_trial(context):
            control = context.trial.cell.scenario.startswith("control_")
            if control and pathlib.Path("broken").exists():
                raise HarnessError("a hiccup")
            return original(context)

        session.run_trial = run_trial
    """)
    (pytester.path / "broken").touch()
    result = pytester.runpytest_subprocess("--execgo-matrix", "--execgo-chaos=self_dependency")
    result.stdout.fnmatch_lines(["NOT TRUSTWORTHY: control must_pass:*harness error: a hiccup"])
    assert result.ret == 10
    (pytester.path / "broken").unlink()
    result = pytester.runpytest_subprocess("--execgo-matrix", "--execgo-resume", "latest")
    result.assert_outcomes(passed=1)
    assert result.ret == 0
    assert latest(pytester.path)["trustworthy"]


def test_a_fault_is_injected_again_only_after_it_was_healed(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    def linger(plan: dict[str, Any]) -> None:
        # ExecGo polls a task every 100 ms. A task that ends at once may end before the first poll.
        execution = plan["stages"][1]["task_graph"]["tasks"][0]["input"]["execution"]
        execution["script"] = f"import time; time.sleep(1)\n{execution['script']}"

    folder = project("demo", plan=linger)
    program = folder / "workspace/greet.py"
    program.write_text(f"import time; time.sleep(1)\n{program.read_text()}")
    fault = {
        "action": "network", "target": "runtime", "params": {"kind": "reset", "heal_after_ms": 200},
        "when": {"phase": "runtime", "after": "task_running", "times": 2},
    }  # fmt: skip
    project.chaos("often", expectation="should_recover", faults=[fault])
    pytester.runpytest("--execgo-matrix", "--execgo-chaos=often").assert_outcomes(passed=1)
    (fault_record,) = latest(pytester.path)["trials"][0]["faults"]
    assert fault_record["injections"] >= 1
    assert fault_record["reason"] is None


def test_a_replay_uses_the_recorded_plan_and_lists_differences(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    folder = project("demo")
    pytester.runpytest("--execgo-matrix").assert_outcomes(passed=1)
    trial = (pytester.path / "reports/latest").resolve() / "trials/demo-reference-replay-none-r0"
    (folder / "plan.yaml").write_text(
        (folder / "plan.yaml").read_text().replace("json.dumps", "bad")
    )
    pytester.runpytest("--execgo-matrix").assert_outcomes(failed=1)
    pytester.runpytest("--execgo-replay", str(trial)).assert_outcomes(passed=1)
    recorded = trial / "plan.json"
    recorded.write_text(recorded.read_text().replace("json.dumps", "bad"))
    result = pytester.runpytest("--execgo-replay", str(trial))
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["replay of *: verdict: was passed, is failed; *causes: was none/*"]
    )


def test_a_replay_without_recorded_trials_is_one_line(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    result = pytester.runpytest("--execgo-replay", "reports")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: execgo: --execgo-replay *: no result.json there; *"])
    pytester.runpytest("--execgo-matrix").assert_outcomes(passed=1)
    result = pytester.runpytest("--execgo-replay", "reports/latest", "--execgo-seed", "4")
    result.stderr.fnmatch_lines(
        ["*--execgo-replay repeats trials as they were recorded; leave out *-seed"]
    )


def test_a_fault_that_is_skipped_is_not_exercised(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    fault = {
        "action": "kill", "target": "runtime", "when": {"phase": "runtime"}, "probability": 0.0001
    }  # fmt: skip
    project.chaos("rare", expectation="should_recover", faults=[fault])
    pytester.runpytest("--execgo-matrix", "--execgo-chaos=rare").assert_outcomes(skipped=1)
    (row,) = latest(pytester.path)["coverage"]
    assert (row["fired"], row["armed_not_fired"], row["not_exercised"]) == (0, 0, 1)


WRECKER = """
    from pytest_execgo.chaos.action import Injection, ServiceAction
    from pytest_execgo.ports import Killable

    class Wrecker(ServiceAction[Killable]):
        name = "wreck"
        targets = frozenset({"runtime"})
        raises: bool = False

        def inject(self, target, trial_id, rng):
            def heal():
                target.kill()
                if self.raises:
                    raise OSError("no way back")
                return "gone"
            target.pause()
            target.resume()
            return Injection("nothing much", heal)

    def pytest_execgo_chaos_actions():
        return [Wrecker]
"""


@pytest.mark.parametrize("raises", [False, True])
def test_a_service_that_dies_during_healing_does_not_affect_the_next_trial(
    pytester: pytest.Pytester, project: ScenarioMaker, raises: bool
) -> None:
    project("demo")
    pytester.makeconftest(WRECKER)
    fault = {
        "action": "wreck", "target": "runtime", "params": {"raises": raises},
        "when": {"phase": "verify"},
    }  # fmt: skip
    project.chaos("wreck", expectation="measure", faults=[fault])
    result = pytester.runpytest(
        "--execgo-matrix", "--execgo-chaos=wreck", "--execgo-chaos=none", "--execgo-repetitions=2"
    )
    result.assert_outcomes(passed=4)
    trial = pytester.path / "reports/latest/trials/demo-reference-replay-wreck-r0"
    kinds = [json.loads(line)["event_type"] for line in _lines(trial / "timeline.jsonl")]
    assert ("chaos_heal_failed" if raises else "chaos_healed") in kinds


def test_a_check_that_raises_under_chaos_is_attributed_to_the_verifier(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    folder = project("demo")
    (folder / "checks.py").write_text("def boom(view):\n    raise RuntimeError('oops')\n")
    manifest = folder / "scenario.yaml"
    manifest.write_text(manifest.read_text() + '  - { kind: python, callable: "checks:boom" }\n')
    result = pytester.runpytest(
        "--execgo-matrix", "--execgo-chaos=runtime_kill", "--execgo-repetitions=2"
    )
    result.assert_outcomes(failed=2)
    layers = {
        c["layer"] for t in latest(pytester.path)["trials"] for c in t["verdict"]["attribution"]
    }
    assert layers == {"runtime", "verifier"}


def test_ctrl_c_during_a_fault_heals_it_and_keeps_the_record(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    def linger(plan: dict[str, Any]) -> None:
        task = plan["stages"][0]["task_graph"]["tasks"][0]
        task["input"]["execution"] = {"kind": "command", "program": "/bin/sleep", "args": ["30"]}

    project("demo", plan=linger)
    fault = {
        "action": "pause", "target": "runtime", "params": {"heal_after_ms": None},
        "when": {"phase": "runtime", "after": "task_running"},
    }  # fmt: skip
    project.chaos("hang", expectation="measure", faults=[fault])
    child = subprocess.Popen(
        [sys.executable, "-m", "pytest", "--execgo-matrix", "--execgo-chaos=hang"],
        stdout=subprocess.PIPE,
        text=True,
    )
    timeline = pytester.path / "reports/latest/trials/demo-reference-replay-hang-r0/timeline.jsonl"
    await_(lambda: timeline.exists() and "chaos_fired" in timeline.read_text())
    os.kill(child.pid, signal.SIGINT)
    out, _ = child.communicate(timeout=30)
    assert child.returncode == 2, out
    assert "chaos_healed" in timeline.read_text()
    report = latest(pytester.path)
    (missing,) = report["unfinished"]
    assert "interrupted" in missing["reason"]
    assert not [p for p in psutil.process_iter() if f"execgo-fleet-{child.pid}-" in _environment(p)]


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def await_(condition: Callable[[], object]) -> None:
    deadline = monotonic() + 60
    while not condition():
        assert monotonic() < deadline
        sleep(0.02)


def _environment(process: psutil.Process) -> str:
    try:
        return " ".join(process.environ().values())
    except (psutil.Error, OSError):
        return ""


def test_the_folder_of_a_control_holds_a_complete_record(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    pytester.runpytest("--execgo-matrix", "--execgo-chaos=self_dependency")
    folders = sorted((pytester.path / "reports/latest/controls").iterdir())
    names = [folder.name.rpartition("-")[0] for folder in folders]
    baselines = [f"baseline_demo-reference-replay-none-r{number}" for number in (0, 1)]
    assert names == [*baselines, "must_fail", "must_pass", "planted_fault"]
    for folder in folders:
        files = {path.name for path in Path(folder).iterdir()}
        assert files >= {"result.json", "timeline.jsonl", "plan.json", "logs"}
        assert ("control.json" in files) is not folder.name.startswith("baseline")


def test_a_trial_with_a_fault_knows_the_clean_trial_before_it(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    pytester.runpytest("--execgo-matrix", "--execgo-chaos=timeout_exhausted")
    trial = latest(pytester.path)["trials"][0]
    folder = pytester.path / "reports/latest/trials" / trial["trial_id"]
    events = [json.loads(line) for line in (folder / "timeline.jsonl").read_text().splitlines()]
    (known,) = [event for event in events if event["event_type"] == "baseline_known"]
    submitted = {
        task: inputs["payload"]
        for event in events
        if event["event_type"] == "submission_started"
        for task, inputs in event["inputs"].items()
    }
    looks = [event for event in events if event["event_type"] == "machine_seen"]
    kinds = [look["when"] for look in looks]
    assert (kinds[0], set(kinds[1:-1]), kinds[-1]) == ("start", {"failure"}, "end")
    assert all({"execgo", "runtime", "fixtures"} == set(look["processes"]) for look in looks)
    same = [task for task, payload in submitted.items() if known["payloads"].get(task) == payload]
    assert set(known["payloads"]) == {"greet", "count"}
    assert known["trials"] == 2
    # The fault changes one task, so that this task may be the cause.
    assert len(same) < len(submitted)
    assert trial["verdict"]["attribution"][0]["code"] == "timeout"
    assert trial["verdict"]["attribution"][0]["layer"] == "task"
