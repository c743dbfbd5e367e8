"""``server_error``: the model's endpoint fails."""

from __future__ import annotations

from random import Random
from typing import Any

from pydantic import Field

from pytest_execgo.chaos.model_fault import ModelAction, ModelParams
from pytest_execgo.chaos.model_proxy import Ask, Reply, error_reply


class ServerError(ModelAction):
    """A status of 500 or above instead of an answer."""

    name = "server_error"
    summary = "the model's endpoint answers with an error of its own"

    class Params(ModelParams):
        """``status``: 500 to 599."""

        status: int = Field(default=503, ge=500, le=599)

    def description(self, params: Any) -> str:
        """The status."""
        return f"the model's endpoint answers {params.status}"

    def faulty_reply(self, ask: Ask, params: Any, rng: Random) -> Reply:
        """The model is not asked."""
        return error_reply(params.status, "The server had an error", "server_error")
