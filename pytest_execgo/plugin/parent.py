"""``--stop-with-parent``: ends a run in order when the program that started it has ended."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pytest_execgo.errors import UsageError

GRACE_SECONDS = 20.0
"""How long the run may take to end in order. Then it ends as after the third Ctrl-C."""
_READ_BYTES = 65536


@contextmanager
def ending_with_parent() -> Iterator[None]:
    """Inside, the end of standard input acts as Ctrl-C. It comes when the parent closes the pipe, and
    also when the parent is killed. Raises :class:`UsageError` if there is no standard input.

    Enter it before pytest starts: pytest replaces standard input.
    """
    try:
        source = os.dup(0)
    except OSError:
        raise UsageError(
            "--stop-with-parent: standard input is closed; keep it open as long as the run may go on"
        ) from None
    # A shell ignores Ctrl-C in the programs that it starts in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    ended = threading.Event()
    watch = threading.Thread(target=_watch, args=(source, ended), name="execgo-parent", daemon=True)
    with _surviving_stderr():
        watch.start()
        try:
            yield
        finally:
            ended.set()


def _watch(source: int, ended: threading.Event) -> None:
    with suppress(OSError):
        while os.read(source, _READ_BYTES):
            pass
    if ended.is_set():
        return
    # pytest may have redirected sys.stderr, and its reader may be the parent that ended.
    with suppress(OSError, ValueError):
        print("execgo: standard input was closed, so the run ends", file=sys.__stderr__, flush=True)
    _interrupt()
    for _ in range(2):
        if not ended.wait(GRACE_SECONDS):
            _interrupt()


def _interrupt() -> None:
    """Send what Ctrl-C sends: to the whole process group, if this process leads one."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGINT)
    else:
        os.kill(os.getpid(), signal.SIGINT)


@contextmanager
def _surviving_stderr() -> Iterator[None]:
    """Inside, writing to standard error never fails. Without a reader, pytest would end with an internal
    error instead of writing its reports."""
    inside, outside = os.pipe()
    original = os.dup(2)
    os.dup2(outside, 2)
    os.close(outside)
    pump = threading.Thread(
        target=_pump, args=(inside, original), name="execgo-stderr", daemon=True
    )
    pump.start()
    try:
        yield
    finally:
        with suppress(OSError, ValueError):
            sys.stderr.flush()
        # Closes the last end for writing, unless a process that goes on has one.
        os.dup2(original, 2)
        pump.join(timeout=1.0)


def _pump(source: int, target: int) -> None:
    broken = False
    while data := os.read(source, _READ_BYTES):
        while data and not broken:
            try:
                data = data[os.write(target, data) :]
            except OSError:
                broken = True
