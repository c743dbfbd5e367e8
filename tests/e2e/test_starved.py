"""A process that stood still observed nothing: the record says so, and nothing is certain."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.conftest import ScenarioMaker
from tests.processes import await_

TASK = "import time, pathlib; pathlib.Path({started!r}).touch(); time.sleep(3)"


def test_a_trial_in_which_the_observers_stood_still_is_not_certain(tmp_path: Path) -> None:
    started = tmp_path / "started"

    def slow(manifest: dict[str, object]) -> None:
        manifest["checks"] = [{"kind": "task", "task": "greet", "status": "success"}]

    def plan(plan: dict[str, object]) -> None:
        code = TASK.format(started=str(started))
        execution = {"kind": "command", "program": "${python}", "args": ["-c", code]}
        task = {"id": "greet", "type": "runtime", "input": {"execution": execution}}
        plan["stages"] = [{"stage_id": "s", "task_graph": {"tasks": [task]}}]

    ScenarioMaker(tmp_path / "scenarios")("demo", manifest=slow, plan=plan)
    command = [sys.executable, "-m", "pytest", "--execgo-matrix", "-q"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        await_(started.exists)
        os.kill(process.pid, signal.SIGSTOP)
        await_(lambda: _state(process.pid) == "T")
        _wait(1.5)
        os.kill(process.pid, signal.SIGCONT)
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
    assert event["gap_ms"] > 1000


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _wait(seconds: float) -> None:
    """The gap itself: nothing can be awaited, because the process stands still."""
    subprocess.run(["sleep", str(seconds)], check=True)
