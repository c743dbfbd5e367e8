"""Removing folders that tasks have worked in."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path


def remove_tree(path: Path) -> None:
    """Remove a folder, folders in it that a task made read-only included. Never raises: what is left
    of a workspace (a task may still be writing) goes with the fleet's own folder."""
    for folder, _, _ in os.walk(path):
        with suppress(OSError):
            os.chmod(folder, 0o700)
    shutil.rmtree(path, ignore_errors=True)
