"""Faults that wait in front of a model's endpoint until it is asked for a plan."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from random import Random
from typing import ClassVar

from pydantic import Field

from pytest_execgo.chaos.action import Injection, ServiceAction
from pytest_execgo.chaos.answer_text import with_text
from pytest_execgo.chaos.model_proxy import Ask, ModelFault, ModelProxy, Reply
from pytest_execgo.models.chaos import When

MODEL = "model"


class ModelAction(ServiceAction[ModelProxy]):
    """Affects requests to the model: it replaces an answer, or prevents it.

    ``after``: how many requests pass unaffected first. ``times``: how many are affected then, 0 for all.
    """

    targets = frozenset({MODEL})
    phases = frozenset({"plan"})

    after: int = Field(default=0, ge=0)
    times: int = Field(default=1, ge=0)

    @abstractmethod
    def description(self) -> str:
        """What happens to answers, in words."""

    @abstractmethod
    def reply(self, ask: Ask, rng: Random) -> Reply | None:
        """What one request gets instead; ``None`` if the fault cannot be injected into this one.
        ``ask`` asks the model."""

    @classmethod
    def misplaced(cls, when: When) -> str | None:
        """A condition on stages or tasks would never come true."""
        if (when.stage, when.task) == ("*", "*"):
            return None
        return "a model is asked before there are stages and tasks; leave out stage and task"

    def inject(self, target: ModelProxy, trial_id: str, rng: Random) -> Injection:
        """Wait at the proxy for requests."""
        fault = ModelFault(lambda ask: self.reply(ask, rng), self.after, self.times)
        target.inject(fault)

        def heal() -> str:
            target.heal(fault)
            return "the model answers normally"

        return Injection(self.description(), heal, lambda: fault.injected_at)


class AnswerAction(ModelAction):
    """Rewrites the text of the model's answer and keeps the format around it."""

    cut_off: ClassVar[bool] = False
    """Whether the answer says that it ended because it was too long."""

    @abstractmethod
    def change_text(self, text: str, rng: Random) -> str | None:
        """The changed text; ``None`` if this one cannot be changed."""

    def reply(self, ask: Ask, rng: Random) -> Reply | None:
        """A good answer with its text changed. Replies without a text pass through unchanged, and the
        fault waits for the next one."""
        reply = ask()
        if reply.status != 200:
            return None
        body = with_text(reply.body, lambda text: self.change_text(text, rng), cut_off=self.cut_off)
        return None if body is None else replace(reply, body=body)
