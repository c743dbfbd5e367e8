"""Ends that a runtime never reports, answers 502 of a gateway, and links that break between two rounds.
With real services and processes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from pytest_execgo.emulators.httpd import Request, Response
from pytest_execgo.extensions.registry import Registry
from pytest_execgo.harness.fleet import Fleet, FleetSpec
from pytest_execgo.models.events import (
    EngineProtocolError,
    EngineUnavailable,
    Event,
    ResubmitDeclined,
    Resubmitted,
    TaskStuck,
)
from pytest_execgo.models.trial_result import TrialResult
from pytest_execgo.observability.recorder import read_timeline
from pytest_execgo.run.session import RunSession
from pytest_execgo.transport.client import request
from tests.conftest import ScenarioMaker
from tests.endpoints import serving

MakeSession = Callable[..., RunSession]

FORGETFUL = """\
#!{python}
import sys
from pytest_execgo.emulators.runtime import __main__, supervisor

conclude = supervisor.Supervisor._conclude

def forget(self, task, code, *, timed_out):
    if task.submission.task_id.endswith({forgets}):
        return
    conclude(self, task, code, timed_out=timed_out)

supervisor.Supervisor._conclude = forget
sys.exit(__main__.main(sys.argv[2:]))
"""


def with_fleet(session: RunSession, **choices: str) -> RunSession:
    session.run = replace(session.run, fleet=FleetSpec(choices=tuple(choices.items())))
    return session


def events_of(session: RunSession, result: TrialResult, *kinds: type[Event]) -> list[Any]:
    path = session.run.trial_folder(result.trial_id) / "timeline.jsonl"
    return [event for event in read_timeline(path) if isinstance(event, kinds)]


def forgetful_runtime(folder: Path, *ends: str) -> str:
    """A runtime that never reports the end of tasks whose id has one of ``ends``, as a binary."""
    program = folder / "runtime"
    program.write_text(FORGETFUL.format(python=sys.executable, forgets=ends))
    program.chmod(0o755)
    return f"binary:{program}"


# -- an end that is never reported


def test_a_task_whose_end_the_runtime_never_reports_is_found_and_run_again(
    make_scenario: ScenarioMaker, make_session: MakeSession, tmp_path: Path
) -> None:
    make_scenario()
    session = with_fleet(make_session(), runtime=forgetful_runtime(tmp_path, ".greet"))
    result = session.run_cell("demo", framework="reference", chaos="none")
    assert result.verdict.status == "passed", result.verdict.outcome
    assert result.verdict.recovery == "recovered"
    (stuck,) = events_of(session, result, TaskStuck)
    assert (stuck.task_id, stuck.how) == ("greet", "ended")
    # Well before the limit of the task, which is 10 s, and the deadline of the stage, which is 60 s.
    assert result.metrics.wall_time_ms < 10_000
    assert [(c.layer, c.code) for c in result.verdict.attribution] == [("runtime", "stuck")]
    assert result.findings == ("runtime-tasks-stay-running",)
    assert any("greet is stuck" in step.text for step in result.verdict.explanation)


def test_a_task_that_is_stuck_in_every_round_fails_in_seconds(
    make_scenario: ScenarioMaker, make_session: MakeSession, tmp_path: Path
) -> None:
    def one_more(plan: dict[str, Any]) -> None:
        plan["stages"][0]["submit_policy"] = {"max_resubmits": 1}

    make_scenario(plan=one_more)
    runtime = forgetful_runtime(tmp_path, ".greet", ".greet.r1")
    session = with_fleet(make_session(), runtime=runtime)
    result = session.run_cell("demo", framework="reference", chaos="none")
    assert (result.verdict.status, result.verdict.recovery) == ("failed", "stuck")
    assert [event.round for event in events_of(session, result, TaskStuck)] == [0, 1]
    assert result.metrics.wall_time_ms < 20_000


# -- a gateway in front of ExecGo


@pytest.mark.parametrize("status", [502, 429])
def test_one_answer_of_a_gateway_does_not_end_the_stage(
    make_scenario: ScenarioMaker, make_session: MakeSession, status: int
) -> None:
    def shell(plan: dict[str, Any]) -> None:
        task = {"id": "a", "type": "shell", "params": {"script": "sleep 0.3"}}
        plan["stages"] = [{"stage_id": "one", "task_graph": {"tasks": [task]}}]

    def only_the_task(manifest: dict[str, Any]) -> None:
        manifest["checks"] = [{"kind": "task", "task": "a", "status": "success"}]

    make_scenario(plan=shell, manifest=only_the_task)
    with Fleet(FleetSpec(), Registry.build().launchers) as own:
        polls = count()

        def gateway(asked: Request) -> Response:
            if asked.path.startswith("/tasks/") and next(polls) % 3 == 1:
                return Response(status, b"<html>Bad Gateway</html>", "text/html")
            headers = {**own.headers("execgo"), "Content-Type": "application/json"}
            got = request(
                asked.method,
                own.url("execgo") + asked.path,
                data=asked.body,
                headers=headers,
                timeout=5,
            )
            return Response(got.status_code, got.content, got.headers.get("Content-Type"))

        with serving(gateway) as url:
            session = with_fleet(make_session(), execgo=f"external:{url}")
            result = session.run_cell("demo", framework="reference", chaos="none")
    assert result.verdict.status == "passed", result.verdict.outcome
    assert events_of(session, result, EngineUnavailable)[0].http_status == status
    assert events_of(session, result, EngineProtocolError) == []


# -- a link that is broken when a stage could be submitted again


@pytest.mark.parametrize("kind", ["reset", "partition"])
def test_resubmissions_wait_until_the_link_works(
    make_scenario: ScenarioMaker, make_session: MakeSession, kind: str
) -> None:
    def two_rounds(plan: dict[str, Any]) -> None:
        stage = plan["stages"][0]
        stage["submit_policy"] = {"max_resubmits": 1, "resubmit_backoff_ms": 50}
        # ExecGo reports the broken link while the task runs.
        execution = stage["task_graph"]["tasks"][0]["input"]["execution"]
        execution["args"] = ["-c", SLOW_GREETING, "${workspace}"]

    make_scenario(plan=two_rounds)
    make_scenario.chaos(
        "cut",
        expectation="should_recover",
        expected_cause={"layer": "runtime", "code": "link_broken"},
        faults=[
            {
                "action": "network",
                "target": "runtime",
                "params": {"kind": kind, "heal_after_ms": 1500},
                "when": {"phase": "runtime", "after": "task_running", "delay_ms": 100},
            }
        ],
    )
    session = make_session()
    result = session.run_cell("demo", framework="reference", chaos="cut")
    assert result.verdict.status == "passed", result.verdict.outcome
    assert events_of(session, result, ResubmitDeclined) == []
    (fault,) = result.faults
    assert fault.healed_at_ms is not None
    again = [event.at_ms for event in events_of(session, result, Resubmitted)]
    assert all(at >= fault.healed_at_ms for at in again)
    assert again or kind == "partition", "ExecGo outlives a short partition"


SLOW_GREETING = (
    "import runpy, sys, time; time.sleep(0.5); "
    "runpy.run_path(sys.argv[1] + '/greet.py', run_name='__main__')"
)
