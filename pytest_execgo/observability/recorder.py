"""Writes ``timeline.jsonl`` and ``execgo_snapshots.jsonl`` of one trial, and flushes every line."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from pytest_execgo.errors import UsageError
from pytest_execgo.files.writing import LineFile
from pytest_execgo.models.document import LARGEST_JSON, read_text, shown
from pytest_execgo.models.events import EVENT, ChaosEvent, Event, EvidenceEvent
from pytest_execgo.models.safe_text import one_line, without_surrogates
from pytest_execgo.models.shorten import shortened
from pytest_execgo.system import clock

E = TypeVar("E", bound=Event)
_LONGEST_SNAPSHOT = 1_000_000
_SHORT_SNAPSHOT = 10_000
_MOST_SNAPSHOTS = 50_000_000


class TimelineRecorder:
    """A :class:`~pytest_execgo.ports.Recorder` for many threads. Times count from its creation.

    ``hide`` removes the user's key from a line of JSON: a task, an engine or a framework may show it.
    """

    def __init__(self, folder: Path, hide: Callable[[str], str] = lambda line: line) -> None:
        self._hide = hide
        self._lock = threading.Lock()
        self._began = clock.monotonic()
        self.started_at = clock.now()
        self._events: list[Any] = []
        self._listeners: list[Callable[[Event], None]] = []
        self._timeline = LineFile(folder / "timeline.jsonl")
        self._snapshots = LineFile(folder / "execgo_snapshots.jsonl")
        self._snapshot_characters = 0

    def elapsed_ms(self) -> float:
        """Milliseconds since the start of the trial."""
        return (clock.monotonic() - self._began) * 1000

    def at_wall(self, seconds: float) -> float:
        """A time of this trial in seconds since the epoch, as milliseconds on the trial's clock.

        It lies between the start of the trial and now, also if the wall clock was set meanwhile.
        """
        elapsed = self.elapsed_ms()
        return min(max(0.0, elapsed - (clock.wall() - seconds) * 1000), elapsed)

    def add(self, event: E, at_ms: float | None = None) -> E:
        """Write ``event`` with its id and time, then call the listeners. Returns the event as
        written."""
        with self._lock:
            now = self.elapsed_ms()
            at_ms = now if at_ms is None else at_ms
            stamped = event.model_copy(
                update={
                    "event_id": f"e{len(self._events) + 1}",
                    "at_ms": round(at_ms, 3),
                    "wall_time": clock.now() - timedelta(milliseconds=now - at_ms),
                }
            )
            try:
                line = stamped.model_dump_json(exclude_none=True)
            except ValueError:
                # Lone surrogates, which JSON can contain and UTF-8 cannot.
                stamped = type(event).model_validate(without_surrogates(stamped.model_dump()))
                line = stamped.model_dump_json(exclude_none=True)
            clean = self._hide(line)
            if clean != line:
                stamped, line = type(event).model_validate_json(clean), clean
            self._timeline.add(line)
            self._events.append(stamped)
            listeners = tuple(self._listeners)
        # Outside the lock: a listener may add events itself.
        for listener in listeners:
            listener(stamped)
        return stamped

    def subscribe(self, listener: Callable[[Event], None]) -> None:
        """Call ``listener`` with every event that is added from now on, in the thread that adds it."""
        with self._lock:
            self._listeners.append(listener)

    def snapshot(self, stage_id: str, round_: int, task_id: str, raw: dict[str, Any]) -> None:
        """Write a task exactly as ExecGo returned it.

        What makes it longer than 1,000,000 characters is left out, with a note. After 50,000,000
        characters in a trial, only a short form of each task is written.
        """
        with self._lock:
            full = self._snapshot_characters > _MOST_SNAPSHOTS
            line = {
                "at_ms": round(self.elapsed_ms(), 3),
                "stage_id": stage_id,
                "round": round_,
                "task_id": task_id,
                "task": shortened(raw, _SHORT_SNAPSHOT if full else _LONGEST_SNAPSHOT),
            }
            text = self._hide(json.dumps(line, ensure_ascii=False))
            self._snapshot_characters += len(text)
            self._snapshots.add(text)

    def check(self) -> None:
        """Raise :class:`HarnessError` if a part of the record could not be written."""
        self._timeline.check()
        self._snapshots.check()

    def events(self) -> list[EvidenceEvent | ChaosEvent]:
        """The recorded events, in order of time."""
        with self._lock:
            return sorted(self._events, key=lambda event: event.at_ms)

    def close(self) -> None:
        """Close the files."""
        with self._lock:
            self._timeline.close()
            self._snapshots.close()


def read_timeline(path: Path) -> list[EvidenceEvent | ChaosEvent]:
    """The events of a ``timeline.jsonl``, in order of time; a line cut by a crash is left out.

    Raises :class:`UsageError` with one line that names the first line that is not an event.
    """
    events = []
    # Not splitlines(): it also splits at line separators that JSON allows inside a text.
    for number, line in enumerate(read_text(path, LARGEST_JSON).split("\n")[:-1], 1):
        try:
            events.append(EVENT.validate_json(line))
        except ValidationError as error:
            reason = one_line(error.errors(include_url=False)[0]["msg"], 300)
            raise UsageError(f"{shown(path)}:{number}: not an event: {reason}") from None
    return sorted(events, key=lambda event: event.at_ms)
