"""``events.ndjson``: the progress of a run, one line of JSON per event, written at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from pytest_execgo.models.safe_text import json_line


@dataclass(eq=False)
class EventsOut:
    """A pytest plugin with which the caller of ``pytest.main`` requests a copy of the events."""

    stream: TextIO


class EventStream:
    """Appends events to a file; a resumed run continues the file. ``copy_to`` gets every line, too."""

    def __init__(self, path: Path, copy_to: TextIO | None = None) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._copy_to = copy_to

    def add(self, event: str, **facts: Any) -> None:
        """Write ``{"event": …, "at": ISO time in UTC, …}`` with those facts that are not ``None``."""
        known = {name: value for name, value in facts.items() if value is not None}
        line = {"event": event, "at": datetime.now(UTC).isoformat(), **known}
        text = json_line(line) + "\n"
        self._file.write(text)
        self._file.flush()
        if self._copy_to is not None:
            try:
                self._copy_to.write(text)
                self._copy_to.flush()
            except OSError:
                # The reader has ended. The run continues, and the file has every line.
                self._copy_to = None

    def close(self) -> None:
        self._file.close()
