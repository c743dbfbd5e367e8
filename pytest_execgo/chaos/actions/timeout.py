"""``timeout``: the model does not answer."""

from __future__ import annotations

from random import Random
from typing import Any

from pytest_execgo.chaos.model_fault import ModelAction, ModelParams
from pytest_execgo.chaos.model_proxy import Ask, Reply


class ModelTimeout(ModelAction):
    """The request is taken and never answered: whoever asked waits as long as it likes
    (``--execgo-model-timeout``)."""

    name = "timeout"
    summary = "the model's endpoint takes a request and never answers"

    class Params(ModelParams):
        """Nothing of its own."""

    def description(self, params: Any) -> str:
        """Silence."""
        return "the model's endpoint takes a request and says nothing"

    def faulty_reply(self, ask: Ask, params: Any, rng: Random) -> Reply:
        """The model is not asked."""
        return Reply(0, silent=True)
