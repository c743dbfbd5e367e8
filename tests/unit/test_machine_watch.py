"""Figures of the machine, taken by the watch of a trial."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from pytest_execgo.models.events import MachineSeen, StageFinished
from pytest_execgo.observability import machine
from pytest_execgo.observability.machine import MachineWatch
from pytest_execgo.observability.recorder import TimelineRecorder
from tests.event_makers import EXIT, ended, failed


@dataclass
class _Service:
    name: str
    pid: int | None


def seen(recorder: TimelineRecorder) -> list[MachineSeen]:
    return [event for event in recorder.events() if isinstance(event, MachineSeen)]


@pytest.fixture
def recorder(tmp_path: Path) -> TimelineRecorder:
    return TimelineRecorder(tmp_path)


def test_a_look_has_the_folders_and_processes(recorder: TimelineRecorder, tmp_path: Path) -> None:
    services = [_Service("runtime", os.getpid()), _Service("execgo", None), _Service("gone", 2**30)]
    folders = {"workspace": tmp_path, "gone": tmp_path / "gone"}
    MachineWatch(folders, services, recorder).look("end")
    start, end = seen(recorder)
    recorder.close()
    assert (start.when, end.when) == ("start", "end")
    assert list(end.folders) == ["workspace"]
    assert end.folders["workspace"].free_bytes > 0
    assert end.folders["workspace"].writable
    assert list(end.processes) == ["runtime"]
    own = end.processes["runtime"]
    assert own.descriptors > 0
    assert own.memory_bytes > 0
    assert own.descriptor_limit is None or own.descriptor_limit >= own.descriptors
    assert start.cpu_busy is None
    assert end.available_memory > 0


@pytest.mark.parametrize(
    ("before", "now", "share"),
    [
        (None, (1, 2), None),
        ((1, 2), (1, 2), None),
        ((1, 2), (2, 6), 0.25),
        ((1, 2), (9, 6), 1.0),
        ((1, 2), (0, 6), 0.0),
        ((0, 0), (1, 3), 0.333),
    ],
)
def test_the_share_of_the_processors_is_between_two_looks(
    before: tuple[float, float] | None,
    now: tuple[float, float],
    share: float | None,
    monkeypatch: pytest.MonkeyPatch,
    recorder: TimelineRecorder,
) -> None:
    times = [before or now, now]
    monkeypatch.setattr(machine, "_cpu_seconds", lambda: times.pop(0))
    watch = MachineWatch({}, [], recorder)
    if before:
        watch.look("end")
    recorder.close()
    assert seen(recorder)[-1].cpu_busy == share


def test_it_looks_when_something_fails_at_most_three_times(recorder: TimelineRecorder) -> None:
    MachineWatch({}, [], recorder)
    recorder.add(failed(EXIT).model_copy(update={"status": "running", "error": None}))
    recorder.add(ended("succeeded"))
    assert [event.when for event in seen(recorder)] == ["start"]
    recorder.add(failed(EXIT))
    recorder.add(StageFinished.model_validate({**ended("stuck").model_dump()}))
    assert [event.when for event in seen(recorder)] == ["start", "failure", "failure"]
    for _ in range(5):
        recorder.add(failed(EXIT))
    recorder.close()
    assert [event.when for event in seen(recorder)] == ["start", *["failure"] * 3]


def test_the_clock_of_execgo_is_compared_with_this_machines(recorder: TimelineRecorder) -> None:
    watch = MachineWatch({}, [], recorder)
    watch.look("end")
    for seconds in (7, 9, 4):
        event = recorder.add(failed(EXIT))
        assert event.wall_time is not None
        ahead = event.wall_time + timedelta(seconds=seconds)
        recorder._events[-1] = event.model_copy(update={"updated_at": ahead})
    watch.look("end")
    recorder.close()
    first, *_, last = [look for look in seen(recorder) if look.when == "end"]
    assert (first.engine_clock_ms, first.sentence()) == (None, None)
    assert last.engine_clock_ms == 9000
    assert last.sentence() == "ExecGo's clock is 9.0 s ahead of this machine's"
    behind = last.model_copy(update={"engine_clock_ms": -1000.0})
    assert behind.sentence() == "ExecGo's clock is 1.0 s behind this machine's"
    assert last.model_copy(update={"engine_clock_ms": -999.0}).sentence() is None


@pytest.mark.parametrize(
    ("text", "kills"),
    [
        ("nr_free 7\noom_kill 15\n", 15),
        ("oom_kill_x 3\n", None),
        ("oom_kill many\n", None),
        (None, None),
    ],
)
def test_the_kernel_tells_its_kills(
    text: str | None, kills: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    recorder: TimelineRecorder,
) -> None:  # fmt: skip
    path = tmp_path / "vmstat"
    if text is not None:
        path.write_text(text)
    monkeypatch.setattr(machine, "_VMSTAT", path)
    MachineWatch({}, [], recorder)
    recorder.close()
    assert [event.oom_kills for event in seen(recorder)] == [kills]


@pytest.mark.parametrize(("free", "files", "flag"), [(3, 9, 0), (0, 0, os.ST_RDONLY)])
def test_a_file_system_without_a_number_of_files_has_none(
    free: int, files: int, flag: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    recorder: TimelineRecorder,
) -> None:  # fmt: skip
    # f_bsize, f_frsize, f_blocks, f_bfree, f_bavail, f_files, f_ffree, f_favail, f_flag, f_namemax
    found = os.statvfs_result((512, 4096, 10, 9, 2, files, 8, free, flag, 255))
    monkeypatch.setattr(os, "statvfs", lambda path: found)
    MachineWatch({"x": tmp_path}, [], recorder)
    recorder.close()
    (event,) = seen(recorder)
    folder = event.folders["x"]
    assert (folder.free_bytes, folder.free_inodes) == (2 * 4096, free if files else None)
    assert folder.writable is (flag == 0)
