"""``truncate``: the model's answer is cut off, as one that has become too long."""

from __future__ import annotations

from random import Random
from typing import Any

from pydantic import Field

from pytest_execgo.chaos.model_fault import AnswerAction, ModelParams


class Truncate(AnswerAction):
    """The first part of the text, with the reason that endpoints give: ``length``."""

    name = "truncate"
    summary = "the model's answer is cut off (finish_reason: length)"
    cut_off = True

    class Params(ModelParams):
        """``keep``: the share of the text that is left."""

        keep: float = Field(default=0.5, ge=0, lt=1)

    def description(self, params: Any) -> str:
        """How much is left."""
        return f"the model's answer ends after {params.keep:.0%} of its text"

    def change(self, text: str, params: Any, rng: Random) -> str:
        """The beginning."""
        return text[: int(len(text) * params.keep)]
