"""Faults of models: injected on real connections, named from evidence alone, and mitigated or not, as
the profile expects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_execgo.models.events import ModelReplied
from pytest_execgo.observability.recorder import read_timeline
from pytest_execgo.scenario.library import builtin_folder
from tests.conftest import ScenarioMaker
from tests.ids import readable
from tests.plugin.conftest import FRAMEWORK, SCRIPTED, latest, script, trial

PROFILES = sorted(path.stem for path in (builtin_folder() / "chaos").glob("model_*.yaml"))


def test_every_fault_is_injected_and_named(pytester: pytest.Pytester, tiny: Path) -> None:
    words = (*SCRIPTED, "--execgo-chaos=model_*", "--execgo-model-timeout=3", "-n2")
    result = pytester.runpytest_subprocess(*words, "--execgo-fail-if=faults_not_fired > 0")
    result.assert_outcomes(passed=len(PROFILES))
    assert result.ret == 0
    report = latest(pytester.path)
    score = report["attribution"]
    assert (score["trials"], score["correct"]) == (len(PROFILES), len(PROFILES))
    injected_at = {row["action"].split()[0] for row in report["coverage"] if row["fired"]}
    assert injected_at == {
        "rate_limit", "server_error", "timeout", "truncate", "malformed", "unknown_tool",
        "wrong_schema", "slow_stream",
    }  # fmt: skip
    named = {t["chaos"]: first(t) for t in report["trials"]}
    assert named["model_rate_limit"] == ("adapter", "model_rate_limit", True)
    assert named["model_down"] == ("adapter", "model_error", False)
    assert named["model_truncate"] == ("plan", "broken_json", True)
    assert named["model_never_legal"] == ("plan", "never_valid", False)
    markdown = (pytester.path / "reports/latest/benchmark.md").read_text()
    assert "adapter/model_rate_limit (mitigated)" in markdown


def first(trial: dict[str, Any]) -> tuple[str, str, bool]:
    cause = trial["verdict"]["attribution"][0]
    return cause["layer"], cause["code"], cause["mitigated"]


def replies(pytester: pytest.Pytester) -> list[ModelReplied]:
    folder = pytester.path / "reports/latest/trials" / trial(pytester)["trial_id"]
    events = read_timeline(folder / "timeline.jsonl")
    return [event for event in events if isinstance(event, ModelReplied)]


SHOUT = """
from pytest_execgo.chaos.model_fault import AnswerAction

class Shout(AnswerAction):
    name = "shout"

    def description(self):
        return "the model's answer is in capitals"

    def change_text(self, text, rng):
        return text.upper()

def pytest_execgo_chaos_actions():
    return [Shout]
