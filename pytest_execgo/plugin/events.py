"""``events.ndjson``: the progress of a run, one line of JSON per event, written at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from pytest_execgo.files.writing import LineFile
from pytest_execgo.models.safe_text import json_line
from pytest_execgo.system import clock


@dataclass(eq=False)
class EventsOut:
    """A pytest plugin with which the caller of ``pytest.main`` requests a copy of the events."""

    stream: TextIO


class EventStream:
    """Appends events to a file; a resumed run continues the file. ``copy_to`` gets every line, too.

    Raises :class:`HarnessError` if the file cannot be opened.
    """

    def __init__(self, path: Path, copy_to: TextIO | None = None) -> None:
        self._file = LineFile(path, append=True)
        self._copy_to = copy_to

    def add(self, event: str, **facts: Any) -> None:
        """Write ``{"event": …, "at": ISO time in UTC, …}`` with those facts that are not ``None``."""
        known = {name: value for name, value in facts.items() if value is not None}
        line = {"event": event, "at": clock.now().isoformat(), **known}
        text = json_line(line)
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
