"""``--stop-with-parent``: a run ends in order when the program that started it has ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import ScenarioMaker
from tests.processes import await_, processes_with

# A program that starts a run, holds all of its streams, and waits to be killed.
PARENT = """
import subprocess, sys
run = subprocess.Popen(
    [sys.executable, "-u", "-m", "pytest_execgo", "run", "--events", "-", "--stop-with-parent",
     *sys.argv[1:]],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
print(run.pid, flush=True)
for line in run.stdout:
    print(line.decode(), end="", flush=True)
"""
LINGER = "import time\ntime.sleep(600)\n"


@pytest.fixture
def lingering(pytester: pytest.Pytester, project: ScenarioMaker) -> Path:
    """A project with a scenario that passes and one that does not end."""
    project("a_good")
    (project("b_slow") / "workspace/greet.py").write_text(LINGER)
    return pytester.path


def started(folder: Path, *words: str) -> Iterator[str]:
    """Start a run below a parent; yields the id of its process, then the lines of its events. The parent
    is killed when the caller ends."""
    command = [sys.executable, "-c", PARENT, "--scenarios=scenarios", *words]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as parent:
        try:
            assert parent.stdout is not None
            yield from parent.stdout
        finally:
            parent.kill()


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one-process", "two-workers"])
def test_a_run_whose_parent_is_killed_ends_and_can_be_resumed(
    lingering: Path, workers: tuple[str, ...]
) -> None:
    lines = started(lingering, "--run-id=left", *workers)
    run = psutil.Process(int(next(lines)))
    awaited = {("trial_finished", "a_good"), ("stage_started", "b_slow")}
    while awaited:
        event = json.loads(next(lines))
        awaited -= {(event["event"], event.get("trial_id", "").partition("-")[0])}
    family = [run, *run.children(recursive=True)]
    lines.close()  # type: ignore[attr-defined]
    await_(lambda: not any(map(_lives, family)))
    await_(lambda: not processes_with(str(lingering)))
    folder = lingering / "reports/left"
    result = json.loads((folder / "benchmark.json").read_text())
    assert [one["trial_id"] for one in result["trials"]] == ["a_good-reference-replay-none-r0"]
    assert [one["trial_id"] for one in result["unfinished"]] == ["b_slow-reference-replay-none-r0"]
    (lingering / "scenarios/b_slow/workspace/greet.py").write_bytes(
        (lingering / "scenarios/a_good/workspace/greet.py").read_bytes()
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest_execgo", "run", "--resume=left", "--json"],
        cwd=lingering, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(json.loads((folder / "benchmark.json").read_text())["trials"]) == 2


def test_a_run_that_goes_on_is_not_resumed(lingering: Path) -> None:
    lines = started(lingering, "--run-id=busy", "--scenario=b_slow")
    next(lines)
    for line in lines:
        if json.loads(line)["event"] == "stage_started":
            break
    done = subprocess.run(
        [sys.executable, "-m", "pytest_execgo", "run", "--resume=busy"],
        cwd=lingering, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines.close()  # type: ignore[attr-defined]
    assert done.returncode == 4
    assert "run busy goes on in another process; wait for its end, or stop it" in done.stderr
    await_(lambda: not processes_with(str(lingering)))


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_run_is_left_alone_while_its_standard_input_is_open(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("good")
    command = [sys.executable, "-m", "pytest_execgo", "run", "--stop-with-parent", "--json"]
    with subprocess.Popen(
        command, cwd=pytester.path, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    ) as run:  # fmt: skip
        assert run.stdout is not None
        assert run.stderr is not None
        outcome = json.loads(run.stdout.read())
        assert (run.wait(), outcome["exit_status"]) == (0, 0)
        assert "1 passed" in run.stderr.read()


def test_a_run_that_has_finished_is_not_interrupted(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("good")
    command = [sys.executable, "-m", "pytest_execgo", "run", "--stop-with-parent", "--events", "-"]
    with subprocess.Popen(
        command, cwd=pytester.path, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    ) as run:  # fmt: skip
        assert run.stdout is not None
        assert run.stdin is not None
        assert run.stderr is not None
        for line in run.stdout:
            if json.loads(line)["event"] == "run_finished":
                run.stdin.close()
        assert "closed" not in run.stderr.read()
        assert run.wait() == 0


def test_a_run_says_why_it_ends_also_while_pytest_captures_its_output(lingering: Path) -> None:
    command = [sys.executable, "-u", "-m", "pytest_execgo", "run", "--stop-with-parent"]
    with subprocess.Popen(
        [*command, "--events", "-", "--scenario=b_slow"], cwd=lingering, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as run:  # fmt: skip
        assert run.stdout is not None
        assert run.stdin is not None
        assert run.stderr is not None
        for line in run.stdout:
            if json.loads(line)["event"] == "stage_started":
                run.stdin.close()
        assert "execgo: standard input was closed, so the run ends" in run.stderr.read()
        assert run.wait() == 2


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_reader_that_is_slow_gets_everything(
    pytester: pytest.Pytester, project: ScenarioMaker, stream: str
) -> None:
    """A pipe holds 64 kB, and the reader begins after the end of the run."""
    project("good")
    pytester.makeconftest(
        f"import sys\ndef pytest_unconfigure():\n    sys.{stream}.write('x' * 500_000 + 'end\\n')\n"
    )
    command = [sys.executable, "-m", "pytest_execgo", "run", "--stop-with-parent", "--run-id=slow"]
    with subprocess.Popen(
        command, cwd=pytester.path, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    ) as run:  # fmt: skip
        events = pytester.path / "reports/slow/events.ndjson"
        await_(lambda: events.exists() and "run_finished" in events.read_text())
        found = getattr(run, stream).read()
        assert found.count("x" * 500_000 + "end") == 1
        assert run.wait() == 0


def test_closed_standard_error_is_no_closed_input(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("good")
    command = f"sleep 600 | {sys.executable} -m pytest_execgo run --stop-with-parent --json 2>&-"
    shell = subprocess.Popen(
        ["sh", "-c", command], cwd=pytester.path, stdout=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert shell.stdout is not None
    try:
        assert json.loads(shell.stdout.readline())["exit_status"] == 0
    finally:
        os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()
        shell.stdout.close()


def test_standard_input_that_is_closed_is_refused(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("good")
    command = f"{sys.executable} -m pytest_execgo run --stop-with-parent <&-"
    done = subprocess.run(
        ["sh", "-c", command], cwd=pytester.path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: --stop-with-parent: standard input is closed")
