"""Schemas that would take years end with a message, wherever jsonschema spends the time."""

from __future__ import annotations

import json
import os
from pathlib import Path
from time import monotonic
from typing import Any

import psutil
import pytest
import yaml
from freezegun import freeze_time

from pytest_execgo.emulators.httpd import Request, Response, json_response
from pytest_execgo.models.events import CheckEvaluated
from pytest_execgo.models.plan import StandardPlan
from pytest_execgo.scenario import conformity
from pytest_execgo.scenario.checks import TrialView, evaluate
from pytest_execgo.scenario.conformity import is_fast
from pytest_execgo.scenario.manifest import load_scenario
from pytest_execgo.system import child
from tests.endpoints import serving

PLAN = StandardPlan.model_validate({"plan_id": "p", "scenario_id": "demo", "stages": []})
CATASTROPHIC = "(a+)+$"
TEXT = "a" * 60 + "!"
MEMBER = {TEXT: 1}
DRAFT = "https://json-schema.org/draft/"
LATEST = DRAFT + "2020-12/schema"
BY_NAME: dict[str, Any] = {"patternProperties": {CATASTROPHIC: {}}}
DOUBLING: dict[str, Any] = {
    f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(60)
}


def check(tmp_path: Path, schema: object, value: object) -> CheckEvaluated:
    """The event of a check of ``value`` against ``schema``."""
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "schema.json").write_text(json.dumps(schema))
    found = {"kind": "json_schema", "task": "a", "path": "result", "schema": "schema.json"}
    manifest = {"schema_version": "1", "id": "demo", "checks": [found]}
    (folder / "scenario.yaml").write_text(yaml.safe_dump(manifest))
    view = TrialView(PLAN, {"a": {"status": "success", "result": value}}, tmp_path)
    (event,) = evaluate(load_scenario(folder / "scenario.yaml"), view)
    return event


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conformity, "SECONDS", 1.5)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("schema", "value"),
    [
        pytest.param({"pattern": CATASTROPHIC}, TEXT, id="pattern"),
        pytest.param({"propertyNames": {"pattern": CATASTROPHIC}}, MEMBER, id="property_names"),
        pytest.param(BY_NAME, MEMBER, id="pattern_properties"),
        pytest.param(
            {**BY_NAME, "properties": {"x": {}}, "additionalProperties": False},
            MEMBER,
            id="additional_properties",
        ),
        pytest.param(
            {"unevaluatedProperties": False, "allOf": [BY_NAME]}, MEMBER, id="unevaluated"
        ),
        pytest.param(
            {
                "$schema": DRAFT + "2019-09/schema",
                "unevaluatedProperties": False,
                "anyOf": [BY_NAME],
            },
            MEMBER,
            id="unevaluated_2019",
        ),
        pytest.param(
            {"allOf": [{"$schema": LATEST, "pattern": CATASTROPHIC}]}, TEXT, id="own_version"
        ),
        pytest.param(
            {"$schema": LATEST, "pattern": CATASTROPHIC, "properties": {"c": {"$ref": "#"}}},
            {"c": TEXT},
            id="recursion_to_a_version",
        ),
        pytest.param(
            {"$schema": "http://json-schema.org/draft-04/schema#", **BY_NAME}, MEMBER, id="draft_4"
        ),
        pytest.param({"uniqueItems": True}, [{"n": n} for n in range(50_000)], id="unique_items"),
        pytest.param(
            {"$defs": {**DOUBLING, "d60": {}}, "$ref": "#/$defs/d0"}, 1, id="doubling_references"
        ),
        pytest.param({"items": {"type": "integer"}}, [1] * 2_000_000, id="long_list"),
    ],
)
def test_a_schema_that_takes_too_long_fails_its_check(
    tmp_path: Path, schema: object, value: object
) -> None:
    began = monotonic()
    event = check(tmp_path, schema, value)
    assert monotonic() - began < 20
    assert not event.ok
    assert not event.raised
    assert event.message.startswith("task a: result: checking it takes more than 1.5 s; ")
    children = psutil.Process().children()
    assert not [p for p in children if "schema_process" in " ".join(p.cmdline())]


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        ({"pattern": "^a+b+$"}, "aab", None),
        ({"pattern": "^a+b+$"}, "ba", "at $: 'ba' does not match '^a+b+$'"),
        ({"patternProperties": {"^n": {"type": "integer"}}}, {"n": 1, "x": ""}, None),
        ({"patternProperties": {"^n": {"type": "integer"}}}, {"n": "x"}, "at $.n: 'x' is not of"),
        ({"uniqueItems": True}, [1, 1.0], "has non-unique elements"),
        ({"$ref": "#/$defs/n", "$defs": {"n": {"maximum": 2}}}, 10**30, "greater than the maximum"),
        ({"uniqueItems": True, "items": {"type": "string"}}, ["\ud800", "é", "\u2028"], None),
        ({"$ref": LATEST}, {"type": 7}, "at $.type: 7 is not valid"),
        ({"items": {"type": "integer"}}, [*range(90_000), "x"], "at $[90000]: 'x' is not of"),
    ],
    ids=[
        "expression_matches",
        "expression_does_not_match",
        "names_match",
        "names_do_not_match",
        "unique_items",
        "reference",
        "odd_texts",
        "schema_of_schemas",
        "long_list",
    ],
)
def test_other_schemas_are_evaluated_as_before(
    tmp_path: Path, schema: object, value: object, message: str | None
) -> None:
    assert not is_fast(schema, value)
    event = check(tmp_path, schema, value)
    assert event.ok == (message is None), event.message
    assert message is None or message in event.message


