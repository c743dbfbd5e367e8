"""Bindings carry values; a missing one says why, and nothing is submitted."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_execgo.models.plan import PlanStage
from pytest_execgo.models.task import TaskGraph
from pytest_execgo.runner.bindings import Unresolved, put, resolve

RESULTS: dict[str, dict[str, Any]] = {
    "ok": {"status": "success", "result": {"stdout": '{"names": ["Ada"]}', "list": [1, 2]}},
    "bad": {"status": "failed", "result": {"stdout": "{}"}},
}


def stage(
    source: str, path: str, target: str = "input.env.X", *, required: bool = True
) -> PlanStage:
    binding = {
        "source_task_id": source,
        "source_path": path,
        "target_task_id": "t",
        "target_param_path": target,
        "required": required,
    }
    task = {"id": "t", "type": "noop", "input": {"args": ["a", "b"], "text": "x"}}
    return PlanStage.model_validate(
        {"stage_id": "s", "task_graph": {"tasks": [task]}, "bindings": [binding]}
    )


def bound(plan_stage: PlanStage) -> Any:
    graph, _ = resolve(plan_stage, plan_stage.task_graph, RESULTS)
    return graph.tasks[0].input


def test_a_value_is_carried_over() -> None:
    assert bound(stage("ok", "from_json(result.stdout).names"))["env"] == {"X": ["Ada"]}


def test_an_index_of_a_list_can_be_a_target() -> None:
    assert bound(stage("ok", "result.list", "input.args.1"))["args"] == ["a", [1, 2]]


def test_the_plan_itself_is_never_changed() -> None:
    one = stage("ok", "result.list", "input.args.1")
    bound(one)
    assert one.task_graph.tasks[0].input["args"] == ["a", "b"]


@pytest.mark.parametrize(
    ("source", "path", "target", "reason"),
    [
        ("nobody", "result", "input.x", "never ended"),
        ("bad", "result", "input.x", "ended as 'failed'"),
        ("ok", "result.nothing", "input.x", "is not in the result"),
        ("ok", "from_json(status)", "input.x", "not JSON"),
        ("ok", "result.list", "input.args.7", "no index '7' in a list of 2"),
        ("ok", "result.list", "input.text.y", "leads into str"),
    ],
)
def test_a_missing_value_says_why(source: str, path: str, target: str, reason: str) -> None:
    with pytest.raises(Unresolved, match=reason):
        bound(stage(source, path, target))


def test_an_optional_value_may_be_missing() -> None:
    optional = stage("ok", "result.nothing", required=False)
    graph, events = resolve(optional, optional.task_graph, RESULTS)
    assert graph == optional.task_graph
    assert [event.event_type for event in events] == ["binding_missing"]


def test_an_id_that_stands_twice_is_passed_on_for_execgo_to_refuse() -> None:
    one = stage("ok", "result.list", "input.args.1")
    graph = TaskGraph(tasks=one.task_graph.tasks * 2)
    resolved, _ = resolve(one, graph, RESULTS)
    assert [task.id for task in resolved.tasks] == ["t", "t"]


def test_put_makes_what_is_absent() -> None:
    assert put(None, ["a", "b"], 1) == {"a": {"b": 1}}
