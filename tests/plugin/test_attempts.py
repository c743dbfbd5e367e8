"""Attempts of a trial are kept and counted, whatever runs it again."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ScenarioMaker
from tests.plugin.conftest import latest

TRIAL = "demo-reference-replay-none-r0"
ONCE = """
from pathlib import Path

def first():
    try:
        Path({path!r}).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
"""
CHECK = """
def once(view):
    assert not first(), "first time"
"""
KILL = """
import os, signal

def once(view):
    if first():
        os.kill(os.getpid(), signal.SIGKILL)
"""
BEFORE = """
import pytest

@pytest.fixture(autouse=True)
def around():
    assert not first(), "first time"
"""
RERUN = ("--execgo-matrix", "--reruns=2")


def check(pytester: pytest.Pytester, project: ScenarioMaker, text: str) -> Path:
    """A scenario with a check of this text."""
    checks = [{"kind": "python", "callable": "checks:once"}]
    folder = project("demo", manifest=lambda manifest: manifest.update(checks=checks))
    (folder / "checks.py").write_text(ONCE.format(path=str(pytester.path / "once")) + text)
    return folder


def attempts(path: Path) -> list[dict[str, Any]]:
    """The earlier attempts, after the checks that are the same for all runs with one rerun."""
    report = latest(path)
    (trial,) = report["trials"]
    assert (trial["trial_id"], trial["attempt"]) == (TRIAL, 2)
    assert trial["verdict"]["status"] == "passed"
    (cell,) = report["cells"]
    assert (cell["trials"], cell["passed"], cell["failed_attempts"]) == (1, 1, 1)
    run = path / "reports/latest"
    lines = (run / "events.ndjson").read_text().splitlines()
    kinds = Counter(json.loads(line)["event"] for line in lines)
    assert kinds["trial_started"] == kinds["trial_finished"] == 2
    assert "1/1 (1 failed attempt before)" in (run / "benchmark.md").read_text()
    assert f"`{TRIAL}`, attempt 1: " in (run / "benchmark.md").read_text()
    found: list[dict[str, Any]] = report["attempts"]
    return found


@pytest.mark.usefixtures("reruns")
@pytest.mark.parametrize("workers", [[], ["-n1"]], ids=["plain", "n1"])
def test_a_rerun_keeps_the_failed_attempt(
    pytester: pytest.Pytester, project: ScenarioMaker, workers: list[str]
) -> None:
    check(pytester, project, CHECK)
    result = pytester.runpytest(*RERUN, *workers, "--execgo-fail-if=failed_attempts > 0")
    assert result.parseoutcomes()["rerun"] == 1
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["*1/1 * 1 failed attempt before", "fail-if failed_attempts > 0: it is 1"]
    )
    (first,) = attempts(pytester.path)
    assert (first["attempt"], first["state"], first["verdict"]) == (1, "finished", "failed")
    record = pytester.path / "reports/latest/trials" / TRIAL / "attempts/1"
    verdict = json.loads((record / "result.json").read_text())["verdict"]
    assert (verdict["status"], verdict["outcome"]) == ("failed", first["reason"])
    assert (record / "timeline.jsonl").exists()


@pytest.mark.usefixtures("reruns")
def test_a_rerun_after_an_error_in_setup_is_an_attempt_without_a_verdict(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    pytester.makeconftest(ONCE.format(path=str(pytester.path / "once")) + BEFORE)
    assert pytester.runpytest(*RERUN).ret == 0
    (first,) = attempts(pytester.path)
    assert (first["state"], first["verdict"]) == ("error", None)
    assert "first time" in first["reason"]


@pytest.mark.usefixtures("reruns")
def test_a_worker_that_dies_is_an_attempt_if_another_worker_repeats_the_trial(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    check(pytester, project, KILL)
    assert pytester.runpytest(*RERUN, "-n1").ret == 0
    (first,) = attempts(pytester.path)
    assert (first["state"], first["verdict"]) == ("error", None)
    assert "crashed while running" in first["reason"]


@pytest.mark.parametrize("method", ["signal", "thread"])
def test_a_trial_that_another_plugin_ends_is_an_error_with_its_reason(
    pytester: pytest.Pytester, project: ScenarioMaker, method: str
) -> None:
    """The thread method ends the process: here that of a worker."""
    program = project("demo") / "workspace/greet.py"
    program.write_text("import time; time.sleep(60)\n" + program.read_text())
    workers = ["-n1", "--max-worker-restart=0"] if method == "thread" else []
    options = ("--execgo-matrix", "--timeout=5", f"--timeout-method={method}")
    assert pytester.runpytest_subprocess(*options, *workers).ret != 0
    (missing,) = latest(pytester.path)["unfinished"]
    assert missing["state"] == "error"
    assert ("Timeout" if method == "signal" else "crashed") in missing["reason"]


def test_a_call_that_a_plugin_repeats_by_itself_is_an_attempt(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    """The plugin ``flaky`` calls the test again without a new setup."""
    check(pytester, project, CHECK)
    pytester.makeconftest(
        """
        import pytest

        @pytest.hookimpl(wrapper=True)
        def pytest_pyfunc_call(pyfuncitem):
            try:
                return (yield)
            except Exception:
                pyfuncitem.obj(**{n: pyfuncitem.funcargs[n] for n in ("request", "execgo_ready")})
                return True
        """
    )
    pytester.runpytest("--execgo-matrix").assert_outcomes(passed=1)
    report = latest(pytester.path)
    assert [(one["attempt"], one["verdict"]) for one in report["attempts"]] == [(1, "failed")]
    assert report["trials"][0]["attempt"] == 2
