"""What ends a trial other than its verdict is in the report, gates, events and the resumed run."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ScenarioMaker
from tests.plugin.conftest import latest

TRIAL = "demo-reference-replay-none-r0"
MATRIX = ("--execgo-matrix",)
GATE = "--execgo-fail-if=errors > 0"

PREAMBLE = """
import os, signal
import pytest
from pathlib import Path

ONCE = Path({path!r})

def first():
    try:
        ONCE.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
"""
ENDS_IN_ERROR = {
    "teardown": """
@pytest.fixture(autouse=True)
def around():
    yield
    if first():
        raise RuntimeError("it broke")
""",
    "session_teardown": """
@pytest.fixture(autouse=True, scope="session")
def around():
    yield
    if first():
        raise RuntimeError("it broke")
""",
    "setup": """
@pytest.fixture(autouse=True)
def around():
    if first():
        raise RuntimeError("it broke")
""",
    "after_the_call": """
@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    result = yield
    if first():
        pytest.fail("it broke", pytrace=False)
    return result
""",
    "another_plugin_decides": """
@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "call" and first():
        report.outcome, report.longrepr = "failed", "it broke"
    return report
""",
}
HAS_VERDICT = set(ENDS_IN_ERROR) - {"setup"}


def conftest(pytester: pytest.Pytester, text: str) -> None:
    pytester.makeconftest(PREAMBLE.format(path=str(pytester.path / "once")) + text)


def events(path: Path) -> list[dict[str, Any]]:
    lines = (path / "reports/latest/events.ndjson").read_text().splitlines()
    return [json.loads(line) for line in lines]


def assert_each_start_has_an_end(path: Path) -> None:
    open_now: set[str] = set()
    for event in events(path):
        if event["event"] == "trial_started":
            assert event["trial_id"] not in open_now
            open_now.add(event["trial_id"])
        elif event["event"] == "trial_finished":
            open_now.remove(event["trial_id"])
    assert not open_now


def assert_repeated(pytester: pytest.Pytester, *, failed_attempts: int = 1) -> None:
    """A resumed run repeats the trial, passes, and the report still has the first attempt."""
    resumed = pytester.runpytest(*MATRIX, "--execgo-resume=latest", GATE)
    resumed.assert_outcomes(passed=1)
    assert resumed.ret == 0
    report = latest(pytester.path)
    assert (report["unfinished"], report["trustworthy"]) == ([], True)
    assert [(one["trial_id"], one["attempt"]) for one in report["attempts"]] == [(TRIAL, 1)]
    assert report["cells"][0]["failed_attempts"] == failed_attempts
    assert report["trials"][0]["attempt"] == 2
    assert_each_start_has_an_end(pytester.path)
    assert [e["attempt"] for e in events(pytester.path) if e["event"] == "trial_started"] == [1, 2]


@pytest.mark.parametrize(
    ("where", "workers"),
    [*((where, []) for where in ENDS_IN_ERROR), ("setup", ["-n1"]), ("teardown", ["-n1"])],
    ids=[*ENDS_IN_ERROR, "setup_n1", "teardown_n1"],
)
def test_an_error_outside_the_verdict_counts_and_is_repeated(
    pytester: pytest.Pytester, project: ScenarioMaker, where: str, workers: list[str]
) -> None:
    project("demo")
    conftest(pytester, ENDS_IN_ERROR[where])
    result = pytester.runpytest(*MATRIX, GATE, *workers)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["NOT TRUSTWORTHY*", "fail-if errors > 0: it is 1"])
    report = latest(pytester.path)
    (missing,) = report["unfinished"]
    assert (missing["trial_id"], missing["state"]) == (TRIAL, "error")
    assert "it broke" in missing["reason"]
    assert missing["verdict"] == ("passed" if where in HAS_VERDICT else None)
    (cell,) = report["cells"]
    assert (cell["trials"], cell["passed"], cell["errors"]) == (1, 0, 1)
    (end,) = [event for event in events(pytester.path) if event["event"] == "trial_finished"]
    assert (end["state"], "it broke" in end["reason"]) == ("error", True)
    assert_repeated(pytester)


def test_a_resumed_run_that_leaves_an_error_out_is_not_green(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    conftest(pytester, ENDS_IN_ERROR["teardown"])
    assert pytester.runpytest(*MATRIX).ret == 1
    resumed = pytester.runpytest(*MATRIX, "--execgo-resume=latest", "-k", "nothing")
    assert resumed.ret == 1
    assert [one["state"] for one in latest(pytester.path)["unfinished"]] == ["error"]


KILLED = """
@pytest.fixture(autouse=True)
def around(execgo_session):
    {before}
    yield
    {after}
