"""What a chaos action is. One file per action in ``actions/``: its parameters, inject and heal."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from random import Random
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import Field

from pytest_execgo.models.chaos import Phase, When
from pytest_execgo.models.document import A_DAY_MS, Document
from pytest_execgo.models.plan import PlanStage, StandardPlan
from pytest_execgo.models.plan_rules import uses_placeholder
from pytest_execgo.models.task import Task
from pytest_execgo.ports import Target

C = TypeVar("C", bound=Target)
SERVICES = frozenset({"execgo", "runtime", "fixtures"})


class Action(Document):
    """Base of all actions. An action is its parameters: its fields are the keys that ``params`` of a
    profile may have, checked when the profile is read. It holds no other state."""

    name: ClassVar[str]
    targets: ClassVar[frozenset[str]]
    phases: ClassVar[frozenset[Phase]]
    needs_link: ClassVar[bool] = False
    """Whether clients must reach the target through a fault proxy."""

    def not_applicable(self, plan: StandardPlan, target: str) -> str | None:
        """Why this fault cannot affect ``plan``, decided before anything runs; ``None`` if it can."""
        tasks = [task for stage in plan.stages for task in stage.task_graph.tasks]
        if target == "runtime" and not any(task.type == "runtime" for task in tasks):
            return "the plan has no runtime task"
        if target == "fixtures" and not uses_placeholder(plan, "fixtures_url"):
            return "the plan does not use ${fixtures_url}"
        return None

    def unsupported(self, target: Target) -> str | None:
        """Which capability this target lacks for the fault; ``None`` if it lacks none."""
        return None

    @classmethod
    def misplaced(cls, when: When) -> str | None:
        """Why a fault cannot be injected under this condition, reported when its profile is read."""
        return None


@dataclass(frozen=True)
class Change:
    """A changed plan, and what was changed where."""

    plan: StandardPlan
    detail: str
    stage_id: str
    task_id: str


class PlanAction(Action):
    """Changes the plan, or a graph before it is submitted. It needs no healing: the original plan stays
    as it is."""

    targets = frozenset({"plan"})
    phases = frozenset({"plan", "submit"})

    @abstractmethod
    def change(self, plan: StandardPlan, scope: PlanScope, rng: Random) -> Change | None:
        """The changed plan; ``None`` if nothing in ``scope`` can be changed."""


@dataclass(frozen=True)
class Injection:
    """A fault that is in place.

    ``heal`` is called exactly once and returns what it did. ``injected_at`` is for faults that wait at
    their target until a client meets them: asked when the trial ends, it gives seconds since the epoch,
    or ``None`` if no client met the fault. Without it, the fault counts as injected at once.
    """

    detail: str
    heal: Callable[[], str]
    injected_at: Callable[[], float | None] | None = None


class ServiceAction(Action, Generic[C]):
    """Does something to a running service. ``C`` is the capability that the target must have, one of the
    protocols in :mod:`pytest_execgo.ports`.

    ``heal_after_ms``: milliseconds from injection to healing; ``None``: healed when the trial ends.
    """

    targets = SERVICES
    phases = frozenset({"submit", "runtime", "poll", "verify"})
    takes_long: ClassVar[bool] = False
    """Whether ``inject`` may wait for the service; the trial then continues meanwhile."""
    needs_process: ClassVar[bool] = False
    """Whether the target's process must be alive when the fault is injected."""
    searched: ClassVar[tuple[dict[str, Any], ...]] = ()
    """Parameters with which ``chaos search`` tries the action, each a fault from which a plan should
    recover. Empty: the search leaves the action out."""

    heal_after_ms: int | None = Field(default=None, ge=0, le=A_DAY_MS)

    @classmethod
    def capability(cls) -> type[Target]:
        """The protocol that ``C`` stands for."""
        for base in cls.__mro__:
            generic = vars(base).get("__pydantic_generic_metadata__", {})
            if generic.get("origin") is ServiceAction:
                found = generic["args"][0]
                if isinstance(found, type):
                    return found
        return Target

    def unsupported(self, target: Target) -> str | None:
        """A service that another program manages lacks the capability."""
        if isinstance(target, self.capability()):
            return None
        return f"{target.name} does not support {self.name}"

    @abstractmethod
    def inject(self, target: C, trial_id: str, rng: Random) -> Injection:
        """Put the fault in place. Whatever it raises is recorded: the fault then counts as not fired."""


@dataclass(frozen=True)
class PlanScope:
    """The part of a plan that a fault may affect, as shell patterns."""

    stage: str
    task: str

    def matches(self, stage_id: str, task_id: str | None = None) -> bool:
        """Whether a stage (and a task of it) is in scope."""
        return fnmatchcase(stage_id, self.stage) and (
            task_id is None or fnmatchcase(task_id, self.task)
        )

    def tasks(self, plan: StandardPlan) -> list[tuple[PlanStage, Task]]:
        """All tasks in scope, in document order."""
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
