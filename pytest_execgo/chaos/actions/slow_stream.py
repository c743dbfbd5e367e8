"""``slow_stream``: the model's answer comes in pieces, with pauses."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from pydantic import Field

from pytest_execgo.chaos.model_fault import ModelAction, ModelParams
from pytest_execgo.chaos.model_proxy import Ask, Reply


class SlowStream(ModelAction):
    """The right answer, which stands still again and again."""

    name = "slow_stream"
    summary = "the model's answer comes in pieces, with pauses between them"

    class Params(ModelParams):
        """``pieces`` of about the same size, ``pause_ms`` between two."""

        pieces: int = Field(default=2, ge=2, le=1000)
        pause_ms: int = Field(default=1500, ge=1)

    def description(self, params: Any) -> str:
        """How it comes."""
        return f"the model's answer comes in {params.pieces} pieces, {params.pause_ms} ms apart"

    def faulty_reply(self, ask: Ask, params: Any, rng: Random) -> Reply | None:
        """Only a good answer is drawn out."""
        reply = ask()
        if reply.status != 200 or len(reply.body) < params.pieces:
            return None
        return replace(reply, pieces=params.pieces, pause_seconds=params.pause_ms / 1000)
