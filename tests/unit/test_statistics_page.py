"""The intervals of the reports keep what docs/statistics.md says of them."""

from __future__ import annotations

from tests.statistics_page import PAGE, measured, updated


def test_every_interval_covers_the_truth_and_the_page_says_how_often() -> None:
    """To update it: python -m tests.statistics_page"""
    found = list(measured())
    assert [one for one in found if one.share < 0.93] == []
    text = PAGE.read_text()
    assert updated(text, found) == text
