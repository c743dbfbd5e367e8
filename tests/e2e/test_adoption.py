"""Tasks of the embedded runtime outlive it, and the next runtime of the data folder adopts them, as with
the real one."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from tests.processes import await_, started

MODULE = "pytest_execgo.emulators.runtime"
FINAL = ("success", "failed", "cancelled")


class Runtime:
    """A runtime that can be ended and started again on the same data."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self._stack = folder, stack
        self.start()

    def start(self) -> None:
        words = ("--listen-addr", "127.0.0.1:0", "--data-dir", "data", "--max-running-tasks", "1")
        self.ready = self._stack.enter_context(started(MODULE, self.folder, *words))

    def end(self, number: signal.Signals) -> None:
        process = psutil.Process(self.ready["pid"])
        process.send_signal(number)
        await_(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)

    def submit(self, task_id: str, script: str, **more: Any) -> None:
        execution = {"kind": "command", "program": "/bin/sh", "args": ["-c", script]}
        body = {"task_id": task_id, "execution": execution, **more}
        reply = requests.post(f"{self.ready['url']}/api/v1/tasks", json=body, timeout=10)
        assert reply.status_code == 200, reply.text

    def task(self, task_id: str = "t") -> dict[str, Any]:
        url = f"{self.ready['url']}/api/v1/tasks/{task_id}"
        task: dict[str, Any] = requests.get(url, timeout=10).json()
        return task

    def events(self) -> list[str]:
        reply = requests.get(f"{self.ready['url']}/api/v1/tasks/t/events", timeout=10).json()
        return [event["event_type"] for event in reply]

    def kill(self) -> None:
        requests.post(f"{self.ready['url']}/api/v1/tasks/t/kill", timeout=10)

    def ended(self, task_id: str = "t") -> dict[str, Any]:
        await_(lambda: self.task(task_id)["status"] in FINAL)
        return self.task(task_id)

    def await_start(self) -> None:
        """Wait until the script of the task runs, and the runtime knows its process."""
        await_((self.folder / "began").exists)
        await_(lambda: "pid" in self.task())


@pytest.fixture
def runtime(tmp_path: Path) -> Any:
    with ExitStack() as stack:
        yield Runtime(tmp_path, stack)
    # No task of a test that failed waits for ever.
    (tmp_path / "go").touch()


def waiting(folder: Path, then: str) -> str:
    """A script that begins, waits for the file ``go``, and ends."""
    return f"cd {folder}; touch began; until [ -e go ]; do sleep 0.01; done; {then}"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_task_goes_on_and_its_end_is_reported(runtime: Runtime, number: signal.Signals) -> None:
    runtime.submit("t", waiting(runtime.folder, "echo done; exit 3"))
    runtime.await_start()
    before = runtime.task()
    runtime.end(number)
    runtime.start()
    adopted = runtime.task()
    assert adopted["status"] == "running"
    same = ("pid", "shim_pid", "started_at")
    assert [adopted[name] for name in same] == [before[name] for name in same]
    assert runtime.events() == ["recovered"]
    (runtime.folder / "go").touch()
    ended = runtime.ended()
    assert (ended["status"], ended["exit_code"]) == ("failed", 3)
    assert ended["error"]["code"] == "exit_non_zero"
    assert ended["stdout"] == "done\n"
    assert ended["duration_ms"] >= before["duration_ms"]


@pytest.mark.parametrize(("then", "status"), [("true", "success"), ("kill -9 $$", "failed")])
def test_end_while_no_runtime_is_there_is_reported_later(
    runtime: Runtime, then: str, status: str
) -> None:
    runtime.submit("t", waiting(runtime.folder, then))
    runtime.await_start()
    process = psutil.Process(runtime.task()["pid"])
    runtime.end(signal.SIGKILL)
    (runtime.folder / "go").touch()
    await_((runtime.folder / "data/tasks/t/exit.txt").exists)
    assert not process.is_running()
    over = datetime.now(UTC)
    runtime.start()
    ended = runtime.task()
    assert ended["status"] == status
    started, finished = (datetime.fromisoformat(ended[f"{x}_at"]) for x in ("started", "finished"))
    assert finished <= over
    lasted = (finished - started) / timedelta(milliseconds=1)
    assert ended["duration_ms"] == pytest.approx(lasted, abs=5)
    assert ended.get("exit_signal") == (9 if status == "failed" else None)


def test_task_whose_shim_is_killed_too_is_lost(runtime: Runtime) -> None:
    runtime.submit("t", waiting(runtime.folder, "true"))
    runtime.await_start()
    task = runtime.task()
    runtime.end(signal.SIGKILL)
    os.kill(task["shim_pid"], signal.SIGKILL)
    os.kill(task["pid"], signal.SIGKILL)
    runtime.start()
    assert runtime.ended()["error"] == {"code": "internal", "message": "recovery_lost"}


def test_task_that_waits_for_its_slot_is_started_by_the_next_runtime(runtime: Runtime) -> None:
    runtime.submit("t", waiting(runtime.folder, "true"))
    runtime.await_start()
    runtime.submit("later", "echo here")
    runtime.end(signal.SIGKILL)
    runtime.start()
    assert [runtime.task("t")["status"], runtime.task("later")["status"]] == ["running", "accepted"]
    (runtime.folder / "go").touch()
    assert runtime.ended("later")["stdout"] == "here\n"
    assert runtime.ended()["status"] == "success"


def wall_time(runtime: Runtime) -> None:
    """Nothing to do: the limit passes."""


@pytest.mark.parametrize(
    ("limits", "act", "code"),
    [({"wall_time_ms": 3000}, wall_time, "timeout"), ({}, Runtime.kill, "cancelled")],
    ids=["wall time", "kill"],
)
def test_adopted_task_can_be_ended(
    runtime: Runtime, limits: dict[str, int], act: Callable[[Runtime], None], code: str
) -> None:
    runtime.submit("t", waiting(runtime.folder, "true"), limits=limits)
    runtime.await_start()
    runtime.end(signal.SIGKILL)
    runtime.start()
    act(runtime)
    assert runtime.ended()["error"]["code"] == code
    await_(lambda: not psutil.pid_exists(runtime.task()["pid"]))
