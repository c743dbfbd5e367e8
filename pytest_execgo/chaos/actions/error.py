"""``error``: the fixtures server answers a trial's requests with an error status."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from pytest_execgo.chaos.fixture_fault import FixtureAction, FixtureParams


class FixtureError(FixtureAction):
    """An error status and a short JSON body instead of the content."""

    name = effect = "error"
    summary = "fixtures answers with an error status"

    class Params(FixtureParams):
        """``status``: 400 to 599."""

        status: int = Field(default=503, ge=400, le=599)

    def description(self, params: Any) -> str:
        """The status."""
        return f"fixtures answers {params.status}"
