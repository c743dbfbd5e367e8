"""Faults that wait before a model's endpoint until it is asked for a plan."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from random import Random
from typing import Any

from pydantic import Field

from pytest_execgo.chaos.action import Injection, ServiceAction, ServiceHandle
from pytest_execgo.chaos.answer_text import with_text
from pytest_execgo.chaos.model_proxy import Ask, ModelFault, ModelProxy, Reply
from pytest_execgo.models.chaos import When
from pytest_execgo.models.document import Document

MODEL = "model"


class ModelParams(Document):
    """``after``: how many requests pass unharmed first; ``times``: how many are hit then (0: all)."""

    after: int = Field(default=0, ge=0)
    times: int = Field(default=1, ge=0)


class ModelAction(ServiceAction):
    """Strikes when the model is asked: what comes back is not what it said, or nothing is."""

    targets = frozenset({MODEL})
    phases = frozenset({"plan"})

    @abstractmethod
    def description(self, params: Any) -> str:
        """What becomes of answers, in words."""

    @abstractmethod
    def faulty_reply(self, ask: Ask, params: Any, rng: Random) -> Reply | None:
        """The reply to one request; ``None`` if this one cannot be spoilt."""

    def misplaced(self, when: When) -> str | None:
        """There are no stages yet."""
        if (when.stage, when.task) == ("*", "*"):
            return None
        return "a model is asked before there are stages and tasks; leave out stage and task"

    def inject(self, target: ServiceHandle, trial_id: str, params: Any, rng: Random) -> Injection:
        """Wait for requests; it strikes with the first that is hit."""
        assert isinstance(target, ModelProxy)
        proxy = target
        fault = ModelFault(
            lambda ask: self.faulty_reply(ask, params, rng), params.after, params.times
        )
        proxy.inject(fault)

        def heal() -> str:
            proxy.heal(fault)
            return "the model answers as usual"

        return Injection(self.description(params), heal, lambda: fault.injected_at)


class AnswerAction(ModelAction):
    """What the model says is changed; the form in which it is said is not."""

    cut_off = False
    """Whether the answer ends as one that was too long."""

    @abstractmethod
    def change(self, text: str, params: Any, rng: Random) -> str | None:
        """The changed text; ``None`` if this one cannot be changed."""

    def faulty_reply(self, ask: Ask, params: Any, rng: Random) -> Reply | None:
        """Change the text of a good answer."""
        reply = ask()
        if reply.status != 200:
            return None
        body = with_text(
            reply.body, lambda text: self.change(text, params, rng), cut_off=self.cut_off
        )
        return None if body is None else replace(reply, body=body)
