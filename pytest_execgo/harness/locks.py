"""Locks between processes of one user on this machine. They end with the process that holds them."""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

BUILDING = "building"
"""Held together by all that build images."""


@contextmanager
def held(name: str, *, together: bool = False) -> Iterator[None]:
    """Wait for a lock and hold it, alone or together with others."""
    with _open(name) as file:
        fcntl.flock(file, fcntl.LOCK_SH if together else fcntl.LOCK_EX)
        yield


@contextmanager
def held_if_free(name: str) -> Iterator[bool]:
    """Hold a lock alone if nobody has it; whether it is held."""
    with _open(name) as file:
        yield taken(file)


def taken(file: TextIO) -> bool:
    """Lock an open file if nobody else has; whether that came true."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _open(name: str) -> TextIO:
    safe = re.sub(r"[^a-zA-Z0-9.]+", "-", name)
    path = Path(tempfile.gettempdir()) / f"pytest-execgo-{os.getuid()}-{safe}.lock"
    return path.open("a", encoding="utf-8")
