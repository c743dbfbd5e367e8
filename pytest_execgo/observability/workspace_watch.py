"""Files that change in the workspace while no task runs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pytest_execgo.files.workspace import names_below
from pytest_execgo.models.events import Event, FileChanged, StageFinished, StageStarted
from pytest_execgo.observability.recorder import TimelineRecorder

_MOST_FILES = 200
_MOST_EVENTS = 20

_State = tuple[int, int, int, int] | None
"""Mode, size, time of the last change of the content, and inode; ``None`` for a file that is gone."""


class WorkspaceWatch:
    """Compares the files that ``workspace`` has now with those at the start of the first stage, and the
    files at the end of each stage with those at the start of the next one. No task runs meanwhile."""

    def __init__(self, workspace: Path, recorder: TimelineRecorder) -> None:
        self._workspace, self._recorder = workspace, recorder
        self._before = self._states()
        self._left = _MOST_EVENTS
        recorder.subscribe(self._listen)

    def _listen(self, event: Event) -> None:
        if isinstance(event, StageFinished):
            self._before = self._states()
        elif isinstance(event, StageStarted):
            self._compare(event.stage_id)

    def _compare(self, stage_id: str) -> None:
        for name, before in self._before.items():
            how = _change(before, _state(self._workspace / name))
            if how is not None and self._left:
                self._left -= 1
                self._recorder.add(FileChanged(path=name, how=how, stage_id=stage_id))

    def _states(self) -> dict[str, _State]:
        names = names_below(self._workspace, _MOST_FILES)
        return {name: _state(self._workspace / name) for name in names}


def _state(path: Path) -> _State:
    try:
        found = path.lstat()
    except (OSError, ValueError):
        return None
    return found.st_mode, found.st_size, found.st_mtime_ns, found.st_ino


def _change(before: _State, now: _State) -> Literal["removed", "mode", "content"] | None:
    if before is None or before == now:
        return None
    if now is None:
        return "removed"
    return "mode" if before[1:] == now[1:] else "content"