def test_an_expression_as_a_value_is_not_compiled_or_matched(tmp_path: Path) -> None:
    assert check(tmp_path, {"format": "regex"}, CATASTROPHIC + TEXT).ok


@pytest.mark.parametrize(
    ("schema", "reason"),
    [({"$ref": "#"}, "RecursionError"), ({"$ref": "#/nowhere"}, "PointerToNowhere")],
    ids=["endless", "nowhere"],
)
def test_a_schema_that_cannot_be_used_is_an_error_of_the_scenario(
    tmp_path: Path, schema: object, reason: str
) -> None:
    event = check(tmp_path, schema, 1)
    assert event.raised
    assert event.message.startswith("schema.json cannot be used: ")
    assert reason in event.message
    assert len(event.message) < 500


def test_a_reference_to_another_document_is_not_loaded(tmp_path: Path) -> None:
    asked: list[Request] = []

    def answer(request: Request) -> Response:
        asked.append(request)
        return json_response({})

    with serving(answer) as url:
        event = check(tmp_path, {"$ref": f"{url}/schema.json"}, 1)
    assert event.raised
    assert "Unresolvable" in event.message
    assert not asked


@pytest.mark.usefixtures("impatient")
def test_the_limit_holds_while_a_test_freezes_the_time(tmp_path: Path) -> None:
    with freeze_time("2020-01-01"):
        event = check(tmp_path, BY_NAME, MEMBER)
    assert "takes more than" in event.message


def test_the_process_has_no_variable_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    given: list[object] = []
    start = child.start

    def noting(*args: Any, **more: Any) -> Any:
        given.append(more["environment"])
        return start(*args, **more)

    monkeypatch.setattr(child, "start", noting)
    assert check(tmp_path, {"pattern": "^a+b+$"}, "ab").ok
    allowed = {k: v for k, v in os.environ.items() if k.endswith("LD_LIBRARY_PATH")}
    assert given == [allowed]


@pytest.mark.parametrize(
    ("program", "message", "raised"),
    [
        ("raise SystemExit(3)", "checking it failed: it needs too much memory", False),
        ("import os; os.abort()", "checking it failed: it needs too much memory", False),
        ("raise SystemExit(1)", "the process that checks it ended with status 1", True),
    ],
    ids=["no_memory", "aborted", "broken"],
)
def test_a_process_that_fails_is_not_a_value_that_conforms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, message: str, raised: bool
) -> None:
    command = [*child.python(), "-c", f"import sys; sys.stdin.read(); {program}"]
    monkeypatch.setattr(child, "of_module", lambda *_, **__: command)
    event = check(tmp_path, {"pattern": "^a+b+$"}, "ab")
    assert not event.ok
    assert event.raised is raised
    assert message in event.message
