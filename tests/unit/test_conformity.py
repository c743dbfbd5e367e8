"""Which schemas are evaluated in this process. ``tests/e2e/test_schema_limits.py`` has the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_execgo.errors import UsageError
from pytest_execgo.scenario.conformity import Nonconformity, is_fast, nonconformity
from pytest_execgo.scenario.manifest import load_scenario

SMALL = {"type": "object", "properties": {"n": {"type": "integer", "enum": [1, 2]}}}


def test_a_schema_without_slow_keywords_starts_no_process() -> None:
    assert nonconformity(SMALL, {"n": 1}) is None
    assert nonconformity(SMALL, {"n": "x"}) == Nonconformity("$.n", "'x' is not of type 'integer'")


@pytest.mark.parametrize(
    "schema",
    [
        {"pattern": "a"},
        {"items": {"patternProperties": {"a": {}}}},
        {"allOf": [{"not": {"$ref": "#"}}]},
        {"$dynamicRef": "#a"},
        {"$recursiveRef": "#"},
        {"uniqueItems": True},
        {"unevaluatedItems": False},
        {"if": {"unevaluatedProperties": False}},
    ],
    ids=lambda schema: next(iter(schema)),
)
def test_a_schema_with_a_slow_keyword_at_any_depth_is_not_fast(schema: object) -> None:
    assert not is_fast(schema, 1)


def test_a_large_value_is_not_fast() -> None:
    assert is_fast(SMALL, [1] * 1000)
    assert not is_fast(SMALL, [1] * 10_000)


@pytest.mark.parametrize("schema", [True, {}], ids=["boolean", "empty"])
def test_a_schema_without_keywords_is_fast(schema: object) -> None:
    assert is_fast(schema, {"n": [1]})


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"pattern": "["}, "'[' is not a 'regex'"),
        ({"pattern": "(" * 5000}, "it is nested too deeply"),
        ({"patternProperties": {"(" * 5000: {}}}, "it is nested too deeply"),
        ({"pattern": "a{99999999999999}"}, "the repetition number is too large"),
    ],
    ids=["not_an_expression", "deep_expression", "deep_name", "large_repetition"],
)
def test_an_expression_that_cannot_be_compiled_is_refused_with_one_line(
    tmp_path: Path, schema: object, reason: str
) -> None:
    (tmp_path / "x.json").write_text(json.dumps(schema))
    check = {"kind": "json_schema", "task": "a", "path": "result", "schema": "x.json"}
    manifest = {"schema_version": "1", "id": tmp_path.name, "checks": [check]}
    # JSON is YAML.
    (tmp_path / "scenario.yaml").write_text(json.dumps(manifest))
    with pytest.raises(UsageError) as raised:
        load_scenario(tmp_path / "scenario.yaml")
    assert str(raised.value).endswith(f"x.json: not a JSON Schema: {reason}")
    assert "\n" not in str(raised.value)
