"""``wrong_value``: the fixtures server answers in the right shape, with false content."""

from __future__ import annotations

from typing import Any

from pytest_execgo.chaos.fixture_fault import FixtureAction, FixtureParams


class FixtureWrongValue(FixtureAction):
    """Stale or poisoned data: every text and number of the JSON is another one, its shape the same."""

    name = effect = "wrong_value"
    summary = "fixtures answers in the right shape with false content"

    class Params(FixtureParams):
        """Nothing of its own."""

    def description(self, params: Any) -> str:
        """The same for all."""
        return "fixtures answers with false content"
