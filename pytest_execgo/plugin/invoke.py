"""Calls pytest for ``python -m pytest_execgo run``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import entry_points
from itertools import pairwise
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


def _loading(args: list[str]) -> list[str]:
    """The arguments that load our plugin, and xdist if it is needed, where pytest loads none by itself
    (``PYTEST_DISABLE_PLUGIN_AUTOLOAD``), or where the ini file blocks them."""
    if "-pno:execgo" in args or ("-p", "no:execgo") in pairwise(args):
        raise UsageError("-p no:execgo blocks the plugin that runs the matrix; leave it out")
    # Without an installed entry point, as in a checkout on PYTHONPATH, the module has to be named.
    installed = entry_points(group="pytest11", name="execgo")
    own = ["-p", "execgo" if installed else "pytest_execgo.plugin"]
    return [*own, "-p", "xdist"] if "-n" in args else own


def run_pytest(
    args: list[str], *, events_to_stdout: bool, quiet_stdout: bool, plugins: Sequence[Any] = ()
) -> tuple[int, LastRun]:
    """Run ``pytest --execgo-matrix`` in this process.

    With ``events_to_stdout`` each line of ``events.ndjson`` also goes to standard output, at once;
    then, and with ``quiet_stdout``, what pytest prints goes to standard error. ``plugins`` are further
    plugins of pytest.
    """
    all_plugins: list[Any] = [last := LastRun(), *plugins]
    redirected = events_to_stdout or quiet_stdout
    try:
        sys.stdout.flush()
        original = os.dup(1)
    except (OSError, AttributeError):
        raise UsageError("standard output is closed; open it or redirect it to a file") from None
    try:
        stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
        if events_to_stdout:
            all_plugins.append(EventsOut(stream))
        if redirected:
            os.dup2(2, 1)
        status = int(pytest.main([*_loading(args), "--execgo-matrix", *args], plugins=all_plugins))
        with suppress(OSError):
            # The reader may have ended. The exit code of the run counts.
            sys.stdout.flush()
            stream.close()
    finally:
        os.dup2(original, 1)
        os.close(original)
    return status, last
