"""What an adapter is, and the trace it leaves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

from pytest_execgo.adapter.landing import Landing
from pytest_execgo.errors import PlanError
from pytest_execgo.models.context import PlanContext
from pytest_execgo.models.plan import Mode, StandardPlan


class PlanTrace:
    """What an adapter did, step by step: the content of ``adapter_trace.json``."""

    def __init__(
        self,
        clock: Callable[[], float] = monotonic,
        on_judged: Callable[[int, Landing], None] = lambda attempt, landing: None,
    ) -> None:
        self._clock, self._began = clock, clock()
        self._on_judged = on_judged
        self.steps: list[dict[str, Any]] = []
        self.landings: list[Landing] = []

    def add(self, step: str, **facts: Any) -> None:
        """Append one step with its offset (milliseconds from the start of planning)."""
        at_ms = round((self._clock() - self._began) * 1000, 3)
        self.steps.append({"step": step, "at_ms": at_ms, **facts})

    def judged(self, landing: Landing) -> Landing:
        """One answer of the model was judged; returns ``landing``."""
        self.landings.append(landing)
        self.add("judged", valid=landing.plan is not None, rules=list(landing.rules))
        self._on_judged(len(self.landings), landing)
        return landing

    def settled(self) -> StandardPlan:
        """The plan of the last answer; raises :class:`PlanError` if it holds none."""
        if not self.landings:
            raise PlanError("no_answer", "the framework ended without an answer of its model")
        last = self.landings[-1]
        if last.plan is None:
            count = len(self.landings)
            raise PlanError(
                "never_valid",
                f"no legal plan in {count} answer{'' if count == 1 else 's'}; the last one breaks "
                f"{', '.join(last.rules)}: {last.problems[0]}",
            )
        return last.plan


class Adapter(Protocol):
    """One framework. ``missing`` is asked before anything runs; ``plan`` once per trial.

    One that asks a model says so (``asks_model = True``): it is then given the address of a wire in
    ``context.model``, in both modes, and must ask nobody else. The versions of its ``packages``, if it
    names any, are kept in recordings.
    """

    name: str
    modes: frozenset[Mode]

    def missing(self) -> str | None:
        """``None`` if the framework is installed, else the exact command that installs it."""

    def plan(self, context: PlanContext, trace: PlanTrace, recording: Path | None) -> StandardPlan:
        """The plan. ``recording`` is what replay plays back (the reference plan, for
        ``reference``); it is ``None`` in live mode."""


def asks_model(adapter: Adapter) -> bool:
    """Whether an adapter asks a model; one that does not say so does not."""
    return bool(getattr(adapter, "asks_model", False))
