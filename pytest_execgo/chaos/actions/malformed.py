"""``malformed``: the model's answer, or the HTTP body around it, is not valid JSON."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Literal

from pytest_execgo.chaos.model_fault import AnswerAction
from pytest_execgo.chaos.model_proxy import Ask, Reply


class Malformed(AnswerAction):
    """``part: answer``: the answer is prose around a plan with trailing commas and single quotes.
    ``part: body``: the second half of the HTTP body is missing."""

    name = "malformed"

    part: Literal["answer", "body"] = "answer"

    def description(self) -> str:
        what = "the model's answer" if self.part == "answer" else "the body of the answer"
        return f"{what} is not valid JSON"

    def reply(self, ask: Ask, rng: Random) -> Reply | None:
        """Half of the body, or a changed answer."""
        if self.part == "answer":
            return super().reply(ask, rng)
        reply = ask()
        if reply.status != 200:
            return None
        return replace(reply, body=reply.body[: len(reply.body) // 2])

    def change_text(self, text: str, rng: Random) -> str:
        """As models answer that talk about JSON instead of writing it."""
        return "Sure! Here is the plan:\n" + text.replace('"', "'").replace("}", ",}")
