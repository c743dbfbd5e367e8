"""The last line of the terminal while trials run: how far the run is, and what happens now.

pytest writes where it always writes. The line is outside of the part of the screen that scrolls, so it
needs nothing of pytest's output to be repeated. It is drawn through a file of its own, because pytest
captures standard output while a trial runs.
"""

from __future__ import annotations

import json
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pytest_execgo.models.safe_text import for_terminal
from pytest_execgo.system import clock

_EVERY_SECONDS = 0.3
PLAIN_EVERY_SECONDS = 10.0
_FEWEST_ROWS = 5
_TAIL_BYTES = 65536
_SAVE, _RESTORE = "\x1b7", "\x1b8"


class BottomLine:
    """The last line of a terminal, kept free of everything else."""

    def __init__(self, terminal: str) -> None:
        self._file = os.open(terminal, os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC)
        self._rows = 0

    def show(self, text: Callable[[int], str]) -> None:
        """Draw what ``text`` gives for the width of the terminal."""
        columns, rows = os.get_terminal_size(self._file)
        if rows < _FEWEST_ROWS:
            return
        if rows != self._rows:
            # The line break makes room if the cursor is in the last row, and the cursor goes back up.
            self._write(f"\n{_SAVE}\x1b[1;{rows - 1}r{_RESTORE}\x1b[1A")
            self._rows = rows
        self._write(f"{_SAVE}\x1b[{rows};1H\x1b[2K{text(columns - 1)[: columns - 1]}{_RESTORE}")

    def close(self) -> None:
        """Give the whole screen back."""
        with suppress(OSError):
            if self._rows:
                self._write(f"{_SAVE}\x1b[{self._rows};1H\x1b[2K\x1b[r{_RESTORE}")
            os.close(self._file)

    def _write(self, text: str) -> None:
        os.write(self._file, text.encode("utf-8", "replace"))


@dataclass(frozen=True)
class LiveFacts:
    """What the line says. ``fault``: what a fault of the current trial does; empty without one."""

    done: int
    total: int
    current: str = ""
    others: int = 0
    fault: str = ""
    seconds_left: float | None = None

    def text(self, width: int = 200) -> str:
        """``18/95 · vuln_scan × runtime_kill · fault injected 0.4 s ago · about 1 min left``, or as much
        of it as ``width`` has room for."""
        count = f"{self.done}/{self.total}"
        more = f" and {self.others} more" if self.others else ""
        left = "" if self.seconds_left is None else f"about {_about(self.seconds_left)} left"
        found = count
        for parts in (
            (count, left), (count, self.current), (count, self.current, left),
            (count, self.current, self.fault, left),
            (count, f"{self.current}{more}", self.fault, left),
        ):  # fmt: skip
            text = for_terminal(" · ".join(part for part in parts if part))
            found = text if len(found) <= len(text) <= width else found
        return found


def _about(seconds: float) -> str:
    if seconds < 60:
        return f"{max(5, round(seconds / 5) * 5)} s"
    return f"{round(seconds / 60)} min"


class TrialCounts:
    """Which trials run, and how many have ended."""

    def __init__(self, total: int, trials: Path) -> None:
        """``total``: planned trials; ``trials``: the folder of their folders."""
        self._total, self._trials = total, trials
        self._lock = threading.Lock()
        self._running: OrderedDict[str, str] = OrderedDict()
        self._ended: set[str] = set()
        self._began = clock.monotonic()

    def started(self, trial_id: str, shown: str) -> None:
        """A trial begins; ``shown`` is what the line calls it."""
        with self._lock:
            self._running[trial_id] = shown

    def ended(self, trial_id: str) -> None:
        """Count a trial that has ended, once, and show another one."""
        with self._lock:
            self._running.pop(trial_id, None)
            self._ended.add(trial_id)

    def facts(self) -> LiveFacts:
        """What the line says now."""
        with self._lock:
            running, done = dict(self._running), len(self._ended)
        passed = clock.monotonic() - self._began
        left = passed / done * (self._total - done) if 1 < done < self._total else None
        if not running:
            return LiveFacts(done, self._total, seconds_left=left)
        trial_id, current = next(reversed(running.items()))
        fault = last_fault(self._trials / trial_id / "timeline.jsonl", clock.now().timestamp())
        return LiveFacts(done, self._total, current, len(running) - 1, fault, left)


class LiveLine:
    """Draws the line a few times a second until :meth:`close`. A terminal that goes away ends it."""

    def __init__(self, line: BottomLine, counts: TrialCounts) -> None:
        self._line, self._counts = line, counts
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._draw, name="execgo-live-line", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Remove the line."""
        if not self._stop.is_set():
            self._stop.set()
            self._thread.join()
            self._line.close()

    def _draw(self) -> None:
        with suppress(OSError):
            while not self._stop.is_set():
                self._line.show(self._counts.facts().text)
                self._stop.wait(_EVERY_SECONDS)


class PlainLines:
    """The same text every few seconds as a line of its own, for logs. Lines appear between trials, when
    pytest captures no output."""

    def __init__(self, counts: TrialCounts, write: Callable[[str], None]) -> None:
        self._counts, self._write = counts, write
        self._last = clock.monotonic()

    def trial_ended(self) -> None:
        """Write a line if the last one is old enough."""
        now = clock.monotonic()
        if now - self._last >= PLAIN_EVERY_SECONDS:
            self._last = now
            self._write(self._counts.facts().text())


def last_fault(timeline: Path, now: float) -> str:
    """What became of the newest fault in a timeline; empty without one. ``now`` in seconds since the
    epoch."""
    try:
        with timeline.open("rb") as file:
            file.seek(max(0, timeline.stat().st_size - _TAIL_BYTES))
            lines = file.read().split(b"\n")
    except OSError:
        return ""
    for line in reversed(lines):
        if b'"chaos_healed"' in line:
            return "fault healed"
        if b'"chaos_fired"' in line:
            with suppress(ValueError, KeyError, TypeError):
                at = datetime.fromisoformat(json.loads(line)["wall_time"]).timestamp()
                return f"fault injected {max(0.0, now - at):.1f} s ago"
    return ""
