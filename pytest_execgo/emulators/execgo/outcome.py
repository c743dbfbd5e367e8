"""The result of an executor, and its view of an attempt."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from pytest_execgo.emulators.execgo.graph import ABSENT, TaskSpec


@dataclass
class Outcome:
    """The end of one attempt.

    ``given`` is false if the executor has no result: then ``runtime.output`` and ``runtime.details`` are
    absent instead of null. An empty ``run_status`` keeps the last one, as ExecGo does for a task that
    failed while it was polled.
    """

    ok: bool
    output: Any = ABSENT
    error: dict[str, Any] | None = None
    given: bool = True
    run_status: str = ""
    handle_id: str = ""
    started_at: str = ""
    finished_at: str = ""
    duration_ms: int | None = None
    progress: list[Any] | None = None


def failure(
    message: str,
    code: str = "external_failure",
    source: str = "executor",
    *,
    retryable: bool = False,
) -> dict[str, Any]:
    """The ``runtime.error`` object of a failed attempt."""
    error: dict[str, Any] = {"code": code, "message": message}
    if retryable:
        error["retryable"] = True
    return {**error, "source": source}


@dataclass
class TaskAttempt:
    """One attempt for its executor: deadline, stop of the engine, and progress reports."""

    spec: TaskSpec
    handle_id: str
    stopping: threading.Event
    report: Callable[[dict[str, Any], str], None]
    number: int = 1
    began: float = field(default_factory=monotonic)

    @property
    def remaining(self) -> float | None:
        """Seconds until the timeout of the task, or ``None`` without one."""
        if self.spec.timeout <= 0:
            return None
        # Go counts nanoseconds in 64 bits: a timeout of 300 years is over at once.
        nanoseconds = (self.spec.timeout * 10**6 + 2**63) % 2**64 - 2**63
        return self.began + nanoseconds / 1e9 - monotonic()

    def wait(self, seconds: float) -> Outcome | None:
        """Wait; returns an outcome if the deadline or the stop of the engine comes first."""
        remaining = self.remaining
        timed_out = remaining is not None and remaining <= seconds
        if self.stopping.wait(max(0.0, remaining if timed_out and remaining else seconds)):
            return Outcome(False, error=failure("context canceled", "cancelled", "scheduler"))
        if timed_out:
            message = "context deadline exceeded"
            return Outcome(False, error=failure(message, "timeout", "scheduler", retryable=True))
        return None
