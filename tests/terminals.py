"""Runs pytest at a terminal."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

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
        while True:
            try:
                seen += os.read(ours, 65536)
            except OSError:  # The last process at the terminal has ended.
                break
    os.close(ours)
    return seen.decode()
