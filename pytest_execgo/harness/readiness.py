"""Waits until a service is ready, and explains why it is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest_execgo.errors import HarnessError
from pytest_execgo.system.clock import monotonic, sleep
from pytest_execgo.transport.bounded import ExchangeError, fetch

DEFAULT_TIMEOUT_SECONDS = 30.0
_LOOK_EVERY_SECONDS = 0.005
_TAIL_LINES = 8


def await_ready(
    service: str,
    look: Callable[[], Any],
    *,
    awaited: str,
    ended: Callable[[], int | None],
    log_path: Path | None,
    hint: str,
    timeout: float = DEFAULT_TIMEOUT_SECONDS,
) -> Any:
    """Call ``look`` until it returns a true value; return that value.

    ``ended`` returns the exit status of a service that ended, else ``None``. If the service ends or
    ``timeout`` (seconds) passes first, raises :class:`HarnessError` with ``awaited``, the time
    waited, the exit status, the last log lines and ``hint``.
    """
    began = monotonic()
    while True:
        exited = ended()
        seen = look()
        if seen:
            return seen
        waited = monotonic() - began
        if exited is not None or waited > timeout:
            state = f"its process ended with {exited}" if exited is not None else "no response"
            raise HarnessError(
                f"{service} did not become ready: waited {waited:.1f} s for {awaited}; {state}"
                f"{_last_lines(log_path)}; {hint}"
            )
        sleep(_LOOK_EVERY_SECONDS)


def _last_lines(log_path: Path | None) -> str:
    lines = tail(log_path, _TAIL_LINES)
    return f"; last log lines: {' | '.join(lines)}" if lines else "; its log is empty"


def tail(path: Path | None, count: int) -> list[str]:
    """The last ``count`` non-empty lines of a log file."""
    if path is None or not path.exists():
        return []
    text = path.read_text(encoding="utf-8", errors="replace")
    return [line.strip() for line in text.splitlines() if line.strip()][-count:]


def ready_line(log_path: Path, offset: int) -> dict[str, Any] | None:
    """The JSON ready line of an embedded service in its log after ``offset`` bytes; ``None`` if
    missing."""
    with log_path.open("rb") as log:
        log.seek(offset)
        for line in log:
            if line.startswith(b'{"ready"') and line.endswith(b"\n"):
                found: dict[str, Any] = json.loads(line)
                return found
    return None


def probe_json(url: str, timeout: float = 1.0) -> dict[str, Any] | None:
    """The JSON object of a 200 answer from ``url``; ``None`` for any other answer or none in time."""
    try:
        reply = fetch("GET", url, timeout=timeout)
        return reply.object() if reply.status == 200 else None
    except ExchangeError:
        return None
