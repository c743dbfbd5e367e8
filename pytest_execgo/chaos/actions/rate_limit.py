"""``rate_limit``: the model's endpoint says that it is asked too often."""

from __future__ import annotations

from random import Random
from typing import Any

from pydantic import Field

from pytest_execgo.chaos.model_fault import ModelAction, ModelParams
from pytest_execgo.chaos.model_proxy import Ask, Reply, error_reply


class RateLimit(ModelAction):
    """429 instead of an answer."""

    name = "rate_limit"
    summary = "the model's endpoint answers 429, with Retry-After"

    class Params(ModelParams):
        """``retry_after``: seconds; null: it does not say."""

        retry_after: int | None = Field(default=1, ge=0)

    def description(self, params: Any) -> str:
        """The status, and what it asks for."""
        asks = "" if params.retry_after is None else f", Retry-After: {params.retry_after}"
        return f"the model's endpoint answers 429{asks}"

    def faulty_reply(self, ask: Ask, params: Any, rng: Random) -> Reply:
        """The model is not asked."""
        after = params.retry_after
        headers = {} if after is None else {"retry_after": str(after)}
        return error_reply(429, "Rate limit reached for requests", "requests", **headers)
