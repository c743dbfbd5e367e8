"""What ExecGo passes on about a task is compared with what the runtime itself answers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pytest_execgo.harness.fleet import FleetSpec
from pytest_execgo.models.events import ServiceLogged, TaskStillKnown, WitnessesDiffer
from pytest_execgo.models.trial_result import TrialResult
from pytest_execgo.observability.recorder import read_timeline
from pytest_execgo.run.session import RunSession
from tests.conftest import ScenarioMaker

# The embedded ExecGo with another way to poll the runtime.
ENGINE = """#!{python}
import sys
from pytest_execgo.emulators.execgo import __main__ as engine
from pytest_execgo.emulators.execgo.runtime_client import RuntimeExecutor

look = RuntimeExecutor._look

{poll}

RuntimeExecutor._look = poll
sys.exit(engine.main())
"""
# Takes one name for another in what the runtime answers, and logs an error.
ALTERING = """
def poll(self, handle):
    reply = look(self, handle)
    if isinstance(reply, dict) and "Ada" in reply.get("stdout", ""):
        print("ERROR cannot remember the name", file=sys.stderr, flush=True)
        return {**reply, "stdout": reply["stdout"].replace('"Ada", ', "")}
    return reply
"""
# Sends a request without its environment, as a gateway with an older schema.
FORGETTING = """
request = RuntimeExecutor._request

def forgetting(self, method, path, payload, remaining):
    if method == "POST":
        execution = {**payload["execution"], "env": {}}
        payload = {**payload, "execution": execution}
    return request(self, method, path, payload, remaining)

RuntimeExecutor._request = forgetting
poll = look
"""
# The embedded runtime, which answers otherwise than its files say.
RUNTIME = """#!{python}
import sys
from pytest_execgo.emulators.runtime import __main__ as runtime, supervisor

head = supervisor._head

def without_ada(path, limit):
    text, is_cut = head(path, limit)
    return text.replace('"Ada", ', ""), is_cut

supervisor._head = without_ada
sys.exit(runtime.main())
"""
# Loses the first answer about each task, as with a connection that breaks.
LOSING = """
asked = set()

def poll(self, handle):
    if handle not in asked:
        asked.add(handle)
        return None
    return look(self, handle)
"""


def run(
    make_scenario: ScenarioMaker,
    make_session: Callable[..., RunSession],
    folder: Path,
    poll: str = "",
) -> tuple[TrialResult, RunSession]:
    """A trial with an ExecGo that polls in another way; without one, with the other runtime."""
    make_scenario("demo")
    service = "execgo" if poll else "runtime"
    program = folder / service
    program.write_text((ENGINE if poll else RUNTIME).format(python=sys.executable, poll=poll))
    program.chmod(0o755)
    session = make_session()
    choices = ((service, f"binary:{program}"),)
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


def test_an_answer_that_execgo_lost_does_not_make_the_runtime_forgetful(
    make_scenario: ScenarioMaker, make_session: Callable[..., RunSession], tmp_path: Path
) -> None:
    result, session = run(make_scenario, make_session, tmp_path, LOSING)
    assert result.verdict.status == "failed"
    (cause,) = result.verdict.attribution
    assert (cause.name, cause.confidence) == ("runtime/answer_lost", "likely")
    assert "ExecGo gave up task greet, but the runtime knows it" in cause.message
    events = read_timeline(session.run.trial_folder(result.trial_id) / "timeline.jsonl")
    (known,) = [event for event in events if isinstance(event, TaskStillKnown)]
    assert known.event_id in cause.evidence


def test_a_request_that_changes_on_its_way_to_the_runtime_is_named(
    make_scenario: ScenarioMaker, make_session: Callable[..., RunSession], tmp_path: Path
) -> None:
    result, _ = run(make_scenario, make_session, tmp_path, FORGETTING)
    assert result.verdict.status == "failed"
    cause, *others = result.verdict.attribution
    assert (cause.name, cause.confidence, others) == ("runtime/request_altered", "likely", [])
    assert cause.message == "the runtime got another env.NAMES for task count than ExecGo was given"


def test_an_answer_that_is_not_what_the_runtime_wrote_is_named(
    make_scenario: ScenarioMaker, make_session: Callable[..., RunSession], tmp_path: Path
) -> None:
    result, session = run(make_scenario, make_session, tmp_path)
    assert result.verdict.status == "failed"
    cause, *others = result.verdict.attribution
    assert (cause.name, cause.confidence, others) == ("runtime/answer_altered", "likely", [])
    events = read_timeline(session.run.trial_folder(result.trial_id) / "timeline.jsonl")
    (differ,) = [event for event in events if isinstance(event, WitnessesDiffer)]
    assert (differ.task_id, differ.member, differ.link_alters) == ("greet", "stdout", True)
