"""What an adapter is, and the trace it leaves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

from pytest_execgo.models.context import PlanContext
from pytest_execgo.models.plan import Mode, StandardPlan


class PlanTrace:
    """What an adapter did, step by step: the content of ``adapter_trace.json``."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock, self._began = clock, clock()
        self.steps: list[dict[str, Any]] = []

    def add(self, step: str, **facts: Any) -> None:
        """Append one step with its offset (milliseconds from the start of planning)."""
        at_ms = round((self._clock() - self._began) * 1000, 3)
        self.steps.append({"step": step, "at_ms": at_ms, **facts})


class Adapter(Protocol):
    """One framework. ``missing`` is asked before anything runs; ``plan`` once per trial."""

    name: str
    modes: frozenset[Mode]

    def missing(self) -> str | None:
        """``None`` if the framework is installed, else the exact command that installs it."""

    def plan(self, context: PlanContext, trace: PlanTrace, recording: Path | None) -> StandardPlan:
        """The plan. ``recording`` is what replay plays back (the reference plan, for
        ``reference``); it is ``None`` in live mode."""
