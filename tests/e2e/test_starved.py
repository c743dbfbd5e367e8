"""A process that stood still observed nothing: the record says so, and nothing is certain."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from pytest_execgo.observability.health import GAP_SECONDS
from tests.conftest import ScenarioMaker
from tests.processes import await_

# The task ends when the test lets it.
TASK = """
import pathlib, time
pathlib.Path({started!r}).touch()
while not pathlib.Path({over!r}).exists():
    time.sleep(0.01)
"""


def test_a_trial_in_which_the_observers_stood_still_is_not_certain(tmp_path: Path) -> None:
    started, over = tmp_path / "started", tmp_path / "over"

    def slow(manifest: dict[str, object]) -> None:
        manifest["checks"] = [{"kind": "task", "task": "greet", "status": "success"}]

    def plan(plan: dict[str, object]) -> None:
        code = TASK.format(started=str(started), over=str(over))
        execution = {"kind": "command", "program": "${python}", "args": ["-c", code]}
        task = {"id": "greet", "type": "runtime", "input": {"execution": execution}}
        plan["stages"] = [{"stage_id": "s", "task_graph": {"tasks": [task]}}]

    ScenarioMaker(tmp_path / "scenarios")("demo", manifest=slow, plan=plan)
    command = [sys.executable, "-m", "pytest", "--execgo-matrix", "-q"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        await_(started.exists)
        os.kill(process.pid, signal.SIGSTOP)
        await_(lambda: _state(process.pid) == "T")
        # The length of the gap: nothing can be awaited, because the process stands still.
        time.sleep(3 * GAP_SECONDS)
        os.kill(process.pid, signal.SIGCONT)
        over.touch()
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    (folder,) = (tmp_path / "reports/latest/trials").iterdir()
    verdict = json.loads((folder / "result.json").read_text())["verdict"]
    (cause,) = verdict["attribution"]
    assert (cause["layer"], cause["code"]) == ("unknown", "unobserved")
    assert cause["confidence"] == "possible"
    assert any("nothing was observed for" in step["text"] for step in verdict["explanation"])
    gap = cause["evidence"][0]
    events = [json.loads(x) for x in (folder / "timeline.jsonl").read_text().splitlines()]
    (event,) = [one for one in events if one["event_id"] == gap]
    assert event["gap_ms"] > GAP_SECONDS * 1000


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
