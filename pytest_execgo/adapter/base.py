"""The base class of adapters, and the trace that a planning leaves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from pytest_execgo.adapter.landing import Landing
from pytest_execgo.adapter.packages import versions
from pytest_execgo.errors import PlanError
from pytest_execgo.models.context import PlanContext
from pytest_execgo.models.plan import Mode, StandardPlan
from pytest_execgo.system.clock import monotonic


class PlanTrace:
    """The steps of one planning: the content of ``adapter_trace.json``. ``on_landing`` is called with
    the number of each answer, from 1, and its landing."""

    def __init__(
        self,
        clock: Callable[[], float] = monotonic,
        on_landing: Callable[[int, Landing], None] = lambda number, landing: None,
    ) -> None:
        self._clock, self._began = clock, clock()
        self._on_landing = on_landing
        self.steps: list[dict[str, Any]] = []
        self.landings: list[Landing] = []

    def add(self, step: str, **facts: Any) -> None:
        """Append one step with its offset (milliseconds from the start of planning)."""
        at_ms = round((self._clock() - self._began) * 1000, 3)
        self.steps.append({"step": step, "at_ms": at_ms, **facts})

    def record_landing(self, landing: Landing) -> Landing:
        """Record whether an answer of the model is a legal plan; returns ``landing``. Call it once for
        every answer."""
        self.landings.append(landing)
        self.add("judged", valid=landing.plan is not None, rules=list(landing.rules))
        self._on_landing(len(self.landings), landing)
        return landing

    def final_plan(self) -> StandardPlan:
        """The plan of the last answer; raises :class:`PlanError` if that answer is not a legal plan."""
        if not self.landings:
            raise PlanError("no_answer", "the framework ended without an answer from its model")
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
    """Turns a :class:`PlanContext` into a plan, through one framework. A subclass must have a ``name``
    and define :meth:`plan`; everything else has a default.

    An adapter that sets ``asks_model`` gets the address of the model gateway in ``context.model``, in
    both modes, and must send requests to no other address.
    """

    name: ClassVar[str]
    modes: ClassVar[frozenset[Mode]] = frozenset({"replay"})
    asks_model: ClassVar[bool] = False
    packages: ClassVar[tuple[str, ...]] = ()
    """Distributions that the adapter needs; recordings keep their versions."""
    extra: ClassVar[str | None] = None
    """The extra of pytest-execgo that installs ``packages`` in versions that work together."""

    def missing(self) -> str | None:
        """``None`` if all ``packages`` are installed, else the exact command that installs them."""
        if len(versions(self.packages)) == len(self.packages):
            return None
        if self.extra is not None:
            return f"pip install 'pytest-execgo[{self.extra}]'"
        return f"pip install {' '.join(self.packages)}"

    @abstractmethod
    def plan(self, context: PlanContext, trace: PlanTrace, recording: Path | None) -> StandardPlan:
        """The plan; called once per trial. Raises :class:`PlanError`.

        ``recording`` is the scenario's reference plan, if it has one; ``None`` for an adapter that
        asks a model: the model gateway replays for it.
        """
