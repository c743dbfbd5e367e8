"""Locks between processes of one user on this machine. They are released when their process ends."""

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
"""The lock that all processes share while they build images."""


@contextmanager
def held(name: str, *, together: bool = False) -> Iterator[None]:
    """Wait for a lock and hold it; ``together``: share it with other holders."""
    with _open(name) as file:
        fcntl.flock(file, fcntl.LOCK_SH if together else fcntl.LOCK_EX)
        yield


@contextmanager
def held_if_free(name: str) -> Iterator[bool]:
    """Take a lock alone, if it is free; yields whether it was."""
    with _open(name) as file:
        yield taken(file)


def taken(file: TextIO) -> bool:
    """Lock an open file without waiting; returns whether it was free."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _open(name: str) -> TextIO:
    return (_folder() / f"{re.sub(r'[^a-z0-9.]+', '-', name.lower())}.lock").open(
        "a", encoding="utf-8"
    )


def _folder() -> Path:
    """The user's private folder of lock files, independent of TMPDIR if possible."""
    cache = os.environ.get("XDG_CACHE_HOME")
    home = Path(cache) if cache and Path(cache).is_absolute() else Path.home() / ".cache"
    for folder in (home / "pytest-execgo", Path(tempfile.gettempdir()) / _own_name()):
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError:
            continue
        if os.access(folder, os.W_OK) and folder.stat().st_uid == os.getuid():
            return folder
    raise OSError(f"no folder for lock files: neither {home} nor {tempfile.gettempdir()} is usable")


def _own_name() -> str:
    return f"pytest-execgo-{os.getuid()}"
