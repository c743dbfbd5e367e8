"""JSON of other programs: what is read, and what is beyond the limits."""

from __future__ import annotations

import json
from time import process_time

import pytest

from pytest_execgo.models.json_text import MAX_DEPTH, MAX_VALUES, JsonProblem, decode_json


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, -2.5e3, true, null, "x"]}', {"a": [1, -2500.0, True, None, "x"]}),
        ('{"a": 1, "a": 2}', {"a": 2}),
        (r'"\ud800x"', "\ufffd\ufffd\ufffdx"),
        (r'{"\udfff": 1}', {"\ufffd\ufffd\ufffd": 1}),
        (r'"\ud83d\ude00"', "😀"),
        (b'"\xff\xc3\xa9"', "\ufffdé"),
        ("9" * 308, 10**308 - 1),
        ("-" + "9" * 308, -(10**308 - 1)),
        (r'"[[[{{{,,,\"[[[\\"', '[[[{{{,,,"[[[\\'),
        ("[" * MAX_DEPTH + "]" * MAX_DEPTH, json.loads("[" * MAX_DEPTH + "]" * MAX_DEPTH)),
    ],
    ids=[
        "plain", "repeated_key", "surrogate", "surrogate_in_key", "pair", "invalid_bytes", "large",
        "large_negative", "brackets_in_text", "deepest",
    ],
)  # fmt: skip
def test_value_within_the_limits(text: str | bytes, value: object) -> None:
    assert decode_json(text) == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not JSON (Expecting value at character 0)"),
        ("NaN", "not JSON (NaN is not a number)"),
        ("[-Infinity]", "not JSON (-Infinity is not a number)"),
        ("1e309", "a number that is too large"),
        ("9" * 309, "a number that is too large"),
        ("9" * 100_000, "a number that is too large"),
        ("[" * 201 + "]" * 201, "more than 200 levels"),
        ('{"a":' * 10_000, "more than 200 levels"),
        (r'"\\",' + "[" * 201, "more than 200 levels"),
        ("[" + "1," * MAX_VALUES + "1]", "more than 200000 values"),
        ("[" + "[]," * MAX_VALUES + "1]", "more than 200000 values"),
        ('""' * 1_000_000, "more than 200000 values"),
        ("\ufeff{}", "not JSON"),
        ('{"a": 1} x', "not JSON (Extra data at character 9)"),
    ],
    ids=[
        "empty", "nan", "infinity", "float", "integer", "very_long", "lists", "mappings",
        "after_backslash", "values", "lists_in_a_list", "texts", "byte_order_mark", "more_text",
    ],
)  # fmt: skip
def test_text_beyond_the_limits(text: str, problem: str) -> None:
    with pytest.raises(JsonProblem) as error:
        decode_json(text)
    assert problem in str(error.value)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("part", ['"', '\\"', "\\", "[]", "{}", "[1,", '"\\u', "\\ud800", "-", "9"])
def test_limits_are_found_quickly(part: str) -> None:
    text = part * (8_000_000 // len(part))
    began = process_time()
    with pytest.raises(JsonProblem):
        decode_json(text)
    assert process_time() - began < 5
