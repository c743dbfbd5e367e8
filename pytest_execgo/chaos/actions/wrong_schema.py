"""``wrong_schema``: the model answers with JSON that does not fit the schema it was given."""

from __future__ import annotations

from random import Random
from typing import Any

from pytest_execgo.chaos.answer_plan import changed_plan, tasks_of
from pytest_execgo.chaos.model_fault import AnswerAction


class WrongSchema(AnswerAction):
    """One key of the plan, drawn at random, has another name: the list of stages, the id of a
    stage, or the id of a task."""

    name = "wrong_schema"

    def description(self) -> str:
        return "a key of the model's plan has another name than in the schema"

    def change_text(self, text: str, rng: Random) -> str | None:
        return changed_plan(text, lambda plan: _rename_one(plan, rng))


def _rename_one(plan: dict[str, Any], rng: Random) -> None:
    stage, task = rng.choice(plan["stages"]), rng.choice(tasks_of(plan))
    holder, key, new = rng.choice(
        [(plan, "stages", "steps"), (stage, "stage_id", "name"), (task, "id", "name")]
    )
    holder[new] = holder.pop(key)
