"""The access log: which request got which answer. In a file, it survives a killed server."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

UNANSWERED = 0
"""The status of a request without an answer, or without an answer until now."""


class AccessLog:
    """Log entries by scope; safe to use from many threads."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._entries: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._open: dict[int, tuple[str, dict[str, Any]]] = {}
        self._count = 0
        if path and path.exists():
            # If the server was killed, the last line may be incomplete: it has no newline.
            for line in path.read_text(encoding="utf-8").split("\n")[:-1]:
                known = json.loads(line)
                self._entries[known.pop("scope")].append(known)
            self._rewrite()

    def begin(self, scope: str, asked: dict[str, Any]) -> int:
        """Record the begin of a request; returns the token for :meth:`finish`."""
        with self._lock:
            self._count += 1
            self._open[self._count] = (scope, asked)
            return self._count

    def finish(self, token: int, entry: dict[str, Any]) -> None:
        """Record the answer of a request, on disk too; call it before the answer is sent."""
        with self._lock:
            scope, _ = self._open.pop(token)
            entry = {"status": UNANSWERED, **entry}
            self._entries[scope].append(entry)
            if self._path:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(_line(scope, entry))

    def of(self, scope: str) -> list[dict[str, Any]]:
        """The entries of a scope in order; requests that wait for an answer come last."""
        now = time.time()
        with self._lock:
            waiting = [
                {**asked, "status": UNANSWERED, "duration_ms": round((now - asked["at"]) * 1000, 3)}
                for known, asked in self._open.values()
                if known == scope
            ]
            return [*self._entries.get(scope, []), *waiting]

    def forget(self, scope: str) -> None:
        """Remove the entries of one scope."""
        with self._lock:
            if self._entries.pop(scope, None):
                self._rewrite()

    def _rewrite(self) -> None:
        if self._path is None:
            return
        temporary = self._path.with_suffix(".tmp")
        lines = (_line(scope, e) for scope, entries in self._entries.items() for e in entries)
        temporary.write_text("".join(lines), encoding="utf-8")
        os.replace(temporary, self._path)


def _line(scope: str, entry: dict[str, Any]) -> str:
    return json.dumps({"scope": scope, **entry}) + "\n"
