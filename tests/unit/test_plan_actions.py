"""Actions that change a plan: what they change, where, and why they cannot."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from pytest_execgo.chaos.action import Change, PlanAction, PlanScope
from pytest_execgo.extensions.registry import Registry
from pytest_execgo.models.plan import StandardPlan

ACTIONS = Registry.build().actions
EVERYWHERE = PlanScope("*", "*")


def command(task_id: str, *deps: str) -> dict[str, Any]:
    execution = {"kind": "command", "program": "/bin/echo", "args": ["{}"]}
    return {
        "id": task_id, "type": "runtime", "depends_on": list(deps),
        "input": {"execution": execution, "limits": {"wall_time_ms": 9, "cpu_time_sec": 1}},
    }  # fmt: skip


PLAN = StandardPlan.model_validate(
    {
        "plan_id": "p",
        "scenario_id": "s",
        "stages": [
            {"stage_id": "one", "task_graph": {"tasks": [command("a"), command("b", "a")]}},
            {
                "stage_id": "two",
                "task_graph": {"tasks": [command("c")]},
                "bindings": [
                    {
                        "source_task_id": "a", "source_path": "runtime.output.stdout",
                        "target_task_id": "c", "target_param_path": "input.execution.env.A",
                    }
                ],
            },
        ],
    }
)  # fmt: skip
BARE = PLAN.model_copy(update={"stages": (PLAN.stages[1].model_copy(update={"bindings": ()}),)})


def change(name: str, scope: PlanScope = EVERYWHERE, seed: int = 1, **params: Any) -> Change | None:
    action = ACTIONS[name](**params)
    assert isinstance(action, PlanAction)
    return action.change(PLAN, scope, Random(seed))


def tasks(changed: Change) -> dict[str, Any]:
    return {t.id: t for stage in changed.plan.stages for t in stage.task_graph.tasks}


@pytest.mark.parametrize("name", [n for n, a in ACTIONS.items() if issubclass(a, PlanAction)])
def test_the_original_stays_unchanged_and_the_seed_decides_what_changes(name: str) -> None:
    before = PLAN.model_dump_json()
    first, again = change(name), change(name)
    assert first is not None
    assert first == again
    assert first.plan != PLAN
    assert PLAN.model_dump_json() == before
    assert change(name, PlanScope("nowhere", "*")) is None


@pytest.mark.parametrize(
    ("name", "params", "reason"),
    [
        ("bad_dependency", {"kind": "cycle"}, "no stage of the plan has two tasks"),
        ("drop_binding", {}, "the plan has no required binding"),
        ("corrupt_output", {}, "no later stage reads the output of a command"),
        ("bad_dependency", {"kind": "self"}, None),
        ("exhaust_timeout", {}, None),
    ],
)
def test_a_fault_that_cannot_be_injected_says_why(
    name: str, params: dict[str, Any], reason: str | None
) -> None:
    action = ACTIONS[name](**params)
    assert action.not_applicable(BARE, "plan") == reason
    assert action.not_applicable(PLAN, "plan") is None


def test_dependencies() -> None:
    scope = PlanScope("one", "b")
    unknown = change("bad_dependency", scope, kind="unknown")
    itself = change("bad_dependency", scope, kind="self")
    circle = change("bad_dependency", scope, kind="cycle")
    assert unknown
    assert itself
    assert circle
    assert tasks(unknown)["b"].depends_on == ("a", "no_such_task")
    assert tasks(itself)["b"].depends_on == ("a", "b")
    assert (tasks(circle)["a"].depends_on, tasks(circle)["b"].depends_on) == (("b",), ("a",))


def test_a_dropped_binding_reads_a_member_that_no_result_has() -> None:
    dropped = change("drop_binding")
    assert dropped
    assert dropped.plan.stages[1].bindings[0].source_path == "runtime.output.no_such_member"
    assert (dropped.stage_id, dropped.task_id) == ("two", "c")


def test_one_limit_is_cut_and_the_others_stay() -> None:
    limited = change("exhaust_timeout", PlanScope("two", "c"), budget="limit", left_ms=3)
    timed = change("exhaust_timeout", PlanScope("two", "c"), budget="task", left_ms=3)
    assert limited
    assert timed
    assert tasks(limited)["c"].input["limits"] == {"wall_time_ms": 3, "cpu_time_sec": 1}
    assert tasks(timed)["c"].timeout == 3


def test_only_output_that_a_later_task_reads_is_corrupted() -> None:
    corrupted = change("corrupt_output")
    assert corrupted
    assert corrupted.task_id == "a"
    args = tasks(corrupted)["a"].input["execution"]["args"]
    assert args[-2:] == ["/bin/echo", "{}"]
    assert "${" not in args[1], "that would be a placeholder"
