"""Writes ``timeline.jsonl`` and ``execgo_snapshots.jsonl`` of one trial, and flushes every line."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from pytest_execgo.models.events import EVENT, ChaosEvent, Event, EvidenceEvent
from pytest_execgo.models.safe_text import without_surrogates

E = TypeVar("E", bound=Event)


class TimelineRecorder:
    """A :class:`~pytest_execgo.ports.Recorder` for many threads. Times count from its creation."""

    def __init__(self, folder: Path) -> None:
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self.started_at = datetime.now(UTC)
        self._events: list[Any] = []
        self._listeners: list[Callable[[Event], None]] = []
        self._timeline = (folder / "timeline.jsonl").open("w", encoding="utf-8")
        self._snapshots = (folder / "execgo_snapshots.jsonl").open("w", encoding="utf-8")

    def elapsed_ms(self) -> float:
        """Milliseconds since the start of the trial."""
        return (time.monotonic() - self._began) * 1000

    def at_wall(self, seconds: float) -> float:
        """A time in seconds since the epoch, as milliseconds on the trial's clock."""
        return (seconds - self.started_at.timestamp()) * 1000

    def add(self, event: E, at_ms: float | None = None) -> E:
        """Write ``event`` with its id and time, then call the listeners. Returns the event as
        written."""
        with self._lock:
            stamped = event.model_copy(
                update={
                    "event_id": f"e{len(self._events) + 1}",
                    "at_ms": round(self.elapsed_ms() if at_ms is None else at_ms, 3),
                    "wall_time": datetime.now(UTC),
                }
            )
            try:
                line = stamped.model_dump_json(exclude_none=True)
            except ValueError:
                # Lone surrogates, which JSON can contain and UTF-8 cannot.
                stamped = type(event).model_validate(without_surrogates(stamped.model_dump()))
                line = stamped.model_dump_json(exclude_none=True)
            if not self._timeline.closed:
                self._timeline.write(line + "\n")
                self._timeline.flush()
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
        """Write a task exactly as ExecGo returned it."""
        line = {
            "at_ms": round(self.elapsed_ms(), 3),
            "stage_id": stage_id,
            "round": round_,
            "task_id": task_id,
            "task": raw,
        }
        with self._lock:
            # Two writes: a sum would be another copy of a large task.
            self._snapshots.write(json.dumps(line, ensure_ascii=False))
            self._snapshots.write("\n")
            self._snapshots.flush()

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
    """The events of a ``timeline.jsonl``, in order of time; a line cut by a crash is left out."""
    events = []
    # Not splitlines(): it also splits at line separators that JSON allows inside a text.
    for line in path.read_text(encoding="utf-8").split("\n")[:-1]:
        events.append(EVENT.validate_json(line))
    return sorted(events, key=lambda event: event.at_ms)
