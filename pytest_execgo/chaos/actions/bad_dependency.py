"""``bad_dependency``: a task depends on one that does not exist, on itself, or in a cycle."""

from __future__ import annotations

from random import Random
from typing import Literal

from pytest_execgo.chaos.action import Change, PlanAction, PlanScope, replace_task
from pytest_execgo.models.plan import StandardPlan
from pytest_execgo.models.task import Task


class BadDependency(PlanAction):
    """ExecGo refuses the stage at submission, and runs nothing of it."""

    name = "bad_dependency"

    kind: Literal["unknown", "self", "cycle"] = "unknown"

    def not_applicable(self, plan: StandardPlan, target: str) -> str | None:
        """A cycle needs two tasks in one stage."""
        if self.kind == "cycle" and all(len(s.task_graph.tasks) < 2 for s in plan.stages):
            return "no stage of the plan has two tasks"
        return super().not_applicable(plan, target)

    def change(self, plan: StandardPlan, scope: PlanScope, rng: Random) -> Change | None:
        """Draws one task, and for a cycle a second one of its stage."""
        candidates = [
            (stage, task)
            for stage, task in scope.tasks(plan)
            if self.kind != "cycle" or len(stage.task_graph.tasks) > 1
        ]
        if not candidates:
            return None
        stage, task = rng.choice(candidates)
        if self.kind != "cycle":
            dependency = task.id if self.kind == "self" else "no_such_task"
            changed = replace_task(plan, stage.stage_id, _depending(task, dependency))
            return Change(changed, f"{task.id} depends on {dependency}", stage.stage_id, task.id)
        other = rng.choice([t for t in stage.task_graph.tasks if t.id != task.id])
        changed = replace_task(plan, stage.stage_id, _depending(task, other.id))
        changed = replace_task(changed, stage.stage_id, _depending(other, task.id))
        detail = f"{task.id} and {other.id} depend on each other"
        return Change(changed, detail, stage.stage_id, task.id)


def _depending(task: Task, other: str) -> Task:
    return task.model_copy(
        update={"depends_on": (*(d for d in task.depends_on if d != other), other)}
    )
