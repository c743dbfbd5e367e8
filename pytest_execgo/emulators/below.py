"""Ends the processes below this one (Linux)."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep


def end_below(pid: int, seconds: float) -> None:
    """SIGKILL all processes below ``pid``, also those that start meanwhile, for at most ``seconds``."""
    deadline = monotonic() + seconds
    while (found := [one for one in _below(pid) if _runs(one)]) and monotonic() < deadline:
        for one in found:
            with suppress(OSError):
                os.kill(one, signal.SIGKILL)
        sleep(0.01)


def _below(pid: int) -> Iterator[int]:
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in _read(path).split():
            yield int(child)
            yield from _below(int(child))


def _runs(pid: int) -> bool:
    """Whether a process exists and has not ended."""
    state = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()[:1]
    return state not in ([], ["Z"], ["X"])


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        # The thread or the process has ended.
        return ""
