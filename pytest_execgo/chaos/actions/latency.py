"""``latency``: the fixtures server answers late."""

from __future__ import annotations

from pydantic import Field

from pytest_execgo.chaos.fixture_fault import FixtureAction


class FixtureLatency(FixtureAction):
    """The right answer, ``delay_ms`` milliseconds late."""

    name = effect = "latency"
    searched = ({"delay_ms": 500, "times": 3},)

    delay_ms: int = Field(default=800, ge=1, le=600_000)

    def description(self) -> str:
        return f"fixtures answers {self.delay_ms} ms late"
