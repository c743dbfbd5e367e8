"""What a chaos action is. One file per action in ``actions/``: typed parameters, inject, undo."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from random import Random
from typing import Any, ClassVar, Protocol

from pytest_execgo.models.chaos import Phase, When
from pytest_execgo.models.document import Document
from pytest_execgo.models.plan import PlanStage, StandardPlan
from pytest_execgo.models.plan_rules import uses_placeholder
from pytest_execgo.models.task import Task


class Struck(Protocol):
    """Something that waits until a client feels it."""

    @property
    def injected_at(self) -> float | None:
        """Seconds since the epoch; ``None`` while nobody has."""


class Link(Protocol):
    """The way to a service, where it can be made to fail."""

    def inject(self, kind: Any, latency_ms: float, jitter_ms: float, seed: int) -> Struck:
        """``latency``, ``reset`` or ``partition``, from now on."""

    def heal(self) -> None:
        """As it was before."""


class ServiceHandle(Protocol):
    """A service as an action sees it; what it can do beyond this is found by its capabilities."""

    name: str

    @property
    def link(self) -> Link | None:
        """The way its clients take, if it is ours to disturb."""

    @property
    def url(self) -> str:
        """Base URL."""

    def running(self) -> bool:
        """Whether its process is alive."""


class Action(ABC):
    """Base of all actions. Instances hold no state: one serves all trials."""

    name: ClassVar[str]
    summary: ClassVar[str]
    targets: ClassVar[frozenset[str]]
    phases: ClassVar[frozenset[Phase]]
    needs_link: ClassVar[bool] = False
    """Whether the target must be reached through a fault proxy."""
    Params: ClassVar[type[Document]]

    def not_applicable(self, plan: StandardPlan, target: str, params: Any) -> str | None:
        """Why this fault cannot touch ``plan``, decided before anything runs; ``None`` if it can."""
        tasks = [task for stage in plan.stages for task in stage.task_graph.tasks]
        if target == "runtime" and not any(task.type == "runtime" for task in tasks):
            return "the plan has no runtime task"
        if target == "fixtures" and not uses_placeholder(plan, "fixtures_url"):
            return "the plan does not use ${fixtures_url}"
        return None

    def unsupported(self, target: ServiceHandle, params: Any) -> str | None:
        """Why this fleet cannot be treated so (a missing capability); ``None`` if it can."""
        return None

    def misplaced(self, when: When) -> str | None:
        """Why a fault cannot strike under this condition, told when its profile is read."""
        return None


@dataclass(frozen=True)
class Change:
    """A changed plan, and what was changed where."""

    plan: StandardPlan
    detail: str
    stage_id: str
    task_id: str


class PlanAction(Action):
    """Changes the plan or a graph about to be submitted. Needs no undo: the original is untouched."""

    targets = frozenset({"plan"})
    phases = frozenset({"plan", "submit"})

    @abstractmethod
    def change(
        self, plan: StandardPlan, scope: PlanScope, params: Any, rng: Random
    ) -> Change | None:
        """The changed plan, or ``None`` if nothing at ``site`` can be changed."""


@dataclass(frozen=True)
class Injection:
    """A fault that is in place.

    ``struck`` is asked when the trial ends, for faults that wait at the service: seconds since the
    epoch of the first hit, or ``None``. Without it the fault struck when it was injected.
    """

    detail: str
    heal: Callable[[], str]
    injected_at: Callable[[], float | None] | None = None


class ServiceAction(Action):
    """Does something to a running service."""

    phases = frozenset({"submit", "runtime", "poll", "verify"})
    takes_long: ClassVar[bool] = False
    """Whether ``inject`` may wait for the service; the trial then goes on meanwhile."""
    capability: ClassVar[type | None] = None
    """The protocol that the target must have, if any."""

    def unsupported(self, target: ServiceHandle, params: Any) -> str | None:
        """A service whose process is not ours lacks the capability."""
        if self.capability is None or isinstance(target, self.capability):
            return None
        return f"{self.name} cannot be done to {target.name} from here"

    @abstractmethod
    def inject(self, target: ServiceHandle, trial_id: str, params: Any, rng: Random) -> Injection:
        """Put the fault in place; the returned ``undo`` is called exactly once."""

    def heals_after_ms(self, params: Any) -> int | None:
        """When the undo comes by itself; ``None``: at the end of the trial."""
        return None


@dataclass(frozen=True)
class PlanScope:
    """The part of a plan that a fault may touch, as shell patterns."""

    stage: str
    task: str

    def matches(self, stage_id: str, task_id: str | None = None) -> bool:
        """Whether a stage (and a task) is meant."""
        return fnmatchcase(stage_id, self.stage) and (
            task_id is None or fnmatchcase(task_id, self.task)
        )

    def tasks(self, plan: StandardPlan) -> list[tuple[PlanStage, Task]]:
        """All tasks that are meant, in document order."""
        return [
            (stage, task)
            for stage in plan.stages
            for task in stage.task_graph.tasks
            if self.matches(stage.stage_id, task.id)
        ]


def replace_stage(plan: StandardPlan, changed: PlanStage) -> StandardPlan:
    """``plan`` with one stage exchanged for another of the same id."""
    stages = (changed if s.stage_id == changed.stage_id else s for s in plan.stages)
    return plan.model_copy(update={"stages": tuple(stages)})


def replace_task(plan: StandardPlan, stage_id: str, changed: Task) -> StandardPlan:
    """``plan`` with one task exchanged for another of the same id."""
    stage = next(stage for stage in plan.stages if stage.stage_id == stage_id)
    tasks = tuple(changed if t.id == changed.id else t for t in stage.task_graph.tasks)
    graph = stage.task_graph.model_copy(update={"tasks": tasks})
    return replace_stage(plan, stage.model_copy(update={"task_graph": graph}))
