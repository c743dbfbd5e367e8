"""Follows the timelines of running trials, which other processes write, for ``events.ndjson``."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

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
_MOST_BYTES = 4_000_000
"""Of one timeline at once."""


@dataclass
class _TimelinePlace:
    """How far a timeline is read."""

    path: Path
    offset: int = 0
    file: int = 0
    """Its number in the file system."""


class TimelineFollower:
    """Calls ``add`` with each stage that starts and each fault that is injected or healed, until
    :meth:`close`. A trial's lines come before :meth:`ended` of that trial returns."""

    def __init__(self, trials: Path, add: Callable[[StreamLine], None]) -> None:
        """``trials``: the folder of the folders of trials."""
        self._trials, self._add = trials, add
        self._places: dict[str, _TimelinePlace] = {}
        # The timelines of earlier attempts: they are still there when another attempt begins.
        self._earlier: dict[str, int] = {}
        self._began = clock.wall()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="execgo-follower", daemon=True)
        self._thread.start()

    def started(self, trial_id: str) -> None:
        """A trial begins; its timeline may not exist yet."""
        path = self._trials / trial_id / "timeline.jsonl"
        with self._lock, suppress(OSError):
            self._places[trial_id] = _TimelinePlace(path)
            found = path.stat()
            if found.st_mtime < self._began:
                self._earlier[trial_id] = found.st_ino

    def ended(self, trial_id: str) -> None:
        """Pass on the rest of a trial's lines."""
        with self._lock:
            place = self._places.pop(trial_id, None)
            if place is not None:
                self._read(trial_id, place)
                self._earlier[trial_id] = place.file or self._earlier.get(trial_id, 0)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            with self._lock:
                for trial_id, place in self._places.items():
                    self._read(trial_id, place)

    def _read(self, trial_id: str, place: _TimelinePlace) -> None:
        try:
            with place.path.open("rb") as file:
                place.file = os.fstat(file.fileno()).st_ino
                if place.file == self._earlier.get(trial_id):
                    return
                file.seek(place.offset)
                content = file.read(_MOST_BYTES)
        except OSError:
            return
        # The last line may be half written.
        whole, newline, _ = content.rpartition(b"\n")
        place.offset += len(whole) + len(newline)
        for line in whole.split(b"\n"):
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
