"""``events.ndjson``: the progress of a run, one line per fact, flushed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO


@dataclass(eq=False)
class EventsOut:
    """A pytest plugin by which a wrapper asks for a copy of the events."""

    stream: TextIO


class EventStream:
    """Appends lines; a resumed run continues its file. ``copy_to`` gets every line as well."""

    def __init__(self, path: Path, copy_to: TextIO | None = None) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._copy_to = copy_to

    def add(self, event: str, **facts: Any) -> None:
        """One line: ``{"event", "at", …}``; facts that are ``None`` are left out."""
        known = {name: value for name, value in facts.items() if value is not None}
        line = {"event": event, "at": datetime.now(UTC).isoformat(), **known}
        text = json.dumps(line, ensure_ascii=False) + "\n"
        self._file.write(text)
        self._file.flush()
        if self._copy_to is not None:
            try:
                self._copy_to.write(text)
                self._copy_to.flush()
            except OSError:
                # Who listened has gone; the run goes on, and the file has every line.
                self._copy_to = None

    def close(self) -> None:
        """Close the file."""
        self._file.close()