"""


def test_a_fault_of_ones_own(pytester: pytest.Pytester, project: ScenarioMaker, tiny: Path) -> None:
    pytester.makeconftest(FRAMEWORK + SHOUT)
    project.chaos(
        "loud",
        expectation="should_recover",
        expected_cause={"layer": "plan"},
        faults=[{"action": "shout", "target": "model", "when": {"phase": "plan"}}],
    )
    pytester.runpytest_subprocess(*SCRIPTED, "--execgo-chaos=loud").assert_outcomes(passed=1)
    assert trial(pytester)["verdict"]["cause_named"]


def test_429_is_honoured(pytester: pytest.Pytester, tiny: Path) -> None:
    pytester.runpytest_subprocess(*SCRIPTED, "--execgo-chaos=model_rate_limit").assert_outcomes(
        passed=1
    )
    refused, answered = replies(pytester)
    assert (refused.status, answered.status) == (429, 200)
    # Retry-After: 1. Not earlier than that; how much later is not promised.
    assert answered.at_ms - answered.took_ms - refused.at_ms >= 1000
    metrics = trial(pytester)["metrics"]
    assert (metrics["model_requests"], metrics["model_retries"]) == (1, 1)
    assert (metrics["landed_at_first"], metrics["recovery_success"]) == (1, 1)
    assert metrics["recovery_ms"] > metrics["detection_ms"] > 0
    (fault,) = trial(pytester)["faults"]
    assert fault["tasks_inside"] == [], "it was over before there was a plan"


def test_who_does_not_wait_says_what_was_asked_for(pytester: pytest.Pytester, tiny: Path) -> None:
    pytester.runpytest_subprocess(*SCRIPTED, "--execgo-chaos=model_quota").assert_outcomes(passed=1)
    assert len(replies(pytester)) == 1
    (cause,) = trial(pytester)["verdict"]["attribution"]
    assert "429 (wait 3600 s)" in cause["message"]
    assert trial(pytester)["metrics"]["landed"] is None, "the endpoint says nothing about plans"


def test_a_silent_model_is_waited_for_as_long_as_the_option_says(
    pytester: pytest.Pytester, tiny: Path
) -> None:
    words = (*SCRIPTED, "--execgo-chaos=model_timeout", "--execgo-model-timeout=0.3")
    pytester.runpytest_subprocess(*words).assert_outcomes(passed=1)
    silent, answered = replies(pytester)
    assert (silent.code, silent.status, answered.code) == ("model_timeout", 0, None)
    assert "no answer within 0.3 s" in silent.message
    assert "--execgo-model-timeout 0.3" in trial(pytester)["rerun"]


def test_the_chain_shows_what_was_mitigated(pytester: pytest.Pytester, tiny: Path) -> None:
    pytester.runpytest_subprocess(*SCRIPTED, "--execgo-chaos=model_unknown_tool").assert_outcomes(
        passed=1
    )
    found = trial(pytester)
    chain = [step["text"] for step in found["verdict"]["explanation"]]
    assert "a task of the model's plan uses the tool no_such_tool" in chain[0]
    assert chain[1] == "answer 1 of the model breaks unknown_tool"
    assert found["metrics"]["repair_count"] == 1
    assert found["broken_rules"] == ["unknown_tool"]


def test_faults_of_model_and_runtime_are_two_causes(
    pytester: pytest.Pytester, project: ScenarioMaker, tiny: Path
) -> None:
    project.chaos(
        "both",
        expectation="should_recover",
        expected_cause=[{"layer": "plan", "code": "schema"}, {"layer": "runtime"}],
        faults=[
            {"action": "wrong_schema", "target": "model", "when": {"phase": "plan"}},
            {
                "action": "kill",
                "target": "runtime",
                "params": {"heal_after_ms": 200},
                "when": {"phase": "runtime", "after": "task_running"},
            },
        ],
    )
    pytester.runpytest_subprocess(*SCRIPTED, "--execgo-chaos=both").assert_outcomes(passed=1)
    verdict = trial(pytester)["verdict"]
    assert verdict["cause_named"]
    blamed = [c for c in verdict["attribution"] if not c["mitigated"]]
    assert {cause["layer"] for cause in blamed} == {"runtime"}


def test_a_fault_can_wait_for_a_later_request(pytester: pytest.Pytester, tiny: Path) -> None:
    """The first answer is legal: no second request follows, so the fault proves nothing."""
    folder = tiny.parent / "chaos"
    folder.mkdir(exist_ok=True)
    profile = yaml.safe_load((builtin_folder() / "chaos/model_down.yaml").read_text())
    profile["id"] = "second"
    profile["faults"][0]["params"]["after"] = 1
    (folder / "second.yaml").write_text(yaml.safe_dump(profile))
    result = pytester.runpytest_subprocess(*SCRIPTED, "--execgo-chaos=second")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["INCONCLUSIVE*server_error on model (no client met the fault)*"])


def test_where_no_model_is_asked_nothing_is_passed_over(
    pytester: pytest.Pytester, tiny: Path
) -> None:
    result = pytester.runpytest_subprocess("--execgo-matrix", "--execgo-chaos=model_t*")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    reason = (
        "the faults of model_timeout, model_truncate target a model, which is asked in live mode"
    )
    assert reason in result.stderr.str()
    words = (*SCRIPTED, "--execgo-mode=replay", "--execgo-record")
    pytester.runpytest_subprocess(*words, "--execgo-chaos=model_down", "--execgo-chaos=none")
    left_out = latest(pytester.path)["not_applicable"]
    assert left_out == [
        {
            "scenario": "demo",
            "chaos": "model_down",
            "reason": "a model is asked in live mode only",
            "framework": "tiny",
            "mode": "replay",
        }
    ]
    markdown = (pytester.path / "reports/latest/benchmark.md").read_text()
    assert "model_down with tiny in mode replay is not applicable to demo" in markdown
    # What is for live mode stands in the command of those trials alone.
    for found in latest(pytester.path)["trials"]:
        assert ("--execgo-provider" in found["rerun"]) is (found["mode"] == "live")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"when": {"phase": "runtime"}}, "unknown when.phase of rate_limit 'runtime'"),
        ({"when": {"phase": "plan", "stage": "a"}}, "faults[0].when: a model is asked before"),
        ({"params": {"retry_after": -1}}, "params"),
        ({"target": "runtime"}, "unknown target of rate_limit 'runtime' (allowed: model)"),
    ],
    ids=readable,
)
def test_a_profile_that_cannot_be_meant_is_one_line(
    pytester: pytest.Pytester,
    project: ScenarioMaker,
    tiny: Path,
    change: dict[str, Any],
    message: str,
) -> None:
    fault = {"action": "rate_limit", "target": "model", "when": {"phase": "plan"}} | change
    project.chaos("unusable", expectation="measure", faults=[fault])
    result = pytester.runpytest_subprocess(*SCRIPTED, "--execgo-chaos=unusable")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert message in result.stderr.str()


def test_a_recorded_trial_with_model_faults_is_skipped_in_replay(
    pytester: pytest.Pytester, tiny: Path
) -> None:
    pytester.runpytest_subprocess(*SCRIPTED, "--execgo-chaos=model_truncate").assert_outcomes(
        passed=1
    )
    result = pytester.runpytest_subprocess("--execgo-replay=reports/latest", "-rs")
    result.assert_outcomes(skipped=1)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["SKIPPED*the faults of model_truncate target a model*"])


def test_a_trial_that_needed_a_repair_is_repeated_as_equal(
    pytester: pytest.Pytester, tiny: Path
) -> None:
    script(tiny, "twice", {"text": "no"}, {"plan": "../plan.yaml"})
    pytester.runpytest_subprocess(*SCRIPTED, "--execgo-model=twice").assert_outcomes(passed=1)
    result = pytester.runpytest_subprocess("--execgo-replay=reports/latest")
    result.assert_outcomes(passed=1)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["replay of *: equal: *"])


def test_what_chaos_made_of_answers_is_not_recorded(pytester: pytest.Pytester, tiny: Path) -> None:
    words = (*SCRIPTED, "--execgo-record", "--execgo-chaos=model_malformed")
    result = pytester.runpytest_subprocess(*words)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "the faults of model_malformed change what the model answers" in result.stderr.str()
    result = pytester.runpytest_subprocess(*words, "--execgo-chaos=none")
    result.assert_outcomes(passed=2)
    recording = json.loads((tiny / "traces/tiny.json").read_text())
    assert len(recording["exchanges"]) == 1


def test_a_model_that_needed_a_repair_is_no_false_cause(
    pytester: pytest.Pytester, tiny: Path
) -> None:
    script(tiny, "twice", {"text": "no"}, {"plan": "../plan.yaml"})
    result = pytester.runpytest_subprocess(*SCRIPTED, "--execgo-model=twice")
    result.assert_outcomes(passed=1)
    score = latest(pytester.path)["attribution"]
    assert (score["false_causes"], score["mitigated"]) == (0, 1)
    assert first(trial(pytester)) == ("plan", "broken_json", True)
