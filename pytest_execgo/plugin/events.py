"""``events.ndjson``: the progress of a run, one line of JSON per event, written at once."""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from pytest_execgo import __version__
from pytest_execgo.errors import UsageError
from pytest_execgo.files.writing import LineFile, writing
from pytest_execgo.models.safe_text import json_line
from pytest_execgo.models.stream import StreamLine, StreamStartedLine
from pytest_execgo.models.trial import is_trial_id
from pytest_execgo.system import clock

EVENTS = "events.ndjson"
NO_ATTEMPT = ("skipped", "not_needed")
"""How a trial ends that was not tried."""


@dataclass(eq=False)
class EventsOut:
    """A pytest plugin with which the caller of ``pytest.main`` requests a copy of the events."""

    stream: TextIO


class EventStream:
    """Appends events to a file; a resumed run continues the file. ``copy_to`` gets every line, too.

    Raises :class:`HarnessError` if the file cannot be opened, :class:`UsageError` if another process
    writes to it: that process runs the same trials.
    """

    def __init__(self, path: Path, copy_to: TextIO | None = None) -> None:
        with writing(path):
            before = path.read_bytes()[-1:] if path.exists() else b""
        self._file = LineFile(path, append=True)
        try:
            _lock(self._file, path)
        except UsageError:
            self._file.close()
            raise
        if before not in (b"", b"\n"):
            # The process that wrote the file died in the middle of a line.
            self._file.add("")
        self._copy_to = copy_to
        self._lock = threading.Lock()
        self.add(StreamStartedLine(at=clock.now(), pytest_execgo=__version__))

    def add(self, line: StreamLine) -> None:
        """Write a line, without those facts that are null; several threads may do that."""
        text = json_line(line.model_dump(mode="json", exclude_none=True))
        with self._lock:
            self._write(text)

    def _write(self, text: str) -> None:
        self._file.add(text)
        if self._copy_to is not None:
            try:
                self._copy_to.write(text + "\n")
                self._copy_to.flush()
            except OSError:
                # The reader has ended. The run continues, and the file has every line.
                self._copy_to = None

    @property
    def problem(self) -> str | None:
        """Why the file is not complete, or ``None``."""
        return self._file.problem

    def close(self) -> None:
        self._file.close()


def refuse_running(folder: Path) -> None:
    """Raise :class:`UsageError` if another process writes the events of the run in this folder."""
    path = folder / EVENTS
    if not path.exists():
        return
    file = LineFile(path, append=True)
    try:
        _lock(file, path)
    finally:
        file.close()


def _lock(file: LineFile, path: Path) -> None:
    if not file.lock():
        raise UsageError(
            f"run {path.parent.name} goes on in another process; wait for its end, or stop it"
        )


@dataclass
class EarlierEvents:
    """What the file of a run says: the trials that began and did not end, and the number of attempts
    of each trial. One that was not tried is no attempt."""

    open: list[str]
    attempts: Counter[str]


def read_events(folder: Path) -> EarlierEvents:
    """Read ``events.ndjson`` in the folder of a run. A line that is cut off, as after a crash, is passed
    over."""
    found = EarlierEvents([], Counter())
    path = folder / "events.ndjson"
    if not path.exists():
        return found
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            event = json.loads(line)
            name, trial_id = event["event"], event.get("trial_id")
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
        if not isinstance(trial_id, str) or not is_trial_id(trial_id):
            continue
        if name == "trial_started" and trial_id not in found.open:
            found.open.append(trial_id)
        elif name == "trial_finished":
            found.open = [one for one in found.open if one != trial_id]
            found.attempts[trial_id] += event.get("state") not in NO_ATTEMPT
    return found
