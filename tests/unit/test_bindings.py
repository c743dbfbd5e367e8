"""Bindings carry values between stages; a missing value has a reason, and its stage is not submitted."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from pytest_execgo.models.events import BindingMissing, BindingResolved
from pytest_execgo.models.plan import PlanStage
from pytest_execgo.models.task import Task, TaskGraph
from pytest_execgo.runner.bindings import Unresolved, put, resolve

RESULTS: dict[str, dict[str, Any]] = {
    "ok": {"status": "success", "result": {"stdout": '{"names": ["Ada"]}', "list": [1, 2]}},
    "bad": {"status": "failed", "result": {"stdout": "{}"}},
    "empty": {},
}


def binding(source: str, path: str, target: str, *, required: bool, task: str = "t") -> Any:
    return {
        "source_task_id": source,
        "source_path": path,
        "target_task_id": task,
        "target_param_path": target,
        "required": required,
    }


def stage(
    source: str, path: str, target: str = "input.env.X", *, required: bool = True
) -> PlanStage:
    return stage_with(binding(source, path, target, required=required))


def stage_with(*bindings: Any) -> PlanStage:
    """A stage of the tasks ``first`` and ``t``."""
    tasks = [
        {"id": "first", "type": "noop"},
        {"id": "t", "type": "noop", "input": {"args": ["a", "b"], "text": "x"}},
    ]
    return PlanStage.model_validate(
        {"stage_id": "s", "task_graph": {"tasks": tasks}, "bindings": bindings}
    )


def bound(plan_stage: PlanStage) -> Any:
    """The input of task ``t`` after the bindings."""
    graph, _ = resolve(plan_stage, plan_stage.task_graph, RESULTS)
    return graph.tasks[1].input


def test_value_is_carried_over() -> None:
    assert bound(stage("ok", "from_json(result.stdout).names"))["env"] == {"X": ["Ada"]}


def test_index_of_a_list_can_be_a_target() -> None:
    assert bound(stage("ok", "result.list", "input.args.1"))["args"] == ["a", [1, 2]]


def test_params_can_be_a_target() -> None:
    one = stage("ok", "result.list", "params.x")
    graph, _ = resolve(one, one.task_graph, RESULTS)
    assert graph.tasks[1].params == {"x": [1, 2]}
    assert graph.tasks[1].input == one.task_graph.tasks[1].input


def test_other_tasks_and_their_order_stay() -> None:
    one = stage("ok", "result.list")
    graph, _ = resolve(one, one.task_graph, RESULTS)
    assert [task.id for task in graph.tasks] == ["first", "t"]
    assert graph.tasks[0] is one.task_graph.tasks[0]


def test_plan_itself_is_not_changed() -> None:
    one = stage("ok", "result.list", "input.args.1")
    bound(one)
    assert one.task_graph.tasks[1].input["args"] == ["a", "b"]


def test_several_bindings_can_have_one_target() -> None:
    first = binding("ok", "result.list[0]", "input.args.0", required=True)
    second = binding("ok", "result.list[1]", "input.args.1", required=True)
    assert bound(stage_with(first, second))["args"] == [1, 2]


def test_carried_value_is_recorded_by_its_digest() -> None:
    one = stage("ok", "{b: result.list, a: `1`}")
    _, (event,) = resolve(one, one.task_graph, RESULTS)
    assert event == BindingResolved(
        stage_id="s",
        source_task_id="ok",
        source_path="{b: result.list, a: `1`}",
        target_task_id="t",
        target_param_path="input.env.X",
        digest=hashlib.sha256(b'{"a":1,"b":[1,2]}').hexdigest(),
    )


@pytest.mark.parametrize(
    ("source", "path", "target", "code", "reason"),
    [
        ("none", "result", "input.x", "no_result", "task 'none' has no result: it never ended"),
        ("bad", "result", "input.x", "source_failed", "task 'bad' ended as 'failed'"),
        ("empty", "result", "input.x", "source_failed", "task 'empty' ended as None"),
        ("ok", "result.no", "input.x", "absent", "result.no is not in the result of 'ok'"),
        ("ok", "from_json(status)", "input.x", "unreadable", "task ok: from_json(status): from_json: "
         "not JSON (Expecting value at character 0): 'success'"),
        ("ok", "result.list", "input.args.7", "bad_target", "input.args.7: no index '7' in a list of 2"),
        ("ok", "result.list", "input.text.y", "bad_target", "input.text.y: 'y' leads into str, not a "
         "mapping or list"),
    ],
    ids=["no_result", "failed", "no_status", "absent", "not_json", "no_index", "no_container"],
)  # fmt: skip
def test_missing_value_has_a_code_and_a_reason(
    source: str, path: str, target: str, code: Any, reason: str
) -> None:
    one = stage(source, path, target)
    with pytest.raises(Unresolved) as missing:
        bound(one)
    assert str(missing.value) == reason
    assert missing.value.event == BindingMissing(
        stage_id="s",
        source_task_id=source,
        source_path=path,
        target_task_id="t",
        target_param_path=target,
        required=True,
        reason=reason,
        code=code,
    )


def test_target_task_must_be_in_the_stage() -> None:
    # Reported even if the value is missing, too: the binding can never succeed.
    for source in ("ok", "none"):
        with pytest.raises(Unresolved, match=r"^the stage has no task 'other'$") as missing:
            bound(stage_with(binding(source, "result", "input.x", required=True, task="other")))
        assert missing.value.event.code == "bad_target"


def test_optional_value_may_be_missing() -> None:
    optional = stage("ok", "result.nothing", required=False)
    graph, (event,) = resolve(optional, optional.task_graph, RESULTS)
    assert graph == optional.task_graph
    assert isinstance(event, BindingMissing)
    assert (event.required, event.code) == (False, "absent")


def test_bindings_after_a_missing_optional_value_are_resolved() -> None:
    optional = binding("none", "result", "input.x", required=False)
    present = binding("ok", "result.list", "input.y", required=True)
    one = stage_with(optional, present)
    graph, events = resolve(one, one.task_graph, RESULTS)
    assert graph.tasks[1].input["y"] == [1, 2]
    assert [event.event_type for event in events] == ["binding_missing", "binding_resolved"]


def test_repeated_id_is_passed_on_for_execgo_to_refuse() -> None:
    one = stage("ok", "result.list", "input.args.1")
    graph = TaskGraph(tasks=one.task_graph.tasks * 2)
    resolved, _ = resolve(one, graph, RESULTS)
    assert [task.id for task in resolved.tasks] == ["first", "t", "first", "t"]


def test_repeated_tasks_without_a_binding_keep_their_payloads() -> None:
    tasks = tuple(Task(id="same", type="noop", params=number) for number in (1, 2))
    graph = TaskGraph(tasks=tasks)
    resolved, _ = resolve(stage_with(), graph, RESULTS)
    assert resolved == graph


def test_put_creates_absent_mappings() -> None:
    assert put(None, ["a", "b"], 1) == {"a": {"b": 1}}
    assert put({"a": {"c": 2}}, ["a", "b"], 1) == {"a": {"c": 2, "b": 1}}


def test_put_goes_through_lists() -> None:
    found = put([{"a": 1}, {"a": 2, "b": 4}], ["1", "a"], 3)
    assert found == [{"a": 1}, {"a": 3, "b": 4}]


@pytest.mark.parametrize("index", ["2", "-1", "x", "²"])
def test_put_does_not_extend_lists(index: str) -> None:
    with pytest.raises(IndexError, match=f"^no index '{index}' in a list of 2$"):
        put([1, 2], [index], 3)


def printed(stdout: str) -> dict[str, dict[str, Any]]:
    return {"ok": {"status": "success", "runtime": {"output": {"stdout": stdout}}}}


def reason(plan_stage: PlanStage, results: dict[str, dict[str, Any]]) -> str:
    with pytest.raises(Unresolved) as error:
        resolve(plan_stage, plan_stage.task_graph, results)
    return str(error.value)


PRINTED = "from_json(runtime.output.stdout)"


def test_a_missing_value_stays_missing_when_it_is_made_a_text() -> None:
    """JMESPath would make the text ``null`` of it, and blame the innocent next task."""
    found = reason(
        stage("ok", f"{PRINTED}.names | to_string(@)"), printed('{"name": 1, "total": 2}')
    )
    assert found == (
        f"{PRINTED}.names | to_string(@) is not in the result of 'ok'; it printed JSON with name, total"
    )


@pytest.mark.parametrize(
    ("stdout", "end"),
    [("{}", "; it printed JSON with no members"), ("[]", "of 'ok'"), ("null", "of 'ok'")],
)
def test_the_reason_shows_what_the_source_printed(stdout: str, end: str) -> None:
    assert reason(stage("ok", f"{PRINTED}.names"), printed(stdout)).endswith(end)


def test_a_source_that_printed_no_json_has_no_members_to_show() -> None:
    assert reason(stage("ok", "runtime.output.x"), printed("text")).endswith("of 'ok'")


@pytest.mark.parametrize(("value", "kind"), [("[1]", "list"), ("{}", "dict"), ("7", "int")])
def test_a_variable_must_be_a_text(value: str, kind: str) -> None:
    found = reason(stage("ok", PRINTED, "input.execution.env.NAMES"), printed(value))
    assert found == (
        f"input.execution.env.NAMES must be text, got {kind}: end source_path with | to_string(@)"
    )
