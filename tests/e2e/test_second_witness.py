"""What ExecGo passes on about a task is compared with what the runtime itself answers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pytest_execgo.harness.fleet import FleetSpec
from pytest_execgo.models.events import ServiceLogged, WitnessesDiffer
from pytest_execgo.models.trial_result import TrialResult
from pytest_execgo.observability.recorder import read_timeline
from pytest_execgo.run.session import RunSession
from tests.conftest import ScenarioMaker

# The embedded ExecGo, which takes one name for another in what the runtime answers, and logs an error.
ALTERING = """#!{python}
import sys
from pytest_execgo.emulators.execgo import __main__ as engine
from pytest_execgo.emulators.execgo.runtime_client import RuntimeExecutor

look = RuntimeExecutor._look

def altered(self, handle):
    reply = look(self, handle)
    if isinstance(reply, dict) and "Ada" in reply.get("stdout", ""):
        print("ERROR cannot remember the name", file=sys.stderr, flush=True)
        return {{**reply, "stdout": reply["stdout"].replace('"Ada", ', "")}}
    return reply

RuntimeExecutor._look = altered
sys.exit(engine.main())
"""


def run(
    make_scenario: ScenarioMaker, make_session: Callable[..., RunSession], folder: Path, engine: str
) -> tuple[TrialResult, RunSession]:
    make_scenario("demo")
    program = folder / "execgo"
    program.write_text(engine.format(python=sys.executable))
    program.chmod(0o755)
    session = make_session()
    choices = (("execgo", f"binary:{program}"),)
    session.run = replace(session.run, fleet=FleetSpec(choices=choices))
    result = session.run_cell("demo", framework="reference", chaos="none")
    return result, session


def test_an_engine_that_alters_a_result_is_not_blamed_on_the_task(
    make_scenario: ScenarioMaker, make_session: Callable[..., RunSession], tmp_path: Path
) -> None:
    result, session = run(make_scenario, make_session, tmp_path, ALTERING)
    assert result.verdict.status == "failed"
    cause, *others = result.verdict.attribution
    assert (cause.name, cause.confidence, others) == ("unknown/contradiction", "possible", [])
    assert cause.message == "ExecGo and the runtime differ about stdout of task greet"
    events = read_timeline(session.run.trial_folder(result.trial_id) / "timeline.jsonl")
    (differ,) = [event for event in events if isinstance(event, WitnessesDiffer)]
    assert not differ.link_alters
    logged = [event for event in events if isinstance(event, ServiceLogged)]
    assert {(e.service, e.line) for e in logged} == {("execgo", "ERROR cannot remember the name")}
    assert any("the log of execgo: ERROR" in step.text for step in result.verdict.explanation)
