"""The schemas in docs/schemas match the code, and the files on disk match them."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from pytest_execgo.cli.schema import schemas

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "docs" / "schemas"


def test_the_committed_schemas_have_not_drifted() -> None:
    """If it fails: python -m pytest_execgo schema export docs/schemas"""
    committed = {p.name: json.loads(p.read_text()) for p in SCHEMAS.glob("*.json")}
    assert committed == schemas()


@pytest.mark.parametrize("name", sorted(schemas()))
def test_each_is_a_valid_schema(name: str) -> None:
    schema = schemas()[name]
    jsonschema.validators.validator_for(schema).check_schema(schema)


@pytest.mark.parametrize(
    ("pattern", "schema"),
    [
        ("scenarios/*/scenario.yaml", "scenario"),
        ("scenarios/*/plan.yaml", "standard_plan"),
        ("scenarios/chaos/*.yaml", "chaos_profile"),
    ],
)
def test_the_built_in_files_fit(pattern: str, schema: str) -> None:
    paths = list(ROOT.glob(pattern))
    assert paths
    expected = schemas()[f"{schema}.schema.json"]
    for path in paths:
        jsonschema.validate(yaml.safe_load(path.read_text()), expected)