"""
DIE = "first() and os.kill(os.getpid(), signal.SIGKILL)"
EXIT = "first() and os._exit(0)"
DEATHS = {
    "killed_before": KILLED.format(before=DIE, after=""),
    "killed_after_the_verdict": KILLED.format(before="", after=DIE),
    "exits_after_the_verdict": KILLED.format(before="", after=EXIT),
}


@pytest.mark.parametrize("death", DEATHS)
def test_a_worker_that_dies_is_an_error_of_its_trial(
    pytester: pytest.Pytester, project: ScenarioMaker, death: str
) -> None:
    project("demo")
    conftest(pytester, DEATHS[death])
    result = pytester.runpytest(*MATRIX, "-n1", "--max-worker-restart=0", GATE)
    assert result.ret != 0
    (missing,) = latest(pytester.path)["unfinished"]
    assert missing["state"] == "error"
    assert "worker 'gw0' crashed while running" in missing["reason"]
    assert missing["verdict"] == ("passed" if "verdict" in death else None)
    assert_each_start_has_an_end(pytester.path)
    assert_repeated(pytester)


@pytest.mark.parametrize("death", DEATHS)
def test_a_pytest_that_dies_is_an_error_of_its_trial_when_it_is_resumed(
    pytester: pytest.Pytester, project: ScenarioMaker, death: str
) -> None:
    """No process is left to write a report: the resumed run reads the events."""
    project("demo")
    conftest(pytester, DEATHS[death])
    pytester.runpytest_subprocess(*MATRIX)
    assert not (pytester.path / "reports/latest/benchmark.json").exists()
    with (pytester.path / "reports/latest/events.ndjson").open("a") as stream:
        stream.write('{"event": "cut o')
    resumed = pytester.runpytest(*MATRIX, "--execgo-resume=latest")
    resumed.assert_outcomes(passed=1)
    report = latest(pytester.path)
    assert [one["state"] for one in report["attempts"]] == ["error"]
    assert "the process that ran this trial ended" in report["attempts"][0]["reason"]
    lines = (pytester.path / "reports/latest/events.ndjson").read_text().splitlines()
    lines.remove('{"event": "cut o')
    kinds = Counter(json.loads(line)["event"] for line in lines)
    assert kinds["trial_started"] == kinds["trial_finished"] == 2


@pytest.mark.parametrize(
    "stop",
    ["pytest.exit('it broke')", "(_ for _ in ()).throw(KeyboardInterrupt)"],
    ids=["pytest_exit", "interrupt"],
)
@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_session_that_is_stopped_closes_its_trial(
    pytester: pytest.Pytester, project: ScenarioMaker, stop: str, phase: str
) -> None:
    project("demo")
    text = {"before": "", "after": "", phase: f"first() and {stop}"}
    conftest(pytester, KILLED.format(**text))
    result = pytester.runpytest_subprocess(*MATRIX)
    assert result.ret == 2
    report = latest(pytester.path)
    (missing,) = report["unfinished"]
    assert (missing["state"], report["trustworthy"]) == ("not_run", False)
    assert missing["reason"].startswith("interrupted")
    assert missing["verdict"] == ("passed" if phase == "after" else None)
    assert_each_start_has_an_end(pytester.path)
    resumed = pytester.runpytest(*MATRIX, "--execgo-resume=latest")
    resumed.assert_outcomes(passed=1)
    assert latest(pytester.path)["cells"][0]["failed_attempts"] == 0


def test_a_plugin_that_raises_at_the_end_keeps_no_report_away(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    conftest(pytester, "def pytest_sessionfinish():\n    raise RuntimeError('it broke')\n")
    pytester.runpytest(*MATRIX)
    assert len(latest(pytester.path)["trials"]) == 1


@pytest.mark.parametrize(
    ("option", "workers"),
    [
        ("--collect-only", []), ("--setup-only", []), ("--setup-only", ["-n1"]), ("--setup-plan", []),
        ("--fixtures", []), ("--fixtures-per-test", []), ("--markers", []),
    ],
)  # fmt: skip
def test_options_that_only_show_something_start_and_write_nothing(
    pytester: pytest.Pytester, project: ScenarioMaker, option: str, workers: list[str]
) -> None:
    project("demo")
    pytester.makeconftest(
        """
        import pytest
        from pytest_execgo.harness.fleet import Fleet

        def start(self):
            raise AssertionError("a fleet is started")

        Fleet.start = start
        """
    )
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def engine(execgo_fleet):
            return execgo_fleet.url("execgo")

        def test_own(engine):
            assert engine
        """
    )
    # In a process of its own: the changed class must not reach other tests.
    result = pytester.runpytest_subprocess(*MATRIX, "scenarios", ".", option, *workers)
    assert result.ret == 0
    assert "a fleet is started" not in result.stdout.str()
    assert not (pytester.path / "reports").exists()
