"""Waiting for conditions, and for the processes of a fleet to end."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep

import psutil


def await_(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for a condition; fails if it stays false for ``seconds``."""
    deadline = monotonic() + seconds
    while not condition():
        assert monotonic() < deadline, "the condition never came true"
        sleep(0.01)


def processes_with(token: str) -> list[str]:
    """Commands of the processes with a fleet's token in their environment or arguments."""
    found = []
    for process in psutil.process_iter():
        try:
            command, environment = process.cmdline(), process.environ()
        except (psutil.Error, OSError):
            # It is ending: another access to it would raise again.
            continue
        if any(token in word for word in (*command, *environment.values())):
            found.append(" ".join(command))
    return found
