"""``unknown_tool``: the model plans with a tool that ExecGo does not have."""

from __future__ import annotations

from random import Random
from typing import Any

from pytest_execgo.chaos.answer_plan import changed_plan, tasks_of
from pytest_execgo.chaos.model_fault import AnswerAction


class UnknownTool(AnswerAction):
    """One task of the answer, drawn at random, becomes an ``os`` task with the unknown ``tool``."""

    name = "unknown_tool"

    tool: str = "no_such_tool"

    def description(self) -> str:
        return f"a task of the model's plan uses the tool {self.tool}"

    def change_text(self, text: str, rng: Random) -> str | None:
        def use_it(plan: dict[str, Any]) -> None:
            rng.choice(tasks_of(plan)).update(type="os", tool_name=self.tool)

        return changed_plan(text, use_it)
