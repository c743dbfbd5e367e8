"""Removal of folders in which tasks worked."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path


def remove_tree(path: Path) -> None:
    """Remove a folder, including subfolders that a task made read-only.

    Never raises. A task may still write to a workspace; what it leaves is removed with the folder of
    the fleet.
    """
    for folder, _, _ in os.walk(path):
        with suppress(OSError):
            os.chmod(folder, 0o700)
    shutil.rmtree(path, ignore_errors=True)
