"""``wrong_schema``: the model answers with JSON of another form than it was asked for."""

from __future__ import annotations

from random import Random
from typing import Any

from pytest_execgo.chaos.answer_plan import changed_plan, tasks_of
from pytest_execgo.chaos.model_fault import AnswerAction, ModelParams


class WrongSchema(AnswerAction):
    """One key of the plan has another name: that of the stages, of a stage's id, or of a task's."""

    name = "wrong_schema"
    summary = "the model's plan has a key that the schema does not know"

    class Params(ModelParams):
        """Nothing of its own."""

    def description(self, params: Any) -> str:
        """What is wrong."""
        return "a key of the model's plan has another name than in the schema"

    def change(self, text: str, params: Any, rng: Random) -> str | None:
        """Which key, by the dice."""
        return changed_plan(text, lambda plan: _rename_one(plan, rng))


def _rename_one(plan: dict[str, Any], rng: Random) -> None:
    stage, task = rng.choice(plan["stages"]), rng.choice(tasks_of(plan))
    holder, key, new = rng.choice(
        [(plan, "stages", "steps"), (stage, "stage_id", "name"), (task, "id", "name")]
    )
    holder[new] = holder.pop(key)
