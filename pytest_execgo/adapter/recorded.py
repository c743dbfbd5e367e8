"""Answers from a recording instead of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_execgo.adapter.answer import Answer
from pytest_execgo.errors import PlanError
from pytest_execgo.models.recording import Exchange

DIVERGENCE = "replay_divergence"
_LEFT_OUT = (
    "model",
    "temperature",
    "max_tokens",
    "max_completion_tokens",
    "stream",
    "stream_options",
)
"""Keys of a request that may differ between a recording and its replay."""


class Recorded:
    """An :class:`AnswerSource` that gives the recorded answers in order. A request that differs from the
    recorded one is a divergence."""

    retryable = False

    def __init__(self, exchanges: Sequence[Exchange]) -> None:
        self._exchanges = exchanges

    def answer(self, number: int, path: str, asked: Any, seconds: float) -> Answer:
        """The recorded answer to request ``number``; raises :class:`PlanError` for a divergence."""
        if number >= len(self._exchanges):
            raise PlanError(
                DIVERGENCE,
                f"replay divergence at request {number + 1}: the recording has "
                f"{len(self._exchanges)}, but the framework sends one more",
            )
        known = self._exchanges[number]
        where = _difference(_essence(known.asked), _essence(asked))
        if known.path != path or where:
            raise PlanError(
                DIVERGENCE,
                f"replay divergence at request {number + 1}: {where or 'the path'} differs from "
                "the recording",
            )
        return Answer(
            known.status, known.content_type, known.answer, known.retry_after, late=known.late
        )


def _essence(asked: Any) -> Any:
    return (
        {k: v for k, v in asked.items() if k not in _LEFT_OUT} if isinstance(asked, dict) else asked
    )


def _difference(known: Any, asked: Any, path: str = "") -> str | None:
    """The first key path at which two JSON values differ; ``None`` if they are equal."""
    if isinstance(known, dict) and isinstance(asked, dict):
        for key in dict.fromkeys([*known, *asked]):
            at = f"{path}.{key}" if path else str(key)
            if (key in known) != (key in asked):
                return at
            found = _difference(known[key], asked[key], at)
            if found:
                return found
        return None
    if isinstance(known, list) and isinstance(asked, list) and len(known) == len(asked):
        for index, (one, other) in enumerate(zip(known, asked, strict=True)):
            found = _difference(one, other, f"{path}[{index}]")
            if found:
                return found
        return None
    return None if known == asked else path or "the body"
