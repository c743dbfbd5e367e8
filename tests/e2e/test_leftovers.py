"""What a task leaves in the background lives until the trial ends, is recorded, and is ended then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psutil
import pytest

from pytest_execgo.observability.recorder import read_timeline
from pytest_execgo.run.session import RunSession
from tests.conftest import ScenarioMaker

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has subreapers")

MakeSession = Callable[..., RunSession]
# Each starts a sleep, and ends.
WAYS = {
    "background": "sleep 99 &",
    "empty_environment": "env -i /bin/sh -c 'sleep 99 &' > /dev/null 2>&1",
    "other_session": "setsid sh -c 'exec sleep 99' > /dev/null 2>&1 < /dev/null & sleep 0.2",
    "daemon": (
        "env -i PATH=$PATH setsid sh -c 'cd /; (sleep 99 &) &' "
        "> /dev/null 2>&1 < /dev/null; sleep 0.2"
    ),
}


@pytest.fixture
def bystander() -> Iterator[psutil.Process]:
    """A process of the user that works in the folder for temporary files."""
    process = subprocess.Popen(["sleep", "99"], cwd="/tmp")
    yield psutil.Process(process.pid)
    process.kill()
    process.wait()


WAITS = "until [ -e left ]; do sleep 0.02; done"


def leaving(make_scenario: ScenarioMaker, script: str, *, beside: str | None = None) -> None:
    """A scenario with the task ``leave``, and with the task ``wait`` for the script ``beside``."""

    def task(name: str, script: str) -> dict[str, Any]:
        execution = {
            "kind": "script",
            "interpreter": ["sh"],
            "script": f'cd "${{workspace}}"\n{script}\n',
        }
        return {"id": name, "type": "runtime", "input": {"execution": execution}}

    def plan(document: dict[str, Any]) -> None:
        stage = document["stages"][0]
        tasks = stage["task_graph"]["tasks"]
        tasks.append(task("leave", script))
        if beside is not None:
            tasks.append(task("wait", beside))
            # An adopted task runs to its end: the trial would wait for it.
            stage["submit_policy"] = {"deadline_ms": 5000}

    make_scenario(plan=plan)


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def await_end(pid: int) -> None:
    deadline = monotonic() + 10
    while not is_gone(pid):
        assert monotonic() < deadline, f"process {pid} still runs"
        sleep(0.02)


@pytest.mark.parametrize("way", WAYS)
def test_a_process_that_a_task_leaves_is_recorded_and_ended(
    make_scenario: ScenarioMaker, make_session: MakeSession, bystander: psutil.Process, way: str
) -> None:
    leaving(make_scenario, WAYS[way])
    session = make_session()
    result = session.run_cell("demo", framework="reference", chaos="none")
    assert result.verdict.status == "passed"
    (command,) = result.left_behind
    assert command == "sleep 99"
    folder = session.run.trial_folder(result.trial_id)
    (left,) = [
        event
        for event in read_timeline(folder / "timeline.jsonl")
        if event.event_type == "process_left"
    ]
    assert left.service == "runtime"
    await_end(left.pid)
    assert bystander.is_running()
    before = session.fleet
    session.ensure_fleet()
    assert session.fleet is not before, "a fleet in which something was left is replaced"


@pytest.mark.parametrize("action", ["kill", "restart"])
def test_what_outlives_a_service_ends_with_its_fleet(
    make_scenario: ScenarioMaker, make_session: MakeSession, action: str
) -> None:
    # The task itself is adopted by the new runtime. Its daemon has no parent and no environment.
    daemon = WAYS["daemon"].replace("99", "97.25")
    leaving(make_scenario, f"{daemon}\ntouch left\nexec sleep 98.25", beside=WAITS)
    when = {"phase": "runtime", "after": "task_ended", "task": "wait"}
    make_scenario.chaos(
        "ends",
        expectation="measure",
        faults=[{"action": action, "target": "runtime", "when": when}],
    )
    session = make_session()
    session.run_cell("demo", framework="reference", chaos="ends")
    left = [one for one in psutil.process_iter(["cmdline"]) if _sleeps(one)]
    assert {one.info["cmdline"][1] for one in left} == {"97.25", "98.25"}
    session.ensure_fleet()
    for process in left:
        await_end(process.pid)


def _sleeps(process: psutil.Process) -> bool:
    return process.info["cmdline"] in (["sleep", "97.25"], ["sleep", "98.25"])


def test_a_child_in_the_background_works_until_the_trial_ends(
    make_scenario: ScenarioMaker, make_session: MakeSession
) -> None:
    def check(manifest: dict[str, Any]) -> None:
        manifest["checks"].append({"kind": "file", "path": "later.txt"})

    def wait(document: dict[str, Any]) -> None:
        execution = {
            "kind": "script",
            "interpreter": ["sh"],
            "script": "cd '${workspace}'; until [ -e later.txt ]; do sleep 0.05; done",
        }
        task = {"id": "wait", "type": "runtime", "input": {"execution": execution}}
        stage = {"stage_id": "second", "task_graph": {"tasks": [task]}}
        document["stages"].append(stage)
        leave = "cd '${workspace}'; (sleep 0.5; echo done > later.txt) &"
        background = {"kind": "script", "interpreter": ["sh"], "script": leave}
        document["stages"][0]["task_graph"]["tasks"].append(
            {"id": "leave", "type": "runtime", "input": {"execution": background}}
        )

    make_scenario(manifest=check, plan=wait)
    result = make_session().run_cell("demo", framework="reference", chaos="none")
    assert result.verdict.status == "passed", result.verdict.outcome
    assert result.left_behind == ()


def test_nothing_is_left_of_a_trial_whose_pytest_is_killed(
    tmp_path: Path, make_scenario: ScenarioMaker
) -> None:
    # The task itself runs on: pytest is killed in the middle of the trial.
    leaving(make_scenario, f"{WAYS['daemon']}\nsleep 60")
    command = [sys.executable, "-m", "pytest", "--execgo-matrix", "-p", "no:cacheprovider"]
    run = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL)
    try:
        deadline = monotonic() + 60
        pids: list[int] = []
        while not pids:
            assert monotonic() < deadline
            assert run.poll() is None
            sleep(0.05)
            pids = [
                pid for pid in map(_pid_of, psutil.Process(run.pid).children(recursive=True)) if pid
            ]
    finally:
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
    for pid in pids:
        await_end(pid)


def _pid_of(process: psutil.Process) -> int | None:
    """The id of a sleeping daemon of the task."""
    try:
        return process.pid if process.cmdline() == ["sleep", "99"] else None
    except psutil.Error:
        return None
