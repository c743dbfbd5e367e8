"""Follows the timelines of running trials, which other processes write, for ``events.ndjson``."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from pytest_execgo.models.events import EVENT, ChaosFired, ChaosHealed, StageStarted
from pytest_execgo.models.stream import (
    FaultHealedLine,
    FaultInjectedLine,
    StageStartedLine,
    StreamLine,
)
from pytest_execgo.plugin.user_key import without_key
from pytest_execgo.system import clock

EVERY_SECONDS = 0.2
_KINDS = (b'"stage_started"', b'"chaos_fired"', b'"chaos_healed"')
_LONGEST_LINE = 1_000_000
"""The events that matter are shorter; of another one, the rest is passed over."""


class _Timeline:
    """The timeline of one attempt. The file stays open: another attempt may take its place."""

    def __init__(self, path: Path, earlier: int | None) -> None:
        """``earlier``: the number of the file that an earlier attempt wrote."""
        self._path, self._earlier = path, earlier
        self._file: BinaryIO | None = None
        self._rest = b""

    @property
    def number(self) -> int | None:
        """Of the file in the file system, once it is there."""
        return None if self._file is None else os.fstat(self._file.fileno()).st_ino

    def lines(self) -> list[bytes]:
        """The whole lines that were written since the last call."""
        found: list[bytes] = []
        while self._opened() is not None and (content := self._read()):
            *whole, self._rest = (self._rest + content).split(b"\n")
            found += whole
            self._rest = self._rest[:_LONGEST_LINE]
        return found

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _opened(self) -> BinaryIO | None:
        if self._file is None:
            with suppress(OSError):
                self._file = self._path.open("rb")
                if self.number == self._earlier:
                    self._file.close()
                    self._file = None
        return self._file

    def _read(self) -> bytes:
        assert self._file is not None
        with suppress(OSError):
            return self._file.read(_LONGEST_LINE)
        return b""


class TimelineFollower:
    """Calls ``add`` with each stage that starts and each fault that is injected or healed, until
    :meth:`close`. A trial's lines come before :meth:`ended` of that trial returns."""

    def __init__(self, trials: Path, add: Callable[[StreamLine], None]) -> None:
        """``trials``: the folder of the folders of trials."""
        self._trials, self._add = trials, add
        self._open: dict[str, _Timeline] = {}
        # The files of earlier attempts: they are still there when another attempt begins.
        self._earlier: dict[str, int] = {}
        self._began = clock.wall()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="execgo-follower", daemon=True)
        self._thread.start()

    def started(self, trial_id: str) -> None:
        """A trial begins; its timeline may not exist yet."""
        path = self._trials / trial_id / "timeline.jsonl"
        with self._lock:
            with suppress(OSError):
                found = path.stat()
                if found.st_mtime < self._began:
                    self._earlier[trial_id] = found.st_ino
            self._open[trial_id] = _Timeline(path, self._earlier.get(trial_id))
            self._pass_on(trial_id)

    def ended(self, trial_id: str) -> None:
        """Pass on the rest of a trial's lines."""
        with self._lock:
            if trial_id not in self._open:
                return
            self._pass_on(trial_id)
            timeline = self._open.pop(trial_id)
            if timeline.number is not None:
                self._earlier[trial_id] = timeline.number
            timeline.close()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            with self._lock:
                for trial_id in self._open:
                    self._pass_on(trial_id)

    def _pass_on(self, trial_id: str) -> None:
        for line in self._open[trial_id].lines():
            if any(kind in line for kind in _KINDS):
                found = stream_line(trial_id, line)
                if found is not None:
                    self._add(found)


def stream_line(trial_id: str, line: bytes) -> StreamLine | None:
    """What the stream has for a line of a timeline; ``None`` for an event that it leaves out, and for a
    line that is not valid."""
    try:
        event = EVENT.validate_json(line)
    except (ValidationError, ValueError):
        return None
    at, at_ms = clock.now(), event.at_ms
    if isinstance(event, StageStarted):
        return StageStartedLine(at=at, trial_id=trial_id, stage_id=event.stage_id, at_ms=at_ms)
    if not isinstance(event, (ChaosFired, ChaosHealed)):
        return None
    kind = FaultInjectedLine if isinstance(event, ChaosFired) else FaultHealedLine
    return kind(
        at=at,
        trial_id=trial_id,
        fault=event.fault,
        action=event.action,
        target=event.target,
        detail=without_key(event.detail),
        at_ms=at_ms,
    )
