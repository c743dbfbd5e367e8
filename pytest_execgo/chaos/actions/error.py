"""``error``: the fixtures server answers a trial's requests with an error status."""

from __future__ import annotations

from pydantic import Field

from pytest_execgo.chaos.fixture_fault import FixtureAction


class FixtureError(FixtureAction):
    """``status`` (400 to 599) and a short JSON body instead of the content."""

    name = effect = "error"
    searched = ({"status": 503, "times": 1},)

    status: int = Field(default=503, ge=400, le=599)

    def description(self) -> str:
        return f"fixtures answers {self.status}"
