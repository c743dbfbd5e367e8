"""``server_error``: the model's endpoint fails."""

from __future__ import annotations

from random import Random

from pydantic import Field

from pytest_execgo.chaos.model_fault import ModelAction
from pytest_execgo.chaos.model_proxy import Ask, Reply, error_reply


class ServerError(ModelAction):
    """``status`` (500 to 599) instead of an answer."""

    name = "server_error"

    status: int = Field(default=503, ge=500, le=599)

    def description(self) -> str:
        return f"the model's endpoint answers {self.status}"

    def reply(self, ask: Ask, rng: Random) -> Reply:
        """The model is not asked."""
        return error_reply(self.status, "The server had an error", "server_error")
