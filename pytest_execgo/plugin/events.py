"""``events.ndjson``: the progress of a run, one line per fact, flushed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


class EventStream:
    """Appends lines; a resumed run continues its file."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")

    def add(self, event: str, **facts: Any) -> None:
        """One line: ``{"event", "at", …}``; facts that are ``None`` are left out."""
        known = {name: value for name, value in facts.items() if value is not None}
        line = {"event": event, "at": datetime.now(UTC).isoformat(), **known}
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
