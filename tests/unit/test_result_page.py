"""The page about the members of a result."""

from __future__ import annotations

from tests.result_page import PAGE, updated


def test_the_page_has_the_members_of_the_models() -> None:
    """To update it: python -m tests.result_page"""
    text = PAGE.read_text()
    assert updated(text) == text
    assert "| `.recovery_ms` | number or null |" in text
    assert "### `result.verdict.attribution[i]`" in text
