"""``garbage``: the fixtures server answers 200 with bytes that cannot be read."""

from __future__ import annotations

from pytest_execgo.chaos.fixture_fault import FixtureAction


class FixtureGarbage(FixtureAction):
    """What a broken cache or a captive portal sends: the status reports success, the body is
    unreadable."""

    name = effect = "garbage"

    def description(self) -> str:
        return "fixtures answers 200 with garbage"
