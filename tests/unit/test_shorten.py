"""Records keep a short form of large values, and say what was left out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_execgo.models.shorten import shortened


@pytest.mark.parametrize("value", [None, 1, "text", ["a", {"b": [1.5]}], "x" * 98])
def test_a_short_value_is_kept(value: Any) -> None:
    assert shortened(value, 100) is value


def test_a_long_text_keeps_its_begin_and_its_end() -> None:
    found = shortened("a" * 5000 + "b" * 5000, 4000)
    assert found == "a" * 1333 + "[… 8000 characters left out …]" + "b" * 666


def test_of_a_long_list_and_of_an_object_the_first_members_are_kept() -> None:
    value = {"list": list(range(1000)), **{f"k{n}": n for n in range(100)}}
    found = shortened(value, 2000)
    assert found["list"] == [*range(50), "[… 950 items left out …]"]
    assert found["k48"] == 48
    assert "k49" not in found
    assert found["…"] == "[… 51 members left out …]"


def test_a_deep_value_ends_with_a_note() -> None:
    value: Any = "end" * 100
    for _ in range(100):
        value = [value]
    text = json.dumps(shortened(value, 200), ensure_ascii=False)
    assert text == "[" * 20 + '"[… 1 value left out …]"' + "]" * 20


@pytest.mark.parametrize(
    "value",
    [
        [["x" * 1000] * 50] * 50,
        {f"{'k' * 3000}{n}": "v" * 3000 for n in range(60)},
        "x" * 10_000_000,
    ],
)
def test_the_result_is_never_much_longer_than_the_limit(value: Any) -> None:
    assert len(json.dumps(shortened(value, 10_000), ensure_ascii=False)) < 10_000 * 1.3


@pytest.mark.parametrize(
    "value", ["x" * 10_000, ["x"] * 10_000, {str(n): 1 for n in range(10_000)}, [[1] * 10_000]]
)
def test_the_text_of_a_huge_value_is_not_built_to_be_counted(
    value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(value: object) -> int:
        raise AssertionError("the whole text is built")

    monkeypatch.setattr("pytest_execgo.models.shorten._length", fail)
    assert shortened(value, 5000) != value
