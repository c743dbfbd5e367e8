"""Work that starts after a delay, on threads of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Schedule:
    """Runs callables after a delay. :meth:`close` cancels what has not begun and waits for what runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._timers: list[threading.Timer] = []
        self._closed = False

    def after(self, delay_ms: float, work: Callable[[], None]) -> None:
        """Run ``work`` in ``delay_ms`` milliseconds, unless the schedule is closed before."""
        # An action of a project may ask for more than a thread can wait.
        timer = threading.Timer(min(delay_ms / 1000, threading.TIMEOUT_MAX), work)
        timer.daemon = True
        with self._lock:
            if self._closed:
                return
            self._timers.append(timer)
            timer.start()

    def close(self) -> None:
        """After this returns, nothing begins and nothing runs."""
        with self._lock:
            self._closed = True
            timers = list(self._timers)
        for timer in timers:
            timer.cancel()
        for timer in timers:
            timer.join()
