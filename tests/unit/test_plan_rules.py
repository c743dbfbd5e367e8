"""Each rule that makes a plan illegal has a name, a place and a hint."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_execgo.models.plan import StandardPlan
from pytest_execgo.models.plan_rules import fill_placeholders, find_cycle, plan_problems
from tests.ids import readable


def plan(*stages: dict[str, Any]) -> StandardPlan:
    return StandardPlan.model_validate({"plan_id": "p", "scenario_id": "s", "stages": stages})


def stage(
    name: str, *tasks: dict[str, Any], bindings: tuple[dict[str, Any], ...] = ()
) -> dict[str, Any]:
    return {"stage_id": name, "task_graph": {"tasks": tasks}, "bindings": bindings}


def noop(name: str, *deps: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "type": "noop", "depends_on": deps, **more}


def binding(source: str, target: str) -> dict[str, Any]:
    return {
        "source_task_id": source,
        "source_path": "result",
        "target_task_id": target,
        "target_param_path": "input.x",
    }


LEGAL = plan(
    stage("one", noop("a"), noop("b", "a")), stage("two", noop("c"), bindings=(binding("b", "c"),))
)


def test_a_legal_plan_has_no_problem() -> None:
    assert plan_problems(LEGAL) == []


@pytest.mark.parametrize(
    ("stages", "rule", "where"),
    [
        ([], "no_stages", "stages"),
        ([stage("one")], "empty_graph", "stages[0].task_graph.tasks"),
        ([stage("o n e", noop("a"))], "bad_id", "stages[0].stage_id"),
        ([stage("one", noop("a.b"))], "bad_id", "stages[0].task_graph.tasks[0].id"),
        ([stage("one", noop("a/b"))], "bad_id", "stages[0].task_graph.tasks[0].id"),
        (
            [stage("one", noop("a"), noop("a"))],
            "duplicate_task_id",
            "stages[0].task_graph.tasks[1].id",
        ),
        (
            [stage("one", noop("a")), stage("one", noop("b"))],
            "duplicate_stage_id",
            "stages[1].stage_id",
        ),
        (
            [stage("one", {"id": "a", "type": "nop"})],
            "unknown_task_type",
            "stages[0].task_graph.tasks[0].type",
        ),
        (
            [stage("one", noop("a", "a"))],
            "self_dependency",
            "stages[0].task_graph.tasks[0].depends_on[0]",
        ),
        (
            [stage("one", noop("a", "z"))],
            "unknown_dependency",
            "stages[0].task_graph.tasks[0].depends_on[0]",
        ),
        ([stage("one", noop("a", "b"), noop("b", "a"))], "cycle", "stages[0].task_graph"),
        (
            [stage("one", noop("a")), stage("two", noop("b", "a"))],
            "dependency_across_stages",
            "stages[1].task_graph.tasks[0].depends_on[0]",
        ),
        (
            [stage("one", noop("a", input={"args": ["${nope}"]}))],
            "unknown_placeholder",
            "stages[0].task_graph.tasks[0].input.args[0]",
        ),
        (
            [stage("one", noop("a", input={"${nope}": 1}))],
            "unknown_placeholder",
            "stages[0].task_graph.tasks[0].input.${nope}",
        ),
        (
            [stage("one", noop("a", input="${workspace"))],
            "unknown_placeholder",
            "stages[0].task_graph.tasks[0].input",
        ),
        (
            [stage("one", noop("a"), noop("b"), bindings=(binding("a", "b"),))],
            "binding_within_stage",
            "stages[0].bindings[0].source_task_id",
        ),
        (
            [stage("one", noop("a"), bindings=(binding("z", "a"),))],
            "binding_unknown_source",
            "stages[0].bindings[0].source_task_id",
        ),
        (
            [stage("one", noop("a")), stage("two", noop("b"), bindings=(binding("a", "z"),))],
            "binding_unknown_target",
            "stages[1].bindings[0].target_task_id",
        ),
    ],
    ids=readable,
)
def test_each_rule_is_named_and_placed(stages: list[dict[str, Any]], rule: str, where: str) -> None:
    assert [(p.rule, p.where) for p in plan_problems(plan(*stages))] == [(rule, where)]


def test_a_near_miss_gets_a_hint() -> None:
    problems = plan_problems(plan(stage("one", noop("fetch"), noop("b", "fetsh"))))
    assert "did you mean 'fetch'?" in str(problems[0])


def test_a_doubled_dollar_is_text() -> None:
    legal = plan(stage("one", noop("a", input="$${HOME} ${run_id}")))
    assert plan_problems(legal) == []
    assert fill_placeholders("$${HOME} ${run_id}", {"run_id": "r"}) == "${HOME} r"


def test_a_chain_of_thousands_is_checked() -> None:
    edges: dict[str, tuple[str, ...]]
    edges = {f"t{i}": (f"t{i - 1}",) if i else () for i in range(5000)}
    assert find_cycle(edges) == []
    assert len(find_cycle(edges | {"t0": ("t4999",)})) == 5001


@pytest.mark.parametrize(
    ("edges", "cycle"),
    [
        ({"a": ("b",), "b": ("a",)}, ["a", "b", "a"]),
        ({"a": ("c",), "b": ("a",), "c": ("b",)}, ["a", "c", "b", "a"]),
        ({"x": ("a",), "a": ("b",), "b": ("c",), "c": ("a",)}, ["a", "b", "c", "a"]),
        ({"c": ("a",), "b": ("c",), "a": ("b",)}, ["c", "a", "b", "c"]),
        ({"a": ("a",)}, []),
        ({"a": ("unknown",)}, []),
        ({"a": (), "b": ("a",), "c": ("a", "b")}, []),
    ],
    ids=["two", "three", "behind_another", "starts_first", "itself", "unknown", "diamond"],
)
def test_a_cycle_begins_with_its_first_task(
    edges: dict[str, tuple[str, ...]], cycle: list[str]
) -> None:
    assert find_cycle(edges) == cycle


def test_the_message_follows_the_dependencies() -> None:
    (problem,) = plan_problems(plan(stage("one", noop("a", "b"), noop("b", "c"), noop("c", "a"))))
    assert str(problem).endswith("the tasks depend on each other in a cycle: a -> b -> c -> a")


@pytest.mark.parametrize("path", ["x.y", "params", "params.", "input..a", "inputs.a"])
def test_a_binding_must_lead_into_the_payload(path: str) -> None:
    bad = {**binding("a", "b"), "target_param_path": path}
    with pytest.raises(ValueError, match="must be dotted"):
        plan(stage("one", noop("b"), bindings=(bad,)))
