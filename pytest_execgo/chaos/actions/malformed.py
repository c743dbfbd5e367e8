"""``malformed``: the model's answer is no JSON where it has to be."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any, Literal

from pytest_execgo.chaos.model_fault import AnswerAction, ModelParams
from pytest_execgo.chaos.model_proxy import Ask, Reply


class Malformed(AnswerAction):
    """``part: answer``: what the model says is prose around a plan with trailing commas and single
    quotes. ``part: body``: half of the HTTP body is missing."""

    name = "malformed"
    summary = "the model's answer, or the HTTP body around it, is no JSON"

    class Params(ModelParams):
        """Which of the two."""

        part: Literal["answer", "body"] = "answer"

    def description(self, params: Any) -> str:
        """Which part."""
        what = "the model's answer" if params.part == "answer" else "the body of the answer"
        return f"{what} is no JSON"

    def faulty_reply(self, ask: Ask, params: Any, rng: Random) -> Reply | None:
        """Half of a body, or another answer."""
        if params.part == "answer":
            return super().faulty_reply(ask, params, rng)
        reply = ask()
        if reply.status != 200:
            return None
        return replace(reply, body=reply.body[: len(reply.body) // 2])

    def change(self, text: str, params: Any, rng: Random) -> str:
        """As models do that talk about JSON instead of writing it."""
        return "Sure! Here is the plan:\n" + text.replace('"', "'").replace("}", ",}")
