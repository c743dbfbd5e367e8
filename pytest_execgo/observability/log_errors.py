"""Lines of level error in the services' logs of a trial, as events."""

from __future__ import annotations

import re
from pathlib import Path

from pytest_execgo.models.events import ServiceLogged
from pytest_execgo.models.safe_text import one_line
from pytest_execgo.observability.recorder import TimelineRecorder

# JSON and logfmt as structured loggers write them, a level after a time, and what Go, Rust and Python
# print when a program dies.
_ERROR = re.compile(
    r'(?i:"level"\s*:\s*"(error|fatal|panic|critical)"|\blevel=(error|fatal|panic|critical)\b)'
    r"|^(\S+\s+){0,2}\[?(ERROR|FATAL|PANIC|CRITICAL)\b"
    r"|^(panic|fatal error): |^thread '.*' panicked at|^Traceback \(most recent call last\)"
)
_MOST_LINES = 5
_LONGEST_LINE = 500


def note_log_errors(folder: Path, recorder: TimelineRecorder) -> None:
    """Record the last five such lines of each ``<service>.log`` in the folder."""
    for path in sorted(folder.glob("*.log")):
        lines = path.read_bytes().decode("utf-8", "replace").splitlines()
        for line in [line for line in lines if _ERROR.search(line)][-_MOST_LINES:]:
            recorder.add(ServiceLogged(service=path.stem, line=one_line(line, _LONGEST_LINE)))
