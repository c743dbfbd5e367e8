"""Figures of the machine at the start of a trial, at its first failures and at its end, as events."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, Protocol

import psutil

from pytest_execgo.models.events import (
    Event,
    FolderSeen,
    MachineSeen,
    ProcessSeen,
    StageFinished,
    TaskChanged,
)
from pytest_execgo.observability.recorder import TimelineRecorder

_MOST_FAILURES = 3
_VMSTAT = Path("/proc/vmstat")


class Located(Protocol):
    """What is needed of a service: its name, and its process if that is on this machine."""

    name: str

    @property
    def pid(self) -> int | None: ...


class MachineWatch:
    """Looks at the machine now, at the first three failures of a trial, and when :meth:`look` is called.

    ``folders`` maps names for readers to the folders that the trial writes to.
    """

    def __init__(
        self, folders: Mapping[str, Path], services: Sequence[Located], recorder: TimelineRecorder
    ) -> None:
        self._folders, self._services, self._recorder = folders, services, recorder
        self._failures = 0
        self._cpu: tuple[float, float] | None = None
        self.look("start")
        recorder.subscribe(self._listen)

    def look(self, when: Literal["start", "failure", "end"]) -> None:
        """Record the figures of now; nothing on a system that does not give them."""
        with suppress(OSError, psutil.Error, NotImplementedError):
            self._look(when)

    def _look(self, when: Literal["start", "failure", "end"]) -> None:
        before, self._cpu = self._cpu, _cpu_seconds()
        folders = {name: _folder(path) for name, path in self._folders.items()}
        processes = {one.name: _process(one.pid) for one in self._services}
        self._recorder.add(
            MachineSeen(
                when=when,
                folders={name: seen for name, seen in folders.items() if seen},
                processes={name: seen for name, seen in processes.items() if seen},
                cpu_busy=_share(before, self._cpu),
                available_memory=psutil.virtual_memory().available,
                oom_kills=_oom_kills(),
                engine_clock_ms=self._engine_clock_ms() if when == "end" else None,
            )
        )

    def _engine_clock_ms(self) -> float | None:
        """An answer is seen after the time that ExecGo gives it, so the smallest distance counts."""
        ahead = [
            (event.updated_at - event.wall_time).total_seconds() * 1000
            for event in self._recorder.events()
            if isinstance(event, TaskChanged) and event.wall_time is not None
        ]
        return round(max(ahead), 1) if ahead else None

    def _listen(self, event: Event) -> None:
        failed = isinstance(event, TaskChanged) and event.status == "failed"
        failed = failed or (isinstance(event, StageFinished) and event.outcome != "succeeded")
        if failed and self._failures < _MOST_FAILURES:
            self._failures += 1
            self.look("failure")


def _share(before: tuple[float, float] | None, now: tuple[float, float]) -> float | None:
    """How much of the time that passed on the processors they worked."""
    if before is None or now[1] <= before[1]:
        return None
    # The kernel counts in steps.
    return round(min(1.0, max(0.0, (now[0] - before[0]) / (now[1] - before[1]))), 3)


def _folder(path: Path) -> FolderSeen | None:
    try:
        found = os.statvfs(path)
    except (OSError, AttributeError):
        # Windows has no statvfs.
        return None
    return FolderSeen(
        free_bytes=found.f_bavail * found.f_frsize,
        # Some file systems have no fixed number of files.
        free_inodes=found.f_favail if found.f_files else None,
        writable=not found.f_flag & os.ST_RDONLY,
    )


def _process(pid: int | None) -> ProcessSeen | None:
    if pid is None:
        return None
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            limit = None
            with suppress(AttributeError, OSError):
                limit = process.rlimit(psutil.RLIMIT_NOFILE)[0]
            return ProcessSeen(
                descriptors=process.num_fds(),
                descriptor_limit=limit if limit is not None and limit >= 0 else None,
                memory_bytes=process.memory_info().rss,
            )
    except (psutil.Error, AttributeError, OSError):
        # It has ended, or the system does not tell.
        return None


def _cpu_seconds() -> tuple[float, float]:
    """The time that all processors worked, and the time that passed on them."""
    times = psutil.cpu_times()
    total = sum(times)
    idle = times.idle + getattr(times, "iowait", 0.0)
    return total - idle, total


def _oom_kills() -> int | None:
    """How many processes the kernel has killed since its start because memory ran out; ``None`` where it
    does not tell."""
    with suppress(OSError, ValueError):
        for line in _VMSTAT.read_text(encoding="ascii").splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return None
