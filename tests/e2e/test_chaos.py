"""Faults are injected, healed, and named from evidence alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_execgo.models.events import ChaosArmed, ChaosFired, ChaosHealed, ServiceExited
from pytest_execgo.models.trial_result import TrialResult
from pytest_execgo.observability.recorder import read_timeline
from pytest_execgo.run.session import RunSession
from pytest_execgo.scenario.library import builtin_folder
from tests.conftest import ScenarioMaker

MakeSession = Callable[..., RunSession]
KILL = {
    "action": "kill",
    "target": "runtime",
    "params": {"heal_after_ms": 50},
    "when": {"phase": "runtime", "after": "task_running"},
}


def run(session: RunSession, chaos: str, scenario: str = "demo") -> TrialResult:
    return session.run_cell(scenario, framework="reference", chaos=chaos)


def test_a_kill_is_injected_and_healed_and_the_trial_recovers(
    make_scenario: ScenarioMaker, make_session: MakeSession
) -> None:
    make_scenario()
    session = make_session()
    result = run(session, "runtime_kill")
    assert result.verdict.status == "passed", result.verdict.outcome
    assert result.verdict.recovery == "recovered"
    assert result.verdict.cause_named
    assert result.metrics.resubmit_count >= 1
    events = read_timeline(session.run.trial_folder(result.trial_id) / "timeline.jsonl")
    moments = {
        type(e): e.at_ms for e in events if isinstance(e, (ChaosFired, ServiceExited, ChaosHealed))
    }
    assert moments[ChaosFired] <= moments[ServiceExited] <= moments[ChaosHealed]
    assert result.faults[0].healed_at_ms == moments[ChaosHealed]


def test_without_resubmission_the_same_kill_fails_the_trial(
    make_scenario: ScenarioMaker, make_session: MakeSession
) -> None:
    make_scenario(plan=lambda plan: [stage.update(submit_policy={}) for stage in plan["stages"]])
    result = run(make_session(), "runtime_kill")
    assert result.verdict.status == "failed"
    assert result.verdict.attribution[0].layer == "runtime"
    assert any("max_resubmits is 0" in step.text for step in result.verdict.explanation)


def test_the_runner_does_not_wait_for_a_service_that_will_not_return(
    make_scenario: ScenarioMaker, make_session: MakeSession
) -> None:
    make_scenario()
    make_scenario.chaos(
        "gone",
        expectation="expected_failure",
        expected_cause={"layer": "runtime"},
        faults=[{**KILL, "params": {}}],
    )
    session = make_session()
    result = run(session, "gone")
    assert result.verdict.status == "passed", result.verdict.outcome
    assert any("will not return" in step.text for step in result.verdict.explanation)
    assert not session.fleet.unready(), "it is healed at the end of the trial"


def test_an_invalid_tool_is_refused_by_execgo_itself(
    make_scenario: ScenarioMaker, make_session: MakeSession
) -> None:
    make_scenario()
    result = run(make_session(), "invalid_tool")
    assert result.verdict.status == "passed"
    assert result.verdict.attribution[0].code == "unknown_task_type"
    assert result.metrics.plan_validity == 0
    assert result.metrics.invalid_action_count == 1


def test_a_fixture_fault_affects_its_own_trial_only(make_session: MakeSession) -> None:
    session = make_session()
    scenario = str(builtin_folder() / "vuln_scan")
    affected = run(session, "fixture_error", scenario)
    assert affected.verdict.status == "passed", affected.verdict.outcome
    assert affected.verdict.attribution[0].layer == "fixture"
    assert run(session, "none", scenario).verdict.status == "passed"


def test_a_fault_that_is_never_injected_makes_the_trial_inconclusive(
    make_scenario: ScenarioMaker, make_session: MakeSession
) -> None:
    make_scenario()
    when = {"phase": "runtime", "after": "task_running", "delay_ms": 3_600_000}
    never = {**KILL, "when": when}
    make_scenario.chaos("never", expectation="should_recover", faults=[never])
    result = run(make_session(), "never")
    assert result.verdict.status == "inconclusive"
    assert result.verdict.outcome.startswith("armed, but not injected: kill on ")
    assert result.faults[0].status == "not_fired"


def test_the_same_seed_repeats_the_random_draws(
    make_scenario: ScenarioMaker, make_session: MakeSession
) -> None:
    make_scenario()
    sometimes: dict[str, Any] = {
        "action": "invalid_tool",
        "when": {"phase": "plan"},
        "probability": 0.3,
    }
    make_scenario.chaos("sometimes", expectation="measure", faults=[sometimes])
    draws = []
    for run_id in ("one", "two"):
        session = make_session(run_id=run_id)
        draws.append([run(session, "sometimes").faults[0].status for _ in range(12)])
    assert draws[0] == draws[1]
    assert set(draws[0]) == {"fired", "not_exercised"}


def test_a_missing_access_log_makes_the_trial_inconclusive(
    make_scenario: ScenarioMaker, make_session: MakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fixtures cannot be started again: all checks hold, but evidence is missing."""

    def name_fixtures(plan: dict[str, Any]) -> None:
        """The profile applies only to plans that use fixtures."""
        task = plan["stages"][0]["task_graph"]["tasks"][0]
        task["input"]["execution"]["env"] = {"FEED": "${fixtures_url}"}

    make_scenario(plan=name_fixtures)
    kill = {**KILL, "target": "fixtures", "params": {}}
    make_scenario.chaos("mute", expectation="should_recover", faults=[kill])
    session = make_session()
    fixtures = session.ensure_fleet().services["fixtures"]
    monkeypatch.setattr(fixtures, "revive", lambda: None)
    result = run(session, "mute")
    assert result.verdict.status == "inconclusive"
    assert "access log" in result.verdict.outcome


def test_healing_that_fails_replaces_the_fleet_and_is_on_record(
    make_scenario: ScenarioMaker, make_session: MakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_scenario()
    make_scenario.chaos("gone", expectation="measure", faults=[{**KILL, "params": {}}])
    session = make_session()
    before = session.ensure_fleet()

    def broken() -> None:
        raise OSError("no way back")

    monkeypatch.setattr(before.services["runtime"], "revive", broken)
    result = run(session, "gone")
    assert any("healing failed" in step.text for step in result.verdict.explanation)
    assert session.ensure_fleet() is not before
    assert run(session, "none").verdict.status == "passed"


def test_the_random_draws_of_a_test_do_not_depend_on_what_ran_before(
    make_scenario: ScenarioMaker, make_session: MakeSession
) -> None:
    make_scenario()
    one, two = make_session(run_id="one"), make_session(run_id="two")

    def seed(session: RunSession, caller: str) -> str:
        result = session.run_cell(
            "demo", framework="reference", chaos="self_dependency", caller=caller
        )
        folder = session.run.trial_folder(result.trial_id)
        events = read_timeline(folder / "timeline.jsonl")
        return next(event.seed for event in events if isinstance(event, ChaosArmed))

    first = [seed(one, "t.py::a"), seed(one, "t.py::b"), seed(one, "t.py::a")]
    again = [seed(two, "t.py::b"), seed(two, "t.py::a"), seed(two, "t.py::a")]
    assert first == [again[1], again[0], again[2]]
    assert len(set(first)) == 3
