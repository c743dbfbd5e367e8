"""User code and tasks that misbehave: the trial still ends in a verdict, and harms no other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_execgo.models.trial_result import TrialResult
from pytest_execgo.observability.recorder import read_timeline
from pytest_execgo.run.applicability import TrialSkipped
from pytest_execgo.run.session import RunSession
from tests.conftest import ScenarioMaker

MakeSession = Callable[..., RunSession]


def run(session: RunSession, scenario: str = "demo", chaos: str = "none") -> TrialResult:
    result = session.run_cell(scenario, framework="reference", chaos=chaos)
    folder = session.run.trial_folder(result.trial_id)
    events = read_timeline(folder / "timeline.jsonl")
    assert "trial_finished" in {event.event_type for event in events}
    assert (folder / "result.json").exists()
    return result


def with_check(make_scenario: ScenarioMaker, body: str) -> None:
    def add(manifest: dict[str, Any]) -> None:
        manifest["checks"].append({"kind": "python", "callable": "checks:mine"})

    folder = make_scenario(manifest=add)
    (folder / "checks.py").write_text(body)


@pytest.mark.parametrize(
    "statement",
    [
        "import sys; sys.exit(3)",
        "import pytest; pytest.skip('not today')",
        "import pytest; pytest.importorskip('no_such_module')",
        "raise ValueError('\\ud800')",
    ],
)
def test_a_check_cannot_leave_the_trial(
    make_scenario: ScenarioMaker, make_session: MakeSession, statement: str
) -> None:
    with_check(make_scenario, f"def mine(trial):\n    {statement}\n")
    result = run(make_session())
    assert result.verdict.status == "failed"
    assert result.verdict.attribution[0].code == "check_raised"


def test_a_check_may_use_dataclasses_and_starts_afresh_each_time(
    make_scenario: ScenarioMaker, make_session: MakeSession
) -> None:
    with_check(
        make_scenario,
        "from __future__ import annotations\nfrom dataclasses import dataclass\nCALLS = []\n"
        "@dataclass\nclass Seen:\n    count: int\n"
        "def mine(trial):\n    CALLS.append(1)\n    assert Seen(len(CALLS)).count == 1\n",
    )
    session = make_session()
    assert [run(session).verdict.status for _ in range(2)] == ["passed", "passed"]


def test_an_action_that_raises_makes_the_trial_inconclusive(
    make_scenario: ScenarioMaker, make_session: MakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pytest_execgo.chaos.actions.invalid_tool import InvalidTool

    def broken(*args: object) -> None:
        raise ValueError("no candidates")

    make_scenario()
    monkeypatch.setattr(InvalidTool, "change", broken)
    result = run(make_session(), chaos="invalid_tool")
    assert result.verdict.status == "inconclusive"
    assert "no candidates" in result.verdict.outcome


def test_a_task_that_execgo_gave_up_replaces_the_fleet(
    make_scenario: ScenarioMaker, make_session: MakeSession
) -> None:
    """ExecGo does not cancel a task that it has handed to the runtime."""

    def sleepy(plan: dict[str, Any]) -> None:
        task = plan["stages"][0]["task_graph"]["tasks"][0]
        task["input"]["execution"] = {"kind": "script", "script": "sleep 60"}
        task["timeout"] = 250
        plan["stages"][0]["submit_policy"] = {}

    make_scenario("sleepy", plan=sleepy)
    session = make_session()
    before = session.ensure_fleet()
    assert run(session, "sleepy").verdict.status == "failed"
    assert session.ensure_fleet() is not before


def test_a_nul_byte_fails_its_task_only(
    make_scenario: ScenarioMaker, make_session: MakeSession
) -> None:
    def zero(plan: dict[str, Any]) -> None:
        execution = plan["stages"][0]["task_graph"]["tasks"][0]["input"]["execution"]
        execution["args"] = ["a\0b"]
        plan["stages"][0]["submit_policy"] = {}

    make_scenario("zero", plan=zero)
    make_scenario()
    session = make_session()
    for _ in range(5):
        assert run(session, "zero").verdict.attribution[0].code == "launch_failed"
    assert run(session).verdict.status == "passed"


def test_files_that_cannot_be_copied_or_removed_do_not_break_the_trial(
    make_scenario: ScenarioMaker, make_session: MakeSession
) -> None:
    def litter(plan: dict[str, Any]) -> None:
        task = plan["stages"][0]["task_graph"]["tasks"][0]
        script = "cd ${workspace} && ln -s nowhere dangling && mkdir shut && chmod 0 shut; exit 1"
        task["input"]["execution"] = {"kind": "script", "script": script}
        plan["stages"][0]["submit_policy"] = {}

    make_scenario(plan=litter)
    session = make_session()
    result = run(session)
    assert result.verdict.status == "failed"
    kept = session.run.trial_folder(result.trial_id) / "workspace"
    assert (kept / "dangling").is_symlink()


def test_a_profile_that_cannot_touch_the_scenario_is_skipped(
    make_scenario: ScenarioMaker, make_session: MakeSession
) -> None:
    make_scenario()
    session = make_session()
    with pytest.raises(TrialSkipped, match="does not use"):
        session.run_cell("demo", framework="reference", chaos="fixture_error")
    assert not (session.run.folder / "trials").exists()


def test_two_faults_at_one_service_do_not_overlap(
    make_scenario: ScenarioMaker, make_session: MakeSession
) -> None:
    """The second fault reports that the service is not running; the first one is still healed."""
    make_scenario()
    kill = {"action": "kill", "target": "runtime", "params": {"heal_after_ms": 300}}
    when = {"phase": "runtime", "after": "task_running"}
    faults = [{**kill, "when": when}, {**kill, "when": {**when, "delay_ms": 50}}]
    make_scenario.chaos("twice", expectation="measure", faults=faults)
    result = run(make_session(), chaos="twice")
    assert [fault.status for fault in result.faults] == ["fired", "not_fired"]
    assert "is not running" in (result.faults[1].reason or "")
    assert result.verdict.recovery == "recovered"


def test_a_failure_that_the_scenario_expects_is_no_recovery(
    make_scenario: ScenarioMaker, make_session: MakeSession
) -> None:
    def crash(plan: dict[str, Any]) -> None:
        execution = plan["stages"][0]["task_graph"]["tasks"][0]["input"]["execution"]
        execution["args"] = ["-c", "import sys; sys.exit(1)"]
        plan["stages"][0]["submit_policy"] = {}

    def expect(manifest: dict[str, Any]) -> None:
        manifest["checks"] = [{"kind": "task", "task": "greet", "status": "failed"}]

    make_scenario(plan=crash, manifest=expect)
    result = run(make_session())
    assert result.verdict.status == "passed"
    assert result.verdict.recovery == "not_needed"
    assert result.metrics.recovery_success is None
    assert result.metrics.runtime_failure_count == 0
