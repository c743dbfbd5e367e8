"""Ctrl-C: the first one ends the run in order, the third one at once.

pytest raises ``KeyboardInterrupt`` for each Ctrl-C. While a run ends, a second one would break off what
stops services, heals faults and writes reports, with a traceback and an exit code that depends on the
moment.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

_NAME = "execgo-interrupt"
_ENDING = (
    b"\nexecgo: the run is ending: services are stopped and reports written; "
    b"press Ctrl-C once more to leave at once\n"
)


def end_in_order(config: pytest.Config) -> None:
    """From now on only the first Ctrl-C raises ``KeyboardInterrupt``.

    Does nothing where Ctrl-C is ignored or another program handles it.
    """
    manager = config.pluginmanager
    before = signal.getsignal(signal.SIGINT)
    in_main_thread = threading.current_thread() is threading.main_thread()
    if before is signal.default_int_handler and in_main_thread and not manager.has_plugin(_NAME):
        handler = InterruptHandler(before, quiet=hasattr(config, "workerinput"))
        manager.register(handler, _NAME)
        signal.signal(signal.SIGINT, handler.interrupt)


class InterruptHandler:
    """A pytest plugin that counts Ctrl-C. ``first`` is called for the first one."""

    def __init__(self, first: Callable[[int, Any], Any], *, quiet: bool = False) -> None:
        self._first, self._quiet, self._count = first, quiet, 0
        # While a test runs, pytest captures what is written to 2.
        self._stderr = os.dup(2)

    def interrupt(self, number: int, frame: Any) -> None:
        """Handle one Ctrl-C. The third one ends this process with the exit code of an interrupted run;
        the reaper then stops services and tasks."""
        __tracebackhide__ = True  # pytest then names the line that was interrupted
        self._count += 1
        if self._count == 1:
            self._first(number, frame)
        elif self._count == 2:
            self._say_ending()
        else:
            os._exit(int(pytest.ExitCode.INTERRUPTED))

    def _say_ending(self) -> None:
        if not self._quiet:
            with suppress(OSError):
                os.write(self._stderr, _ENDING)

    def pytest_unconfigure(self) -> None:
        """Restore the handler. After a Ctrl-C it stays: the process is about to end."""
        if self._count == 0:
            signal.signal(signal.SIGINT, self._first)
            os.close(self._stderr)
