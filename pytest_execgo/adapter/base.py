"""What an adapter is, and the trace it leaves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any, ClassVar

from pytest_execgo.adapter.landing import Landing
from pytest_execgo.adapter.packages import missing
from pytest_execgo.adapter.prompt import schema
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


class Adapter(ABC):
    """One framework. An adapter must have a ``name`` and define :meth:`plan`; everything else has a
    default.

    An adapter that sets ``asks_model`` gets the address of the model gateway in ``context.model``, in
    both modes, and must ask nothing else. The versions of its ``packages`` are kept in recordings.
    """

    name: ClassVar[str]
    modes: ClassVar[frozenset[Mode]] = frozenset({"replay"})
    asks_model: ClassVar[bool] = False
    packages: ClassVar[tuple[str, ...]] = ()
    """The distributions that it needs."""

    def missing(self) -> str | None:
        """``None`` if all ``packages`` are installed, else the exact command that installs them."""
        return missing(self.packages, f"pip install {' '.join(self.packages)}")

    @abstractmethod
    def plan(self, context: PlanContext, trace: PlanTrace, recording: Path | None) -> StandardPlan:
        """The plan; called once per trial. ``recording`` is what replay plays back (the reference plan,
        for ``reference``); it is ``None`` in live mode. Raises :class:`PlanError`."""


class FrameworkAdapter(Adapter):
    """An adapter of this package for an agent framework that asks a model: what all of them share.
    The extra of pytest-execgo that installs it has its name."""

    modes = frozenset({"live", "replay"})
    asks_model = True

    def missing(self) -> str | None:
        """The extra installs versions that work together."""
        return missing(self.packages, f"pip install 'pytest-execgo[{self.name}]'")

    def plan(self, context: PlanContext, trace: PlanTrace, recording: Path | None) -> StandardPlan:
        """Let the framework plan; the plan is that of the last answer that was judged."""
        self.run_framework(context, trace)
        return trace.settled()

    @abstractmethod
    def run_framework(self, context: PlanContext, trace: PlanTrace) -> None:
        """Run the framework to its end. Every answer of the model must be judged:
        ``trace.judged(land_text(text, context))``."""


def model_settings(context: PlanContext) -> dict[str, float | int]:
    """``temperature`` and ``max_tokens``, if the user chose them."""
    profile = context.model
    chosen = {"temperature": profile.temperature, "max_tokens": profile.max_tokens}
    return {name: value for name, value in chosen.items() if value is not None}


def plan_format() -> dict[str, object]:
    """The ``response_format`` that asks an OpenAI-compatible endpoint for a plan."""
    answer = {"name": "plan", "schema": schema(), "strict": False}
    return {"type": "json_schema", "json_schema": answer}
