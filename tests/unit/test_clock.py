"""Times of trials stay true in tests that freeze, move or skip the time."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from freezegun import freeze_time

from pytest_execgo.harness.proxy import FaultProxy
from pytest_execgo.models.events import StageStarted
from pytest_execgo.observability.recorder import TimelineRecorder
from pytest_execgo.run import session
from pytest_execgo.system import clock

LONG_AGO = "2001-01-01"

Tool = Callable[[], AbstractContextManager[object]]


def freezegun(*, tick: bool = False) -> AbstractContextManager[object]:
    # It looks at every attribute of every module, and testcontainers connects to Docker for one of them.
    return freeze_time(LONG_AGO, tick=tick, ignore=["testcontainers"])


@pytest.fixture(
    params=[
        pytest.param(freezegun, id="freezegun"),
        pytest.param(lambda: freezegun(tick=True), id="freezegun-ticking"),
        pytest.param(lambda: time_machine.travel(LONG_AGO, tick=False), id="time-machine"),
        pytest.param(lambda: time_machine.travel(LONG_AGO), id="time-machine-ticking"),
    ]
)
def tool(request: pytest.FixtureRequest) -> Tool:
    found: Tool = request.param
    return found


def assert_true() -> None:
    began, began_wall = clock.monotonic(), clock.wall()
    clock.sleep(0.002)
    assert clock.monotonic() - began >= 0.002
    assert clock.wall() > began_wall
    assert abs(clock.now().timestamp() - clock.wall()) < 60
    assert clock.now().year > 2024


def test_clocks_agree_with_those_of_the_standard_library() -> None:
    assert abs(clock.monotonic() - time.monotonic()) < 1
    assert abs(clock.wall() - time.time()) < 1
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=1)


def test_tool_does_not_change_our_clocks(tool: Tool) -> None:
    with tool():
        assert time.time() < 1_000_000_000
        assert_true()


def test_tool_does_not_change_clocks_that_a_module_holds(tool: Tool) -> None:
    """freezegun replaces the functions of ``time`` in all modules that hold one."""
    with tool():
        assert vars(session)["monotonic"] is clock.monotonic


@pytest.fixture
def fresh_import() -> Iterator[Callable[[], object]]:
    name = "pytest_execgo.system.clock"
    known = sys.modules.pop(name)
    yield lambda: importlib.import_module(name)
    sys.modules[name] = known
    sys.modules["pytest_execgo.system"].clock = known  # type: ignore[attr-defined]


def test_tool_that_is_active_while_we_are_imported_changes_nothing(
    tool: Tool, fresh_import: Callable[[], object]
) -> None:
    with tool():
        imported = fresh_import()
        assert imported is not clock
        assert abs(imported.wall() - clock.wall()) < 60  # type: ignore[attr-defined]
        assert abs(imported.monotonic() - clock.monotonic()) < 60  # type: ignore[attr-defined]
        assert imported.now().year > 2024  # type: ignore[attr-defined]
    assert imported.now().year > 2024  # type: ignore[attr-defined]


def test_sleep_that_a_test_replaces_does_not_end_our_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    assert_true()


@pytest.mark.parametrize("seconds", [0, -1])
def test_sleep_of_no_time_returns(seconds: float) -> None:
    clock.sleep(seconds)


def test_events_have_true_times_in_frozen_time(tool: Tool, tmp_path: Path) -> None:
    with tool():
        recorder = TimelineRecorder(tmp_path)
        first = recorder.add(StageStarted(stage_id="s", tasks=()))
        clock.sleep(0.002)
        second = recorder.add(StageStarted(stage_id="s", tasks=()))
        recorder.close()
    assert second.at_ms - first.at_ms >= 2
    assert first.wall_time is not None
    assert first.wall_time.year > 2024


def test_fault_proxy_delays_data_in_frozen_time(tool: Tool) -> None:
    with tool():
        proxy = FaultProxy("http://127.0.0.1:1")
        try:
            before = proxy._loop.time()
            clock.sleep(0.002)
            assert proxy._loop.time() - before >= 0.002
        finally:
            proxy.close()


# -- the wall clock is set while a trial runs


@pytest.mark.parametrize("jump", [-3600, 3600], ids=["back", "forward"])
def test_time_of_another_process_stays_right_if_the_clock_was_set_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    recorder = TimelineRecorder(tmp_path)
    true = clock.wall
    monkeypatch.setattr(clock, "wall", lambda: true() + jump)
    clock.sleep(0.01)
    at_ms = recorder.at_wall(clock.wall() - 0.005)
    assert 0 <= at_ms <= recorder.elapsed_ms() - 5
    recorder.close()


@pytest.mark.parametrize("off", [-3600, 3600], ids=["before-the-trial", "in-the-future"])
def test_time_of_another_process_that_makes_no_sense_is_within_the_trial(
    tmp_path: Path, off: float
) -> None:
    recorder = TimelineRecorder(tmp_path)
    at_ms = recorder.at_wall(clock.wall() + off)
    assert 0 <= at_ms <= recorder.elapsed_ms()
    recorder.close()
