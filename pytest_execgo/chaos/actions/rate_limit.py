"""``rate_limit``: the model's endpoint refuses requests because there are too many."""

from __future__ import annotations

from random import Random

from pydantic import Field

from pytest_execgo.chaos.model_fault import ModelAction
from pytest_execgo.chaos.model_proxy import Ask, Reply, error_reply


class RateLimit(ModelAction):
    """429 instead of an answer. ``retry_after``: seconds in the header ``Retry-After``; null: no
    header."""

    name = "rate_limit"

    retry_after: int | None = Field(default=1, ge=0, le=86_400)

    def description(self) -> str:
        header = "" if self.retry_after is None else f", Retry-After: {self.retry_after}"
        return f"the model's endpoint answers 429{header}"

    def reply(self, ask: Ask, rng: Random) -> Reply:
        """The model is not asked."""
        after = self.retry_after
        headers = {} if after is None else {"retry_after": str(after)}
        return error_reply(429, "Rate limit reached for requests", "requests", **headers)
