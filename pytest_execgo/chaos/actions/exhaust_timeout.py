"""``exhaust_timeout``: a task gets less time than it needs."""

from __future__ import annotations

from random import Random
from typing import Literal

from pydantic import Field

from pytest_execgo.chaos.action import Change, PlanAction, PlanScope, replace_task
from pytest_execgo.models.document import A_DAY_MS
from pytest_execgo.models.plan import StandardPlan
from pytest_execgo.models.task import Task


class ExhaustTimeout(PlanAction):
    """``budget: task`` is ExecGo's own timeout of the task: ExecGo stops waiting, the runtime continues.
    ``budget: limit`` is the runtime's wall clock limit, which ends the process. ``left_ms``: the
    milliseconds that remain."""

    name = "exhaust_timeout"

    budget: Literal["task", "limit"] = "limit"
    left_ms: int = Field(default=1, ge=1, le=A_DAY_MS)

    def not_applicable(self, plan: StandardPlan, target: str) -> str | None:
        """Only runtime tasks certainly take time."""
        if not any(t.type == "runtime" for s in plan.stages for t in s.task_graph.tasks):
            return "the plan has no runtime task"
        return super().not_applicable(plan, target)

    def change(self, plan: StandardPlan, scope: PlanScope, rng: Random) -> Change | None:
        """Draws one runtime task."""
        candidates = [(s, task) for s, task in scope.tasks(plan) if task.type == "runtime"]
        if not candidates:
            return None
        stage, task = rng.choice(candidates)
        if self.budget == "task":
            changed = task.model_copy(update={"timeout": self.left_ms})
        else:
            changed = _limited(task, self.left_ms)
        detail = f"{task.id} has {self.left_ms} ms left ({self.budget})"
        done = replace_task(plan, stage.stage_id, changed)
        return Change(done, detail, stage.stage_id, task.id)


def _limited(task: Task, left_ms: int) -> Task:
    """The limit belongs into whichever of ``input`` and ``params`` the task uses."""
    name = "input" if task.input is not None else "params"
    payload = getattr(task, name)
    if not isinstance(payload, dict):
        raise TypeError(f"{task.id}: its {name} is not a mapping")
    limits = {**(payload.get("limits") or {}), "wall_time_ms": left_ms}
    return task.model_copy(update={name: {**payload, "limits": limits}})
