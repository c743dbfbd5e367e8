"""Calls pytest for ``python -m pytest_execgo run``."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_execgo.errors import UsageError
from pytest_execgo.plugin.events import EventsOut
from pytest_execgo.plugin.state import PluginState


@dataclass(eq=False)
class LastRun:
    """A pytest plugin that keeps the folder of the run."""

    folder: Path | None = None

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Keep the folder if the run has one."""
        state = PluginState.of(session.config)
        try:
            folder = state.run.folder
        except Exception:
            # The request is invalid, and pytest has reported that.
            return
        self.folder = folder if folder.is_dir() else None


def run_pytest(
    args: list[str], *, events_to_stdout: bool, quiet_stdout: bool
) -> tuple[int, LastRun]:
    """Run ``pytest --execgo-matrix`` in this process.

    With ``events_to_stdout`` each line of ``events.ndjson`` also goes to standard output, at once;
    then, and with ``quiet_stdout``, what pytest prints goes to standard error.
    """
    plugins: list[Any] = [last := LastRun()]
    redirected = events_to_stdout or quiet_stdout
    try:
        sys.stdout.flush()
        original = os.dup(1)
    except (OSError, AttributeError):
        raise UsageError("standard output is closed; open it or redirect it to a file") from None
    try:
        stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
        if events_to_stdout:
            plugins.append(EventsOut(stream))
        if redirected:
            os.dup2(2, 1)
        status = int(pytest.main(["--execgo-matrix", *args], plugins=plugins))
        with suppress(OSError):
            # The reader may have ended. The exit code of the run counts.
            sys.stdout.flush()
            stream.close()
    finally:
        os.dup2(original, 1)
        os.close(original)
    return status, last
