"""The lines that show how two values or files differ."""

from __future__ import annotations

import random

import pytest

from pytest_execgo.scenario import differences
from pytest_execgo.scenario.differences import of_files, of_texts, of_values

HEAD = ("--- expected", "+++ got")


def numbered(count: int) -> list[str]:
    return [f"line {number}" for number in range(1, count + 1)]


def test_only_the_lines_around_a_difference_are_shown() -> None:
    left, right = numbered(1000), numbered(1000)
    right[499] = "other"
    assert of_texts("\n".join(left) + "\n", "\n".join(right) + "\n") == (
        *HEAD, "@@ line 498 @@", " line 498", " line 499", "-line 500", "+other", " line 501",
        " line 502",
    )  # fmt: skip


def test_a_missing_line_end_is_a_difference() -> None:
    assert of_texts("a\n", "a") == (*HEAD, "@@ line 1 @@", "-a", "+a  (no line end)")


def test_a_long_difference_is_cut() -> None:
    left, right = ("\n".join(f"{side} {n}" for n in range(5000)) for side in "ab")
    lines = of_texts(left, right)
    assert len(lines) == len(HEAD) + 1 + differences.MOST_LINES + 1
    assert lines[-1] == "…"
    (line,) = [one for one in of_texts("a\n", "b" * 1000 + "\n") if one.startswith("+b")]
    assert len(line) == differences.LONGEST_LINE + 1


def test_texts_that_are_hard_to_compare_are_compared_in_time() -> None:
    rng = random.Random(1)
    left, right = ("\n".join(rng.choice("ab") for _ in range(200_000)) for _ in range(2))
    assert len(of_texts(left, right)) < 40


@pytest.mark.parametrize(
    ("expected", "got"), [(1, 2), ("a", "b"), (None, [1]), ([1], "a"), (True, {})]
)
def test_values_that_the_message_shows_have_no_difference(expected: object, got: object) -> None:
    assert of_values(expected, got) == ()


def test_the_order_of_members_is_no_difference() -> None:
    lines = of_values({"a": 1, "b": 2}, {"b": 3, "a": 1})
    assert lines == (*HEAD, "@@ line 1 @@", " {", '   "a": 1,', '-  "b": 2', '+  "b": 3', " }")


def test_texts_of_several_lines_are_compared_by_line() -> None:
    assert of_values("a\nb\n", "a\nc\n") == (*HEAD, "@@ line 1 @@", " a", "-b", "+c")


def test_files_without_text_differ_at_a_byte() -> None:
    expected = "expected 3 bytes, got 9; the first difference is at byte 1"
    assert of_files(b"\xff\x01\x02", b"\xff\x02", 9) == (expected,)
    large = b"a" * (differences.LARGEST_TEXT + 1)
    (line,) = of_files(b"a", large, len(large))
    assert line.startswith("expected 1 bytes, got 1000001")
