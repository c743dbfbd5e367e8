"""Landing: which answers are legal plans, and which rules the others break. Prompts and scripts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_execgo.adapter.landing import PlanDraft, land, land_json, land_text
from pytest_execgo.adapter.prompt import EXAMPLE, prompt
from pytest_execgo.adapter.script import answers
from pytest_execgo.errors import UsageError
from pytest_execgo.models.context import PlanContext
from pytest_execgo.models.document import load
from pytest_execgo.models.plan import StandardPlan, plan_shape
from pytest_execgo.models.recording import Recording
from pytest_execgo.scenario.library import builtin_folder, list_scenarios
from pytest_execgo.scenario.manifest import load_scenario
from tests.ids import readable

SCENARIOS = list_scenarios(builtin_folder())
TOOLS = ("shell", "file", "http", "dns", "tcp", "sleep", "noop")


def context(scenario: str = "codegen_exec") -> PlanContext:
    found = load_scenario(SCENARIOS[scenario])
    return PlanContext(
        scenario_id=scenario,
        framework="x",
        mode="live",
        prompt_pack=found.prompts,
        scenario_input=found.manifest.input,
        capabilities=TOOLS,
    )


def stages(scenario: str = "codegen_exec") -> dict[str, Any]:
    found = yaml.safe_load((SCENARIOS[scenario].parent / "plan.yaml").read_text())
    return {"stages": found["stages"]}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_plan_lands_as_object_as_text_and_in_a_code_block(scenario: str) -> None:
    text = json.dumps(stages(scenario))
    for landing in (
        land(stages(scenario), context(scenario)),
        land_text(text, context(scenario)),
        land_text(f"```json\n{text}\n```", context(scenario)),
        land(PlanDraft.model_validate(stages(scenario)), context(scenario)),
    ):
        assert landing.rules == ()
        assert landing.plan is not None
        assert (landing.plan.framework, landing.plan.mode) == ("x", "live")


def test_the_example_of_the_prompt_is_a_legal_plan() -> None:
    assert land(EXAMPLE, context()).rules == ()


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        ("broken_json", "broken_json"),
        ("cycle", "cycle"),
        ("unknown_task_type", "unknown_task_type"),
        ("missing_binding", "binding_unknown_source"),
    ],
)
def test_a_scripted_defect_breaks_its_rule(tmp_path: Path, broken: str, rule: str) -> None:
    script = {"schema_version": "1", "answers": [{"plan": "plan.yaml", "broken": broken}]}
    folder = tmp_path / "demo"
    (folder / "scripts").mkdir(parents=True)
    (folder / "scripts/x.yaml").write_text(yaml.safe_dump(script))
    plan = SCENARIOS["codegen_exec"].parent / "plan.yaml"
    (folder / "scripts/plan.yaml").write_text(plan.read_text())
    (text,) = answers(folder, "x", None)
    landing = land_text(text, context())
    assert landing.plan is None
    assert rule in landing.rules
    assert landing.message.startswith("- ")


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        ("no plan today", "broken_json"),
        ("[]", "schema"),
        ('{"stages": [{"stage_id": 1}]}', "schema"),
        ('{"stages": []}', "no_stages"),
        ('{"stages": [], "more": 1}', "schema"),
        ('{"stages": NaN}', "broken_json"),
        ("[" * 200_000, "broken_json"),
        (json.dumps(EXAMPLE).replace("weigh", "\\ud800"), "schema"),
        (json.dumps(EXAMPLE).replace('"${python}"', '"\\ufffd"', 1), "schema"),
        (json.dumps(EXAMPLE).replace('"${python}"', "1e400", 1), "schema"),
    ],
    ids=[
        "prose", "list", "stage_id", "no stages", "unknown key", "NaN", "too deep", "surrogate",
        "replacement", "infinity",
    ],
)  # fmt: skip
def test_an_answer_without_a_plan_breaks_a_rule(answer: str, rule: str) -> None:
    assert rule in land_text(answer, context()).rules


def test_a_tool_that_execgo_does_not_have_is_a_broken_rule() -> None:
    task = {"id": "a", "type": "os", "tool_name": "shel", "params": {"command": "ls"}}
    plan = {"stages": [{"stage_id": "s", "task_graph": {"tasks": [task]}}]}
    assert land(plan, context()).rules == ("unknown_tool",)
    task["tool_name"] = "shell"
    assert land(plan, context()).rules == ()


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (None, "has no script 'x' (allowed: default)"),
        ({"schema_version": "1", "answers": []}, "answers"),
        ({"schema_version": "1", "answers": [{"plan": "a", "text": "b"}]}, "either plan or text"),
        (
            {"schema_version": "1", "answers": [{"text": "b", "broken": "cycle"}]},
            "applies to a plan only",
        ),
        ({"schema_version": "1", "answers": [{"plan": "a", "broken": "cylce"}]}, "cycle"),
    ],
    ids=readable,
)
def test_a_mistake_in_a_script_is_one_line(
    tmp_path: Path, script: dict[str, Any] | None, expected: str
) -> None:
    (tmp_path / "scripts").mkdir()
    if script is not None:
        (tmp_path / "scripts/x.yaml").write_text(yaml.safe_dump(script))
    with pytest.raises(UsageError) as caught:
        answers(tmp_path, "x", None)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def texts_of(value: Any) -> list[str]:
    """The strings of a task that only its plan contains: more than single words."""
    if isinstance(value, dict):
        return [text for item in value.values() for text in texts_of(item)]
    if isinstance(value, list):
        return [text for item in value for text in texts_of(item)]
    return [value] if isinstance(value, str) and (" " in value or "\n" in value) else []


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_nothing_of_the_reference_plan_is_in_the_prompt(scenario: str) -> None:
    """Constraints may name tasks, but the prompt must not contain what they do."""
    texts = prompt(context(scenario))
    text_of_prompt = texts.system + texts.task
    plan = load(StandardPlan, SCENARIOS[scenario].parent / "plan.yaml")
    for stage in plan.stages:
        for task in stage.task_graph.tasks:
            for text in texts_of(task.input):
                assert text not in text_of_prompt
        for binding in stage.bindings:
            assert binding.source_path not in text_of_prompt
            assert (
                binding.target_param_path not in text_of_prompt
                or "PARCEL" in binding.target_param_path
            )


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_recordings_contain_the_current_prompt(scenario: str) -> None:
    """Replays compare requests: after a change of the prompt, record again (docs/adapters.md)."""
    found = sorted((SCENARIOS[scenario].parent / "traces").glob("*.json"))
    assert len(found) == 5
    texts = prompt(context(scenario))
    for path in found:
        recording = load(Recording, path)
        assert recording.provider == "scripted"
        asked = json.dumps(recording.exchanges[0].asked)
        assert json.dumps(texts.system)[1:-1] in asked, f"{path} is out of date"
        assert json.dumps(texts.task)[1:-1] in asked, f"{path} is out of date"


def test_plans_that_differ_only_in_names_have_the_same_shape() -> None:
    one = land(stages(), context()).plan
    text = json.dumps(stages()).replace("run-tests", "prove-it").replace('"verify"', '"second"')
    other = land(json.loads(text), context()).plan
    third = land(json.loads(json.dumps(stages()).replace("20000", "30000")), context()).plan
    assert one is not None
    assert other is not None
    assert third is not None
    assert plan_shape(one) == plan_shape(other)
    assert plan_shape(one) != plan_shape(third)


def one_task(stage: str, task: str, **more: Any) -> StandardPlan:
    work = {
        "id": task,
        "type": "runtime",
        "input": {"execution": {"kind": "script", "script": "x", "env": {"b": "1", "a": "2"}}},
        **more,
    }
    plan = land({"stages": [{"stage_id": stage, "task_graph": {"tasks": [work]}}]}, context()).plan
    assert plan is not None
    return plan


@pytest.mark.parametrize(("stage", "task"), [("a", "script"), ("runtime", "id"), ("same", "same")])
def test_names_that_are_keywords_of_the_dsl_do_not_change_the_shape(stage: str, task: str) -> None:
    assert plan_shape(one_task(stage, task)) == plan_shape(one_task("s", "t"))


def test_the_order_of_keys_does_not_change_the_shape() -> None:
    other = {"execution": {"env": {"a": "2", "b": "1"}, "script": "x", "kind": "script"}}
    assert plan_shape(one_task("s", "t", input=other)) == plan_shape(one_task("s", "t"))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_json_does_not_have_breaks_a_rule_before_execgo_gets_null(
    number: float,
) -> None:
    task = {"id": "a", "type": "noop", "params": {"x": [number]}}
    landing = land({"stages": [{"stage_id": "s", "task_graph": {"tasks": [task]}}]}, context())
    assert landing.rules == ("schema",)
    assert "NaN or an infinite number" in landing.message


def test_a_fence_is_not_part_of_json() -> None:
    text = f"```json\n{json.dumps(EXAMPLE)}\n```"
    assert land_text(text, context()).plan
    assert land_json(text, context()).rules == ("broken_json",)
