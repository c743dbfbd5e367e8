"""The processes below one of ours.

Each process of ours is a subreaper (:mod:`pytest_execgo.system.boot`): on Linux, what its tasks start
stays below it, also a daemon that gave up its parent, its session and its environment. So a process
below one of ours was started by it or by one of its tasks, never by another program.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_execgo.system.clock import monotonic, sleep

if TYPE_CHECKING:
    import psutil

_LONGEST_COMMAND = 200


def descendants(pid: int) -> list[psutil.Process]:
    """The processes below ``pid`` that have not ended, parents first."""
    import psutil

    found = []
    for below in _pids_below(pid):
        with suppress(psutil.Error):
            process = psutil.Process(below)
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _pids_below(pid: int) -> Iterator[int]:
    for child in _children(pid):
        yield child
        yield from _pids_below(child)


def _children(pid: int) -> list[int]:
    """Of all threads. Reading the lists of the kernel takes less time than a look at all processes."""
    lists = list(Path(f"/proc/{pid}/task").glob("*/children"))
    if lists:
        return [int(word) for path in lists for word in _read(path).split()]
    import psutil

    with suppress(psutil.Error):
        return [child.pid for child in psutil.Process(pid).children()]
    return []


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        # The thread has ended.
        return ""


def remaining(
    pid: int | None, seconds: float, orphans: Sequence[psutil.Process]
) -> list[psutil.Process]:
    """What is below ``pid`` (``None``: nothing), and of ``orphans`` and below them, after at most
    ``seconds``; returns at once if nothing is."""
    deadline = monotonic() + seconds
    while (
        found := [*(descendants(pid) if pid else ()), *_living(orphans)]
    ) and monotonic() < deadline:
        sleep(0.02)
    return found


def _living(processes: Iterable[psutil.Process]) -> Iterator[psutil.Process]:
    import psutil

    for process in processes:
        with suppress(psutil.Error):
            # Not another process with the same id.
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                yield process
                yield from descendants(process.pid)


def kill(processes: Iterable[psutil.Process]) -> None:
    """SIGKILL; a process that has ended is left alone, also if its id is used again."""
    import psutil

    for process in processes:
        with suppress(psutil.Error):
            process.kill()


def command_of(process: psutil.Process) -> str:
    """The command line of a process, at most 200 characters; its name if the command is unknown."""
    import psutil

    with suppress(psutil.Error):
        return (" ".join(process.cmdline()) or process.name())[:_LONGEST_COMMAND]
    return "unknown"
