"""``garbage``: the fixtures server answers 200 with bytes that are no content."""

from __future__ import annotations

from typing import Any

from pytest_execgo.chaos.fixture_fault import FixtureAction, FixtureParams


class FixtureGarbage(FixtureAction):
    """What a broken cache or a captive portal sends: it looks like success and cannot be read."""

    name = effect = "garbage"
    summary = "fixtures answers 200 with bytes that cannot be read"

    class Params(FixtureParams):
        """Nothing of its own."""

    def description(self, params: Any) -> str:
        """The same for all."""
        return "fixtures answers 200 with garbage"
