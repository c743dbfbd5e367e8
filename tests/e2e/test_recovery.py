"""After a fault the trial recovers, the cause is named, and the record alone is enough to name it."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from pytest_execgo.chaos.action import Injection, ServiceAction
from pytest_execgo.models.events import ChaosEvent, EvidenceEvent, TaskLost, evidence
from pytest_execgo.models.trial_result import TrialResult
from pytest_execgo.observability.recorder import read_timeline
from pytest_execgo.ports import Killable
from pytest_execgo.run.session import RunSession
from pytest_execgo.scenario.library import builtin_folder
from pytest_execgo.transport.client import request
from pytest_execgo.verdict.attribute import attribute
from tests.conftest import ScenarioMaker

MakeSession = Callable[..., RunSession]


def timeline(session: RunSession, result: TrialResult) -> list[EvidenceEvent | ChaosEvent]:
    return read_timeline(session.run.trial_folder(result.trial_id) / "timeline.jsonl")


@pytest.mark.parametrize(
    "profile",
    [
        "execgo_kill", "execgo_pause", "execgo_restart", "execgo_unreachable", "runtime_cpu",
        "runtime_kill", "runtime_memory", "runtime_partition", "runtime_pause", "runtime_restart",
        "runtime_slow_network", "runtime_unreachable",
    ],
)  # fmt: skip
def test_trial_recovers_and_the_cause_is_named(
    make_scenario: ScenarioMaker, make_session: MakeSession, profile: str
) -> None:
    make_scenario()
    session = make_session()
    result = session.run_cell("demo", framework="reference", chaos=profile)
    assert result.verdict.status == "passed", result.verdict.outcome
    assert result.verdict.cause_named, result.verdict.attribution
    assert [fault.status for fault in result.faults] == ["fired"]
    assert session.fleet.active_faults() == []
    assert session.fleet.unready() == []
    # The same record without the events of chaos leads to the same causes.
    events = [e for e in timeline(session, result) if not e.event_type.startswith("chaos_")]
    assert attribute(evidence(events)) == result.verdict.attribution


@pytest.mark.parametrize(
    "profile", ["fixture_latency", "fixtures_kill", "fixture_garbage", "fixtures_unreachable"]
)
def test_fixtures_server_is_named_for_its_faults(make_session: MakeSession, profile: str) -> None:
    session = make_session()
    scenario = str(builtin_folder() / "vuln_scan")
    result = session.run_cell(scenario, framework="reference", chaos=profile)
    assert result.verdict.status == "passed", result.verdict.outcome
    assert result.verdict.cause_named, result.verdict.attribution


@pytest.mark.parametrize("profile", ["slow_fixtures_and_restart", "flaky_fixtures_and_kill"])
def test_two_faults_in_one_trial_give_two_causes(make_session: MakeSession, profile: str) -> None:
    session = make_session()
    scenario = str(builtin_folder() / "vuln_scan")
    result = session.run_cell(scenario, framework="reference", chaos=profile)
    assert result.verdict.status == "passed", result.verdict.outcome
    assert result.verdict.cause_named, result.verdict.attribution
    assert len({cause.layer for cause in result.verdict.attribution}) == 2
    assert [fault.status for fault in result.faults] == ["fired", "fired"]


class SaveAndKill(ServiceAction[Killable]):
    """ExecGo saves its state, as it does every 30 s, and is killed at this moment."""

    name = "save_and_kill"
    targets = frozenset({"execgo"})

    heal_after_ms: int | None = 50

    def inject(self, target: Any, trial_id: str, rng: Random) -> Injection:
        tasks = request("GET", f"{target.url}/tasks", headers=target.headers, timeout=5).json()
        target.kill()
        state = target._site.data_dir("execgo") / "state.json"
        state.write_text(json.dumps({task["id"]: task for task in tasks}))

        def heal() -> str:
            target.revive()
            return "back"

        return Injection("killed with its state saved", heal)


def test_tasks_that_a_restarted_execgo_leaves_open_are_lost_and_submitted_again(
    make_scenario: ScenarioMaker, make_session: MakeSession
) -> None:
    make_scenario()
    make_scenario.chaos(
        "saved",
        expectation="should_recover",
        expected_cause={"layer": "engine"},
        faults=[
            {
                "action": "save_and_kill",
                "target": "execgo",
                "when": {"phase": "runtime", "after": "task_running"},
            }
        ],
    )
    session = make_session()
    session.matrix.registry.actions["save_and_kill"] = SaveAndKill
    result = session.run_cell("demo", framework="reference", chaos="saved")
    assert result.verdict.status == "passed", result.verdict.outcome
    assert result.verdict.recovery == "recovered"
    lost = [event for event in timeline(session, result) if isinstance(event, TaskLost)]
    assert {event.how for event in lost} == {"orphaned"}
    texts = [step.text for step in result.verdict.explanation]
    assert any("ExecGo restarted and did not resume task" in text for text in texts), texts
