"""Files of the scenario's workspace that a failed task names, and that are not as they were."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pytest_execgo.models.events import FileChanged, TaskOutput
from pytest_execgo.observability.recorder import TimelineRecorder

_MOST_PATHS = 20


def note_changed_files(original: Path | None, workspace: Path, recorder: TimelineRecorder) -> None:
    """Record the files that failed tasks name in their stderr, and that are not as in ``original``, the
    folder of which ``workspace`` is a copy: a file is gone, or its owner can no longer read or execute
    it."""
    if original is None:
        return
    noted: set[str] = set()
    for output in [one for one in recorder.events() if isinstance(one, TaskOutput)]:
        for path in _named(output.stderr, workspace):
            how = _change(original / path, workspace / path)
            if how is not None and path not in noted:
                noted.add(path)
                recorder.add(FileChanged(task_id=output.task_id, path=path, how=how))


def _named(text: str, workspace: Path) -> Iterator[str]:
    """Paths below ``workspace``, relative to it. The record of a task writes it as the plan does."""
    pattern = rf"(?:{re.escape(str(workspace))}|\$\{{workspace\}})" + r"/([^\s'\":,;()]+)"
    for found in list(re.finditer(pattern, text))[:_MOST_PATHS]:
        if ".." not in found[1].split("/"):
            yield found[1]


def _change(original: Path, copy: Path) -> Literal["removed", "mode"] | None:
    """How ``copy`` differs; nothing is followed, and only what cannot change by itself is compared."""
    try:
        before = original.lstat()
    except OSError:
        return None
    try:
        after = copy.lstat()
    except OSError:
        return "removed"
    lost = before.st_mode & ~after.st_mode & (stat.S_IRUSR | stat.S_IXUSR)
    return "mode" if lost else None
