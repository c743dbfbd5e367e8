"""``drop_binding``: a value that a later task needs is not in the result it is taken from."""

from __future__ import annotations

from random import Random

from pytest_execgo.chaos.action import Change, PlanAction, PlanScope, replace_stage
from pytest_execgo.models.plan import StandardPlan

ABSENT = "runtime.output.no_such_member"


class DropBinding(PlanAction):
    """Injected before bindings are resolved: one required binding looks for a member that no result has.
    ``task`` of the condition is the task that needs the value."""

    name = "drop_binding"
    phases = frozenset({"plan"})

    def not_applicable(self, plan: StandardPlan, target: str) -> str | None:
        """The plan must have a required binding."""
        if not any(binding.required for stage in plan.stages for binding in stage.bindings):
            return "the plan has no required binding"
        return super().not_applicable(plan, target)

    def change(self, plan: StandardPlan, scope: PlanScope, rng: Random) -> Change | None:
        """Draws one binding."""
        candidates = [
            (stage, index)
            for stage in plan.stages
            for index, binding in enumerate(stage.bindings)
            if binding.required and scope.matches(stage.stage_id, binding.target_task_id)
        ]
        if not candidates:
            return None
        stage, index = rng.choice(candidates)
        dropped = stage.bindings[index]
        bindings = list(stage.bindings)
        bindings[index] = dropped.model_copy(update={"source_path": ABSENT})
        changed = replace_stage(plan, stage.model_copy(update={"bindings": tuple(bindings)}))
        needs, gives = dropped.target_task_id, dropped.source_task_id
        detail = f"the value that {needs} takes from {gives} is missing"
        return Change(changed, detail, stage.stage_id, needs)
