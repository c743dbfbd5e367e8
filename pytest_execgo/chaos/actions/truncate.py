"""``truncate``: the model's answer is cut off, like one that has become too long."""

from __future__ import annotations

from random import Random

from pydantic import Field

from pytest_execgo.chaos.model_fault import AnswerAction


class Truncate(AnswerAction):
    """The first part of the text (``keep``: its share, 0 to 1), with the reason that endpoints give:
    ``length``."""

    name = "truncate"
    cut_off = True

    keep: float = Field(default=0.5, ge=0, lt=1)

    def description(self) -> str:
        return f"the model's answer ends after {self.keep:.0%} of its text"

    def change_text(self, text: str, rng: Random) -> str:
        return text[: int(len(text) * self.keep)]
