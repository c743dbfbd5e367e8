"""docs/statistics.md shows the measured figures, and they are good enough."""

from __future__ import annotations

from tests.statistics_page import PAGE, measured, updated, wrong_decisions


def test_intervals_cover_the_truth_decisions_hold_and_the_page_is_up_to_date() -> None:
    """To update it: python -m tests.statistics_page"""
    coverage, decisions = list(measured()), list(wrong_decisions())
    assert [row for row in coverage if row.share < 0.93] == []
    assert [row for row in decisions if row.share > 0.05] == []
    text = PAGE.read_text()
    assert text == updated(text, coverage, decisions)
