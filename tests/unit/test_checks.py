"""Every kind of check passes, and fails with a message of what was expected and what was found."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_execgo.models.plan import StandardPlan
from pytest_execgo.scenario.checks import TrialView, evaluate
from pytest_execgo.scenario.manifest import load_scenario
from tests.ids import readable

TASKS: dict[str, dict[str, Any]] = {
    "a": {
        "status": "success",
        "result": {
            "n": 3,
            "flag": True,
            "text": "hello",
            "list": [1, 2],
            "json": '{"x": 1}',
            "stdout": "",
            "stderr": "oops",
            "none": None,
        },
    },
    "b": {"status": "failed"},
}
PLAN = StandardPlan.model_validate({"plan_id": "p", "scenario_id": "demo", "stages": []})
TEXT_HASH = hashlib.sha256(b"text\n").hexdigest()


def run(tmp_path: Path, check: dict[str, Any]) -> Any:
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "three.json").write_text("3")
    (folder / "number.schema.json").write_text('{"type": "integer", "minimum": 2}')
    (folder / "golden.txt").write_text("text\n")
    (folder / "list.json").write_text("[1, 3]")
    (folder / "checks.py").write_text(
        "def holds(trial):\n    assert trial.value('a', 'result.n') == 3\n"
        "def fails(trial):\n    assert False, 'three is too many'\n"
        "def denies(trial):\n    return False\n"
        "def breaks(trial):\n    return trial.nothing\n"
        "def yields(trial):\n    yield 1\n    assert False\n"
    )
    manifest = {"schema_version": "1", "id": "demo", "checks": [check]}
    (folder / "scenario.yaml").write_text(yaml.safe_dump(manifest))
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "out.txt").write_text("text\n")
    view = TrialView(PLAN, TASKS, workspace)
    (event,) = evaluate(load_scenario(folder / "scenario.yaml"), view)
    return event


def value(**more: Any) -> dict[str, Any]:
    return {"kind": "value", "task": "a", "path": "result.n", **more}


@pytest.mark.parametrize(
    "check",
    [
        {"kind": "task", "task": "a", "status": "success"},
        {"kind": "task", "task": "b", "status": "failed"},
        value(equals=3),
        value(at_least=3, at_most=3),
        value(equals_file="three.json"),
        value(path="result.list", contains=2),
        value(path="result.text", matches="^hel"),
        value(path="from_json(result.json).x", equals=1),
        {"kind": "json_schema", "task": "a", "path": "result.n", "schema": "number.schema.json"},
        {"kind": "file", "path": "out.txt"},
        {"kind": "file", "path": "out.txt", "sha256": TEXT_HASH},
        {"kind": "file", "path": "out.txt", "equals_file": "golden.txt"},
        {"kind": "file", "path": "gone.txt", "absent": True},
        {"kind": "python", "callable": "checks:holds"},
    ],
    ids=readable,
)
def test_a_check_passes(tmp_path: Path, check: dict[str, Any]) -> None:
    event = run(tmp_path, check)
    assert event.ok, event.message


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ({"kind": "task", "task": "b", "status": "success"}, "expected success, got failed"),
        ({"kind": "task", "task": "z", "status": "success"}, "got never submitted"),
        (value(equals=4), "result.n: expected 4, got 3"),
        (value(at_least=4), "expected at least 4.0, got 3"),
        (value(at_most=2), "expected at most 2.0, got 3"),
        (value(at_least=1, at_most=2), "expected at most 2.0, got 3"),
        (value(path="result.flag", equals=1), "expected 1, got True"),
        (value(path="result.nothing", at_least=0), "got None"),
        (value(path="result.list", contains=9), "expected to contain 9"),
        (value(path="result.text", matches="^x"), "expected to match '^x'"),
        (
            value(path="from_json(result.text)", equals=1),
            "task a: from_json(result.text): from_json: not JSON (Expecting value at character 0): "
            "'hello'",
        ),
        (value(path="from_json(result.stdout)", equals=1), "task a printed nothing; expected JSON"),
        (
            value(path="from_json(result.stderr)", equals=1),
            "task a printed no JSON: from_json: not JSON (Expecting value at character 0): 'oops'",
        ),
        (
            value(path="length(result.none)", equals=1),
            "task a: length(result.none): length() takes string or array or object, got null",
        ),
        (
            value(task="b", path="length(result.none)", equals=1),
            "task b has no output: it ended as failed",
        ),
        (value(task="z", equals=1), "it was never submitted"),
        (
            {
                "kind": "json_schema",
                "task": "a",
                "path": "result.text",
                "schema": "number.schema.json",
            },
            "is not of type 'integer'",
        ),
        (value(path="result.list", equals=[1, 3]), "result.list differs from the expected value"),
        (value(path="result.list", equals_file="list.json"), "result.list differs from list.json"),
        (
            {"kind": "file", "path": "out.txt", "equals_file": "three.json"},
            "out.txt differs from three.json",
        ),
        ({"kind": "file", "path": "gone.txt"}, "no such file in the workspace"),
        ({"kind": "file", "path": "out.txt", "absent": True}, "expected to be absent"),
        ({"kind": "file", "path": "out.txt", "sha256": "0" * 64}, "expected sha256 000000000000…"),
        ({"kind": "python", "callable": "checks:fails"}, "three is too many (checks.py:4)"),
        ({"kind": "python", "callable": "checks:denies"}, "returned False"),
    ],
    ids=readable,
)
def test_a_failed_check_shows_expected_and_actual_value(
    tmp_path: Path, check: dict[str, Any], message: str
) -> None:
    event = run(tmp_path, check)
    assert not event.ok
    assert not event.raised
    assert message in event.message


def test_a_value_that_differs_has_a_difference(tmp_path: Path) -> None:
    event = run(tmp_path, value(path="result.list", equals=[1, 3]))
    head = ("--- expected", "+++ got", "@@ line 1 @@")
    assert event.diff == (*head, " [", "   1,", "-  3", "+  2", " ]")


def test_a_file_that_differs_has_a_difference(tmp_path: Path) -> None:
    event = run(tmp_path, {"kind": "file", "path": "out.txt", "equals_file": "list.json"})
    head = ("--- expected", "+++ got", "@@ line 1 @@")
    assert event.diff == (*head, "-[1, 3]  (no line end)", "+text")


def test_a_check_that_is_a_generator_is_an_error(tmp_path: Path) -> None:
    event = run(tmp_path, {"kind": "python", "callable": "checks:yields"})
    assert event.raised
    assert "its code did not run" in event.message


def test_an_exception_in_a_check_is_an_error_and_not_a_failed_check(tmp_path: Path) -> None:
    event = run(tmp_path, {"kind": "python", "callable": "checks:breaks"})
    assert event.raised
    assert "AttributeError" in event.message
    assert event.message.endswith("(checks.py:8)")
