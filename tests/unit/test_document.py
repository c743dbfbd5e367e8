"""A mistake in a file is one line: file, line, key path, what is allowed, what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_execgo.errors import UsageError
from pytest_execgo.models.chaos import ChaosProfile
from pytest_execgo.models.document import load
from pytest_execgo.models.messages import key_path, split_path
from pytest_execgo.scenario.manifest import ScenarioManifest

SCENARIO = """\
schema_version: "1"
id: demo
checks:
  - { kind: task, task: a, status: success }
"""


def complaint(tmp_path: Path, text: str, model: type = ScenarioManifest) -> str:
    path = tmp_path / "file.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as error:
        load(model, path)
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    return message.removeprefix(str(path))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            SCENARIO + "sead: 3\n",
            ":5: sead: unknown key; did you mean 'seed'? (allowed: schema_version, id, ",
        ),
        (SCENARIO + "sead: 3\n", "did you mean 'seed'?"),
        (SCENARIO.replace("checks:", "chekcs:"), ":3: chekcs: unknown key"),
        (SCENARIO.replace("checks:", "chekcs:"), "did you mean 'checks'?"),
        (SCENARIO.replace("kind: task", "kind: tusk"), ":4: checks[0].kind: unknown kind 'tusk'"),
        (SCENARIO.replace("kind: task, ", ""), ":4: checks[0].kind: this key is required"),
        (SCENARIO.replace("success", "sucess"), "checks[0].status: got 'sucess'"),
        (SCENARIO.replace("status: success", "stats: success"), "checks[0].stats: unknown key"),
        (SCENARIO.replace(", status: success", ""), "checks[0].status: this key is required"),
        (SCENARIO.replace("id: demo", ""), ": id: this key is required"),
        (SCENARIO.replace('"1"', '"7"'), "is newer than this pytest-execgo reads"),
        (SCENARIO.replace('"1"', "1"), 'schema_version must be the string "1", got 1'),
        ("id: demo\n", "schema_version is missing"),
        ("- a\n- b\n", "expected a mapping"),
        ("", "expected a mapping"),
        ("a: [\n", "not YAML"),
        (SCENARIO + "seed: many\n", ":5: seed: "),
        (SCENARIO + "checks: []\n", ":5: not YAML: the key 'checks' is given twice"),
        (
            SCENARIO + "input: { when: 2026-01-01 }\n",
            "input.when: datetime.date(2026, 1, 1) is not a JSON value (date)",
        ),
        (SCENARIO + "input: { x: !!binary aGk= }\n", "the tag '!!binary' is not allowed"),
        (SCENARIO + "input: { x: .inf }\n", "input.x: inf is not a JSON value (float)"),
        (SCENARIO.replace("id: demo", "id: skip"), "'skip' is a marker of pytest itself"),
        (
            SCENARIO.replace("kind: task, task: a, status: success", "kind: file, path: ../x"),
            "must stay in",
        ),
        (
            SCENARIO.replace(
                "kind: task, task: a, status: success",
                "kind: value, task: a, path: x, matches: '('",
            ),
            "is not a regular expression",
        ),
        (
            SCENARIO.replace(
                "kind: task, task: a, status: success",
                "kind: value, task: a, path: foo(x), equals: 1",
            ),
            "unknown function 'foo'",
        ),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in complaint(tmp_path, text)


def test_several_mistakes_are_counted(tmp_path: Path) -> None:
    assert "(and 1 more)" in complaint(tmp_path, SCENARIO + "sead: 3\nfoo: 4\n")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.yaml: no such file"):
        load(ScenarioManifest, tmp_path / "nowhere.yaml")


def test_a_json_error_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text('{\n "a": ,\n}')
    with pytest.raises(UsageError, match=r"file\.json:2: not JSON"):
        load(ScenarioManifest, path)


PROFILE = "schema_version: '1'\nid: p\nexpectation: {}\nfaults: {}\n"
FAULT = "[{action: kill, target: runtime, when: {phase: runtime}}]"


@pytest.mark.parametrize(
    ("expectation", "faults", "expected"),
    [
        ("should_recover", "[]", "a profile without faults has the expectation not_applicable"),
        ("not_applicable", FAULT, "a profile with faults must expect something"),
        ("expected_failure", FAULT, "expected_failure needs an expected_cause"),
    ],
)
def test_a_profile_must_make_sense(
    tmp_path: Path, expectation: str, faults: str, expected: str
) -> None:
    text = PROFILE.format(expectation, faults)
    assert expected in complaint(tmp_path, text, ChaosProfile)


def test_none_is_the_profile_without_faults_and_all_is_none(tmp_path: Path) -> None:
    named = PROFILE.replace("id: p", "id: none").format("measure", FAULT)
    assert "'none' is the profile without faults" in complaint(tmp_path, named, ChaosProfile)
    every = PROFILE.replace("id: p", "id: all").format("measure", FAULT)
    assert "id: 'all' stands for all profiles" in complaint(tmp_path, every, ChaosProfile)


def test_a_list_of_causes_has_one_for_each_fault(tmp_path: Path) -> None:
    faults = f"[{FAULT[1:-1]}, {FAULT[1:-1]}]"
    text = PROFILE.format("measure", faults) + "expected_cause: [{layer: runtime}]\n"
    complained = complaint(tmp_path, text, ChaosProfile)
    assert "expected_cause is a list of 1, faults of 2: give one cause per fault" in complained


@pytest.mark.parametrize(
    "when",
    [
        "{phase: plan, after: task_running}",
        "{phase: submit, delay_ms: 5}",
        "{phase: verify, times: 2}",
    ],
)
def test_a_condition_that_a_phase_cannot_wait_for_is_refused(tmp_path: Path, when: str) -> None:
    fault = f"[{{action: kill, target: runtime, when: {when}}}]"
    complained = complaint(tmp_path, PROFILE.format("measure", fault), ChaosProfile)
    assert "faults[0].when: phase" in complained


def test_a_key_path_is_parsed_back() -> None:
    keys: list[str | int] = ["stages", 0, "task_graph", "tasks", 12, "id"]
    assert split_path(key_path(keys)) == keys
