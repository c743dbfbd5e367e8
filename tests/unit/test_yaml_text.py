"""YAML is read within limits, and every other text is one short problem with its place."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_execgo.models.yaml_text import MAX_DEPTH, MAX_VALUES, YamlProblem, decode_yaml

ALIAS_BOMB = "x0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n" + "".join(
    f"x{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
)
MERGES = """\
a: &a {x: 1}
b: &b {<<: *a, x: 2}
c: {<<: *b, x: 3}
"""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("a: !!str 5", {"a": "5"}),
        ("a: ! b", {"a": "b"}),
        ("on: 1\n2: 3\nnull: x\n2026-01-01: y", {"on": 1, "2": 3, "null": "x", "2026-01-01": "y"}),
        ("when: 10:30", {"when": "10:30"}),
        ("a: =", {"a": "="}),
        ("a: ~", {"a": None}),
        ("a: 123456789012345678901234567890", {"a": 123456789012345678901234567890}),
        ("a: &x [1]\nb: [*x, *x]", {"a": [1], "b": [[1], [1]]}),
        (MERGES, {"a": {"x": 1}, "b": {"x": 2}, "c": {"x": 3}}),
        ("<<: {a: 1}\n<<: {b: 2}", {"a": 1, "b": 2}),
        ("'<<': 1", {"<<": 1}),
    ],
)
def test_values_are_those_of_json(text: str, value: Any) -> None:
    assert decode_yaml(text) == value


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("a: 1\nb: 2\na: 3", 3, "the key 'a' is given twice"),
        ("? [a]\n: b", 1, "a key must be text"),
        ("? {a: 1}\n: b", 1, "a key must be text"),
        ("a: &x b\n*x : 2", 2, "a key must be text"),
        ("\ninput: &a {k: *a}", 2, "the alias 'a' is inside of its own anchor"),
        ("checks: &c [*c]", 1, "the alias 'c' is inside of its own anchor"),
        ("a: &a {<<: *a}", 1, "the alias 'a' is inside of its own anchor"),
        ("a: *b", 1, "undefined alias"),
        ("x: !!map a", 1, "the tag '!!map' is not allowed"),
        ("x: !!bool foo", 1, "the tag '!!bool' is not allowed"),
        ("x: !!timestamp foo", 1, "the tag '!!timestamp' is not allowed"),
        ("x: !!set {a, b}", 1, "the tag '!!set' is not allowed"),
        ("x: !!python/object/apply:os.system [ls]", 1, "is not allowed"),
        ("x: !own 1", 1, "the tag '!own' is not allowed"),
        ("x: 2026-99-99", 1, "'2026-99-99' cannot be read (month must be in 1..12)"),
        ("x: 0b_", 1, "'0b_' cannot be read"),
        ("x: " + "9" * 5000, 1, "a number of more than 308 characters"),
        ("x: 0x" + "f" * 5000, 1, "a number of more than 308 characters"),
        ("<<: 5", 1, "expected a mapping"),
        ("--- 1\n--- 2", 2, "a second document begins here"),
        ("a: 1\nb\x00", 2, "the character #x0000 is not allowed"),
        ("\t- a", 1, "a tab; YAML indents with spaces"),
        ("[[[", 2, "did not find"),
        ("- " * (MAX_DEPTH + 1) + "a", 1, f"more than {MAX_DEPTH} levels"),
        ("[" * (MAX_DEPTH + 1), 1, f"more than {MAX_DEPTH} levels"),
        ("[" + "1," * MAX_VALUES + "1]", 1, f"more than {MAX_VALUES} values"),
        (ALIAS_BOMB, 6, f"more than {MAX_VALUES} values"),
    ],
)
def test_anything_else_is_one_problem_with_its_line(text: str, line: int, problem: str) -> None:
    with pytest.raises(YamlProblem) as error:
        decode_yaml(text)
    assert problem in str(error.value)
    assert len(str(error.value)) < 300
    assert error.value.line == line


def test_the_deepest_value_that_is_allowed_is_read() -> None:
    found = decode_yaml("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert str(found) == "[" * MAX_DEPTH + "]" * MAX_DEPTH


def test_the_nesting_that_libyaml_itself_refuses_is_a_problem_too() -> None:
    with pytest.raises(YamlProblem, match=r"maximum nesting depth|more than \d+ levels"):
        decode_yaml("[" * 100_000)
