"""The clocks of this machine, which no test can freeze.

freezegun replaces the functions of :mod:`time` in all modules, and time-machine changes them in place. A
trial runs inside such tests, and its times must stay true. So the clocks are read from the C library.
"""

from __future__ import annotations

import ctypes
import select
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


def _reader(clock: int) -> Callable[[], float]:
    """A function that reads a clock of the C library, in seconds."""
    # Not CDLL: it would let other threads run at each look at the clock.
    read = ctypes.PyDLL(None).clock_gettime
    read.argtypes = (ctypes.c_int, ctypes.POINTER(_Timespec))

    def seconds() -> float:
        found = _Timespec()
        read(clock, ctypes.byref(found))
        return float(found.seconds + found.nanoseconds / 1e9)

    return seconds


monotonic = _reader(time.CLOCK_MONOTONIC)
"""Seconds on a clock that never goes back and cannot be set."""

wall = _reader(time.CLOCK_REALTIME)
"""Seconds since the epoch. The clock may be set at any time: for durations, use ``monotonic``."""


def now() -> datetime:
    """The wall clock in UTC."""
    # Not fromtimestamp(), which freezegun replaces.
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=wall())


def sleep(seconds: float) -> None:
    """Block this thread."""
    # Tests replace time.sleep() by a function that returns at once.
    select.select((), (), (), max(0.0, seconds))  # noqa: TID251 -- it waits for no descriptor
