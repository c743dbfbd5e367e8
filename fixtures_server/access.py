"""What was served to whom; kept in a file, a killed server still knows it when it is back."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from pathlib import Path
from typing import Any


class AccessLog:
    """Entries per scope; safe to use from many threads."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._entries: dict[str, list[dict[str, Any]]] = defaultdict(list)
        if path and path.exists():
            # A line that was cut by the kill has no newline.
            for line in path.read_text(encoding="utf-8").split("\n")[:-1]:
                known = json.loads(line)
                self._entries[known.pop("scope")].append(known)

    def add(self, scope: str, entry: dict[str, Any]) -> None:
        """One more entry, on disk before the answer is sent."""
        with self._lock:
            self._entries[scope].append(entry)
            if self._path:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"scope": scope, **entry}) + "\n")

    def of(self, scope: str) -> list[dict[str, Any]]:
        """The entries of a scope, in order."""
        with self._lock:
            return list(self._entries[scope])

    def forget(self, scope: str) -> None:
        """Remove a scope; the others stay."""
        with self._lock:
            self._entries.pop(scope, None)
            if self._path and not self._entries:
                self._path.write_text("", encoding="utf-8")
