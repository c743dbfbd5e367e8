"""``slow_stream``: the model's answer comes in pieces, with pauses."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from pydantic import Field

from pytest_execgo.chaos.model_fault import ModelAction
from pytest_execgo.chaos.model_proxy import Ask, Reply


class SlowStream(ModelAction):
    """The right answer in ``pieces`` of about the same size, ``pause_ms`` milliseconds apart."""

    name = "slow_stream"

    pieces: int = Field(default=2, ge=2, le=1000)
    pause_ms: int = Field(default=1500, ge=1, le=600_000)

    def description(self) -> str:
        return f"the model's answer comes in {self.pieces} pieces, {self.pause_ms} ms apart"

    def reply(self, ask: Ask, rng: Random) -> Reply | None:
        """A good answer, slowed down."""
        reply = ask()
        if reply.status != 200 or len(reply.body) < self.pieces:
            return None
        return replace(reply, pieces=self.pieces, pause_seconds=self.pause_ms / 1000)
