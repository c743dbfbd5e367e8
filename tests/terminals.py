"""Runs pytest at a terminal, and reads what is written to one."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

from pytest_execgo.system import clock
from pytest_execgo.system.readiness import readable

_UNUSUAL = ("CI", "COLUMNS", "NO_COLOR", "PY_COLORS")
SEQUENCE = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|[78])")
"""Of colours and of movements of the cursor."""


def at_terminal(folder: Path, *words: str, columns: int = 80) -> str:
    """What pytest, called in ``folder``, writes to a terminal."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in _UNUSUAL}
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=folder,
        env=environment | {"TERM": "xterm-256color"},
    ):
        os.close(theirs)
        seen = bytearray()
        while part := _next_part(ours):
            seen += part
    os.close(ours)
    return seen.decode()


def read_until(terminal: int, text: bytes, seconds: float = 60.0) -> bytes:
    """What is written to a terminal up to ``text``, or until its programs end or ``seconds`` pass.

    A single read is not enough: the kernel may hand over one write in several parts.
    """
    seen = b""
    deadline = clock.monotonic() + seconds
    with open(terminal, "rb", buffering=0, closefd=False) as file:
        while text not in seen and readable(file, deadline - clock.monotonic()):
            part = _next_part(terminal)
            if not part:
                break
            seen += part
    return seen


def _next_part(terminal: int) -> bytes:
    """What was written to it meanwhile; empty when the last program at it has ended."""
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux reports the end as an error.
        return b""
