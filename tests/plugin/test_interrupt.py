"""Ctrl-C, at any moment and more than once, ends a run with 2 and without a traceback."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pytest_execgo.plugin.interrupt import InterruptHandler
from tests.conftest import ScenarioMaker
from tests.plugin.conftest import latest
from tests.processes import await_, processes_with

# A suite in the background of a shell ignores SIGINT, and its children inherit that.
INTERRUPTIBLE = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("{module}", run_name="__main__", alter_sys=True)
"""
CTRL_C = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"
CHECKS = f"def mine(trial):\n    {CTRL_C}\n    while True: pass\n"
STOPPING = """
from pytest_execgo.harness.fleet import Fleet
stop = Fleet.stop
def stopping(fleet, **words):
    {again}
    stop(fleet, **words)
Fleet.stop = stopping
"""
# Where the run is when Ctrl-C is pressed again: a conftest.py that presses it.
REPORTING = "def pytest_keyboard_interrupt(excinfo):\n    {again}\n"
MOMENTS = {
    "while_pytest_reports_it": REPORTING,
    "while_services_are_stopped": STOPPING,
    "while_reports_are_written": "def pytest_sessionfinish(session):\n    {again}\n",
    "at_the_end": "def pytest_unconfigure(config):\n    {again}\n",
}


def interrupted(
    pytester: pytest.Pytester, project: ScenarioMaker, moment: str, times: int, *command: str
) -> tuple[int, int, str]:
    """Process id, exit code and output of a run that a check interrupts, and ``moment`` again."""
    folder = project(
        "demo",
        manifest=lambda m: m["checks"].append({"kind": "python", "callable": "checks:mine"}),
    )
    (folder / "checks.py").write_text(CHECKS)
    pytester.makeconftest(moment.format(again="; ".join([CTRL_C] * times)))
    module, *words = command or ("pytest", "--execgo-matrix")
    child = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE.format(module=module), *words],
        cwd=pytester.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    output, _ = child.communicate()
    return child.pid, child.returncode, output


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
def test_a_second_ctrl_c_does_not_break_off_the_end_of_a_run(
    pytester: pytest.Pytester, project: ScenarioMaker, moment: str
) -> None:
    _, code, output = interrupted(pytester, project, moment, 1)
    assert code == pytest.ExitCode.INTERRUPTED, output
    assert "Traceback" not in output
    assert "press Ctrl-C once more to leave at once" in output
    (missing,) = latest(pytester.path)["unfinished"]
    assert "interrupted" in missing["reason"]


def test_a_third_ctrl_c_leaves_at_once_and_the_reaper_stops_the_services(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    pid, code, output = interrupted(pytester, project, REPORTING, 2)
    assert code == pytest.ExitCode.INTERRUPTED, output
    assert "Traceback" not in output
    assert not (pytester.path / "reports/latest/benchmark.json").exists()
    await_(lambda: not processes_with(f"execgo-fleet-{pid}-"))


def test_the_command_ends_in_the_same_way(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    _, code, output = interrupted(pytester, project, REPORTING, 1, "pytest_execgo", "run")
    assert code == pytest.ExitCode.INTERRUPTED, output
    assert "Traceback" not in output
    (missing,) = latest(pytester.path)["unfinished"]
    assert "interrupted" in missing["reason"]


def test_without_a_ctrl_c_the_handler_is_restored(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    pytester.makeconftest(
        "import signal\n"
        "def pytest_collection_finish():\n"
        "    print('handler', signal.getsignal(signal.SIGINT))\n"
    )
    code = INTERRUPTIBLE.format(module="pytest").replace(
        'runpy.run_module("pytest", run_name="__main__", alter_sys=True)',
        "import pytest\npytest.main(['--execgo-matrix', '--collect-only'])\n"
        "print('restored', signal.getsignal(signal.SIGINT) is signal.default_int_handler)",
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=pytester.path, capture_output=True, text=True, check=True
    )
    assert "InterruptHandler.interrupt" in done.stdout
    assert "restored True" in done.stdout


def test_a_worker_says_nothing_about_the_second_ctrl_c(capfd: pytest.CaptureFixture[str]) -> None:
    calls: list[int] = []
    handler = InterruptHandler(lambda number, frame: calls.append(number), quiet=True)
    for _ in range(2):
        handler.interrupt(2, None)
    assert calls == [2]
    assert capfd.readouterr().err == ""
