"""``wrong_value``: the fixtures server answers in the right shape, with false content."""

from __future__ import annotations

from pytest_execgo.chaos.fixture_fault import FixtureAction


class FixtureWrongValue(FixtureAction):
    """Stale or poisoned data: each text and number is replaced, the shape of JSON is kept."""

    name = effect = "wrong_value"

    def description(self) -> str:
        return "fixtures answers with false content"
