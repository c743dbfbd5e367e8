"""Which regular expressions are matched in this process. ``tests/e2e/test_limits.py`` has the others."""

from __future__ import annotations

import pytest

from pytest_execgo.scenario.matching import Matcher, is_simple

LONG = "a" * 5000


@pytest.mark.parametrize(
    ("pattern", "text"),
    [("^hel", "hello"), ("[a-c]x.", LONG), (r"\d\d", LONG), ("a+$", "aaa"), ("a|b", "b"), ("", "")],
)
def test_simple_expression_is_matched_here(pattern: str, text: str) -> None:
    assert is_simple(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("(a+)+$", "aaa"),
        ("(a|a)*$", "aaa"),
        ("a?a?", "a"),
        ("a{1,9}{1,9}", "a"),
        ("a*b", LONG),
        (r"(a)\1", "aa"),
        ("(?=a)a", "a"),
    ],
)
def test_expression_with_several_ways_to_match_is_not_simple(pattern: str, text: str) -> None:
    assert not is_simple(pattern, text)


def test_simple_expression_starts_no_process() -> None:
    with Matcher() as matcher:
        assert matcher.found("^hel", "hello")
        assert not matcher.found("x$", "hello")
