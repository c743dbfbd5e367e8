"""``--stop-with-parent``: ends a run in order when the program that started it has ended."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from pytest_execgo.errors import UsageError

GRACE_SECONDS = 30.0
"""How long the run may take to end in order. Then it ends at once, and a reaper stops its services."""
_READ_BYTES = 65536
_ENDING = b"\nexecgo: standard input was closed, so the run ends\n"


class ParentWatch:
    """A pytest plugin that acts as Ctrl-C when standard input ends, unless the run ends already. It ends
    when the parent closes the pipe, and also when the parent is killed."""

    def __init__(self, source: int, stderr: int) -> None:
        self._source, self._stderr = source, stderr
        self._lock = threading.Lock()
        self._ending = False
        self._ended = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._watch, name="execgo-parent", daemon=True).start()

    def close(self) -> None:
        """From now on, the end of standard input means nothing. pytest may have refused to start."""
        self._end()
        self._ended.set()

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self) -> None:
        self._end()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        self._end()

    def _end(self) -> None:
        with self._lock:
            self._ending = True

    def _watch(self) -> None:
        with suppress(OSError):
            while os.read(self._source, _READ_BYTES):
                pass
        with self._lock:
            if not self._ending:
                # The reader of standard error may be the parent that ended.
                with suppress(OSError):
                    os.write(self._stderr, _ENDING)
                _interrupt()
        if not self._ended.wait(GRACE_SECONDS):
            os._exit(int(pytest.ExitCode.INTERRUPTED))


def _interrupt() -> None:
    """Send what Ctrl-C sends: to the whole process group, if this process leads one."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGINT)
    else:
        os.kill(os.getpid(), signal.SIGINT)


@contextmanager
def ending_with_parent() -> Iterator[ParentWatch]:
    """A watch, for a run of pytest inside of the block. Raises :class:`UsageError` if there is no
    standard input. Enter it before pytest starts: pytest replaces standard input."""
    if sys.stderr is None:
        # Otherwise the next descriptor would become standard error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    try:
        source = os.dup(0)
    except OSError:
        raise UsageError(
            "--stop-with-parent: standard input is closed; keep it open as long as the run may go on"
        ) from None
    # A shell ignores Ctrl-C in the programs that it starts in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    watch = ParentWatch(source, os.dup(2))
    with ExitStack() as stack:
        stack.enter_context(_surviving(1))
        stack.enter_context(_surviving(2))
        watch.start()
        stack.callback(watch.close)
        yield watch


@contextmanager
def _surviving(descriptor: int) -> Iterator[None]:
    """Inside, writing to standard output or standard error never fails. Without a reader, pytest would
    end with an internal error instead of writing its reports."""
    original = os.dup(descriptor)
    inside, outside = os.pipe()
    os.dup2(outside, descriptor)
    os.close(outside)
    pump = _Pump(inside, original)
    pump.start()
    try:
        yield
    finally:
        with suppress(OSError, ValueError):
            (sys.stdout if descriptor == 1 else sys.stderr).flush()
        # Closes the last end for writing, unless a process that goes on has one.
        os.dup2(original, descriptor)
        pump.finish()


class _Pump(threading.Thread):
    """Copies everything from one descriptor to another one. Without a reader it is passed over."""

    def __init__(self, source: int, target: int) -> None:
        super().__init__(name="execgo-output", daemon=True)
        self._source, self._target = source, target
        self._idle = threading.Event()

    def run(self) -> None:
        broken = False
        while True:
            self._idle.set()
            data = os.read(self._source, _READ_BYTES)
            self._idle.clear()
            if not data:
                return
            while data and not broken:
                try:
                    data = data[os.write(self._target, data) :]
                except OSError:
                    broken = True

    def finish(self) -> None:
        """Wait until everything is copied, however slow the reader is. A process that goes on and still
        has the descriptor is not waited for."""
        while self.is_alive():
            self.join(timeout=0.5)
            if self._idle.is_set():
                return
