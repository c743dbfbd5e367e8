"""Every way a trial can end is a verdict with a full record, on real processes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_execgo.models.events import evidence
from pytest_execgo.models.trial_result import TrialResult
from pytest_execgo.observability.recorder import read_timeline
from pytest_execgo.run.session import RunSession
from pytest_execgo.verdict.attribute import attribute
from tests.conftest import ScenarioMaker

RECORD = {
    "plan.json",
    "adapter_trace.json",
    "timeline.jsonl",
    "execgo_snapshots.jsonl",
    "result.json",
    "logs",
}
MakeSession = Callable[..., RunSession]


def greet(plan: dict[str, Any]) -> dict[str, Any]:
    """The first task of the scaffolded plan."""
    task: dict[str, Any] = plan["stages"][0]["task_graph"]["tasks"][0]
    return task


def run(session: RunSession, scenario: str = "demo", chaos: str = "none") -> TrialResult:
    result = session.run_cell(scenario, framework="reference", chaos=chaos)
    folder = session.run.trial_folder(result.trial_id)
    assert {path.name for path in folder.iterdir()} >= RECORD
    assert TrialResult.model_validate_json((folder / "result.json").read_text()) == result
    facts = evidence(read_timeline(folder / "timeline.jsonl"))
    assert attribute(facts) == result.verdict.attribution, "attribution needs evidence alone"
    return result


def first_cause(result: TrialResult) -> str:
    cause = result.verdict.attribution[0]
    return f"{cause.layer}/{cause.code}"


def test_a_good_trial_passes(make_scenario: ScenarioMaker, make_session: MakeSession) -> None:
    make_scenario()
    result = run(make_session())
    assert result.verdict.status == "passed"
    # On a busy machine, the observers may stand still meanwhile.
    assert first_cause(result) in ("none/no_failure", "unknown/unobserved")
    assert result.metrics.engine_time_ms is not None
    assert result.metrics.engine_time_ms > 0


def crash(plan: dict[str, Any]) -> None:
    greet(plan)["input"]["execution"] |= {"args": ["-c", "import sys; sys.exit(3)"]}


def vanish(plan: dict[str, Any]) -> None:
    greet(plan)["input"]["execution"] |= {"program": "/no/such/program"}


def outlive_the_wall(plan: dict[str, Any]) -> None:
    greet(plan)["input"] |= {
        "execution": {"kind": "script", "script": "sleep 30"},
        "limits": {"wall_time_ms": 100},
    }


def outlive_the_task(plan: dict[str, Any]) -> None:
    greet(plan)["input"]["execution"] = {"kind": "script", "script": "sleep 30"}
    greet(plan)["timeout"] = 250


def outlive_the_stage(plan: dict[str, Any]) -> None:
    greet(plan)["input"]["execution"] = {"kind": "script", "script": "sleep 30"}
    plan["stages"][0]["submit_policy"] = {"deadline_ms": 400}


def hoard(plan: dict[str, Any]) -> None:
    greet(plan)["input"]["execution"] |= {"args": ["-c", "x = 'x' * 400_000_000"]}
    greet(plan)["input"]["limits"]["memory_bytes"] = 150_000_000


def confuse(plan: dict[str, Any]) -> None:
    greet(plan)["input"]["sandbox"] = {"workspace_subdir": "../elsewhere"}


def ask_for_the_unknown(plan: dict[str, Any]) -> None:
    greet(plan).update({"type": "os", "tool_name": "teleport"})


def say_nothing(plan: dict[str, Any]) -> None:
    greet(plan)["input"]["execution"] |= {"args": ["-c", "print('no JSON')"]}


@pytest.mark.parametrize(
    ("damage", "cause", "outcome"),
    [
        (crash, "task/exit_non_zero", "failed"),
        (vanish, "task/launch_failed", "failed"),
        (outlive_the_wall, "task/timeout", "failed"),
        (outlive_the_task, "task/timeout", "failed"),
        (outlive_the_stage, "unknown/deadline", "stuck"),
        (hoard, "task/exit_non_zero", "failed"),
        (confuse, "dsl/invalid_input", "failed"),
        (ask_for_the_unknown, "dsl/unknown_tool", "failed"),
        (say_nothing, "task/bad_output", "binding missing"),
    ],
)
def test_a_plan_that_fails_is_a_verdict_with_its_cause(
    make_scenario: ScenarioMaker,
    make_session: MakeSession,
    damage: Callable[[dict[str, Any]], None],
    cause: str,
    outcome: str,
) -> None:
    def edit(plan: dict[str, Any]) -> None:
        for stage in plan["stages"]:
            stage["submit_policy"] = {}
        damage(plan)

    make_scenario(plan=edit)
    result = run(make_session())
    assert result.verdict.status == "failed"
    assert first_cause(result) == cause
    assert f"({outcome})" in result.verdict.outcome
    assert result.rerun.startswith("pytest ")


def test_what_never_ends_leaves_nothing_behind(
    make_scenario: ScenarioMaker, make_session: MakeSession
) -> None:
    make_scenario(plan=outlive_the_stage)
    session = make_session()
    before = session.ensure_fleet()
    result = run(session)
    assert any("left over" in step.text for step in result.verdict.explanation)
    assert session.ensure_fleet() is not before, "a fleet with leftovers is replaced"


def test_a_check_that_raises_is_the_verifiers_fault(
    make_scenario: ScenarioMaker, make_session: MakeSession
) -> None:
    def add(manifest: dict[str, Any]) -> None:
        manifest["checks"].append({"kind": "python", "callable": "checks:broken"})

    folder = make_scenario(manifest=add)
    (folder / "checks.py").write_text("def broken(trial):\n    return 1 / 0\n")
    result = run(make_session())
    assert result.verdict.status == "failed"
    assert first_cause(result) == "verifier/check_raised"
    assert "ZeroDivisionError" in result.verdict.checks[-1].message


def test_a_wrong_expectation_says_expected_and_got(
    make_scenario: ScenarioMaker, make_session: MakeSession
) -> None:
    make_scenario(manifest=lambda manifest: manifest["checks"][1].update(equals=4))
    result = run(make_session())
    bad = [check for check in result.verdict.checks if not check.ok]
    assert [(check.expected, check.got) for check in bad] == [(4, 3)]
    assert first_cause(result) == "task/wrong_output"
    assert result.verdict.attribution[0].evidence
    kept = make_scenario.folder.parent / "reports/run/trials" / result.trial_id / "workspace"
    assert (kept / "greetings.txt").exists(), "the workspace of a failed trial is kept"


def test_a_killed_engine_is_a_verdict_and_the_next_trial_gets_a_fresh_fleet(
    make_scenario: ScenarioMaker, make_session: MakeSession, tmp_path: Path
) -> None:
    flag = tmp_path / "running"

    def wait(plan: dict[str, Any]) -> None:
        script = f"touch {flag}; sleep 30"
        greet(plan)["input"]["execution"] = {"kind": "script", "script": script}

    make_scenario(plan=wait)
    make_scenario("healthy")
    session = make_session()
    fleet = session.ensure_fleet()

    def kill() -> None:
        while not flag.exists():
            pass
        fleet.services["execgo"].kill()  # type: ignore[attr-defined]

    killer = threading.Thread(target=kill)
    killer.start()
    result = run(session)
    killer.join()
    assert result.verdict.status == "failed"
    assert first_cause(result) == "engine/process_exited"
    assert "-9" in result.verdict.attribution[0].message
    assert run(session, "healthy").verdict.status == "passed"


def test_an_engine_that_forgets_is_noticed(
    make_scenario: ScenarioMaker, make_session: MakeSession
) -> None:
    make_scenario(plan=lambda plan: plan["stages"][0].update(submit_policy={}))
    make_scenario.chaos(
        "amnesia",
        expectation="expected_failure",
        expected_cause={"layer": "engine"},
        faults=[
            {
                "action": "kill",
                "target": "execgo",
                "params": {"heal_after_ms": 0},
                "when": {"phase": "runtime", "after": "task_running"},
            }
        ],
    )
    result = run(make_session(), chaos="amnesia")
    assert result.verdict.status == "passed", result.verdict.outcome
    assert result.verdict.recovery == "lost"
    assert any("no longer knows task greet" in step.text for step in result.verdict.explanation)


def test_two_trials_share_no_id_file_or_task(
    make_scenario: ScenarioMaker, make_session: MakeSession
) -> None:
    make_scenario()
    session = make_session()
    results = [run(session) for _ in range(2)]
    assert results[0].trial_id != results[1].trial_id
    assert results[0].outcome_digest == results[1].outcome_digest
    ids = []
    for result in results:
        folder = session.run.trial_folder(result.trial_id)
        events = read_timeline(folder / "timeline.jsonl")
        ids.append(
            {id_ for e in events if e.event_type == "submitted" for id_ in e.task_ids.values()}
        )
    assert ids[0]
    assert not ids[0] & ids[1]
    assert not list(session.fleet.work_root.iterdir())


def test_a_service_that_withholds_its_log_does_not_make_the_harness_the_cause(
    make_scenario: ScenarioMaker, make_session: MakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_scenario("demo")
    monkeypatch.setattr("pytest_execgo.run.trial.collect_access_log", lambda *arguments: False)
    result = make_session().run_cell("demo", framework="reference", chaos="none")
    assert result.verdict.status == "inconclusive"
    (cause,) = result.verdict.attribution
    assert (cause.name, cause.confidence) == ("unknown/unobserved", "possible")
    assert cause.message == "the access log of fixtures cannot be read"
