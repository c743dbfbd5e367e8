"""``unknown_tool``: the model plans with a tool that ExecGo does not have."""

from __future__ import annotations

from random import Random
from typing import Any

from pytest_execgo.chaos.answer_plan import changed_plan, tasks_of
from pytest_execgo.chaos.model_fault import AnswerAction, ModelParams


class UnknownTool(AnswerAction):
    """One task of the answer becomes an ``os`` task with a tool that the model was not told of."""

    name = "unknown_tool"
    summary = "the model's plan uses a tool that ExecGo does not have"

    class Params(ModelParams):
        """``tool`` is the name that does not exist."""

        tool: str = "no_such_tool"

    def description(self, params: Any) -> str:
        """Which tool."""
        return f"a task of the model's plan uses the tool {params.tool}"

    def change(self, text: str, params: Any, rng: Random) -> str | None:
        """Which task, by the dice."""

        def use_it(plan: dict[str, Any]) -> None:
            rng.choice(tasks_of(plan)).update(type="os", tool_name=params.tool)

        return changed_plan(text, use_it)
