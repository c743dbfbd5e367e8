"""``invalid_tool``: a task asks for something that ExecGo does not have."""

from __future__ import annotations

from random import Random
from typing import Any, Literal

from pytest_execgo.chaos.action import Change, PlanAction, PlanScope, replace_task
from pytest_execgo.models.document import Document
from pytest_execgo.models.plan import StandardPlan


class InvalidTool(PlanAction):
    """``kind: type`` gives one task an unknown type (refused at submission); ``kind: tool`` makes it
    an ``os`` task with an unknown tool (accepted, and failing when it runs)."""

    name = "invalid_tool"
    summary = "a task of an unknown type, or with an unknown tool"

    class Params(Document):
        """``tool`` is the name that does not exist."""

        kind: Literal["type", "tool"] = "type"
        tool: str = "no_such_tool"

    def change(
        self, plan: StandardPlan, scope: PlanScope, params: Any, rng: Random
    ) -> Change | None:
        """Pick one task by the dice."""
        candidates = scope.tasks(plan)
        if not candidates:
            return None
        stage, task = rng.choice(candidates)
        if params.kind == "type":
            update: dict[str, Any] = {"type": params.tool}
            detail = f"task {task.id}: type {task.type} became {params.tool}"
        else:
            update = {"type": "os", "tool_name": params.tool}
            detail = f"task {task.id}: {task.type} became os tool {params.tool}"
        changed = replace_task(plan, stage.stage_id, task.model_copy(update=update))
        return Change(changed, detail, stage.stage_id, task.id)
