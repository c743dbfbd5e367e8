"""The clock that the runner uses outside of tests."""

from __future__ import annotations

from datetime import datetime

from pytest_execgo.system import clock


class SystemClock:
    """The time of this machine; implements :class:`pytest_execgo.ports.Clock`."""

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        return clock.monotonic()

    def now(self) -> datetime:
        """The wall clock in UTC."""
        return clock.now()

    def sleep(self, seconds: float) -> None:
        """Block this thread."""
        clock.sleep(seconds)
