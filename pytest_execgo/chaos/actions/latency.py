"""``latency``: the fixtures server takes its time."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from pytest_execgo.chaos.fixture_fault import FixtureAction, FixtureParams


class FixtureLatency(FixtureAction):
    """The right answer, late."""

    name = effect = "latency"
    summary = "fixtures answers late"

    class Params(FixtureParams):
        """``delay_ms`` before each answer, in milliseconds."""

        delay_ms: int = Field(default=800, ge=1, le=600_000)

    def description(self, params: Any) -> str:
        """The delay."""
        return f"fixtures answers {params.delay_ms} ms late"
