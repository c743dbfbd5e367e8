"""``timeout``: the model does not answer."""

from __future__ import annotations

from random import Random

from pytest_execgo.chaos.model_fault import ModelAction
from pytest_execgo.chaos.model_proxy import Ask, Reply


class ModelTimeout(ModelAction):
    """The endpoint accepts the request and never answers. The client waits as long as it chooses to
    (``--execgo-model-timeout``)."""

    name = "timeout"

    def description(self) -> str:
        return "the model's endpoint accepts a request and does not answer"

    def reply(self, ask: Ask, rng: Random) -> Reply:
        """The model is not asked."""
        return Reply(0, silent=True)
