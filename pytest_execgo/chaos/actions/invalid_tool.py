"""``invalid_tool``: a task asks for something that ExecGo does not have."""

from __future__ import annotations

from random import Random
from typing import Any, Literal

from pytest_execgo.chaos.action import Change, PlanAction, PlanScope, replace_task
from pytest_execgo.models.plan import StandardPlan


class InvalidTool(PlanAction):
    """``kind: type`` gives one task an unknown type, which ExecGo refuses at submission. ``kind: tool``
    makes it an ``os`` task with an unknown tool, which ExecGo accepts and fails. ``tool``: the name that
    does not exist."""

    name = "invalid_tool"

    kind: Literal["type", "tool"] = "type"
    tool: str = "no_such_tool"

    def change(self, plan: StandardPlan, scope: PlanScope, rng: Random) -> Change | None:
        """Draws one task."""
        candidates = scope.tasks(plan)
        if not candidates:
            return None
        stage, task = rng.choice(candidates)
        if self.kind == "type":
            update: dict[str, Any] = {"type": self.tool}
            detail = f"task {task.id}: type {task.type} became {self.tool}"
        else:
            update = {"type": "os", "tool_name": self.tool}
            detail = f"task {task.id}: {task.type} became os tool {self.tool}"
        changed = replace_task(plan, stage.stage_id, task.model_copy(update=update))
        return Change(changed, detail, stage.stage_id, task.id)
