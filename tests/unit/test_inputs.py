"""What a submission shows about its tasks: where they get data from, and whether they are the same."""

from __future__ import annotations

from typing import Any

from pytest_execgo.models.events import BindingResolved, TaskInputs
from pytest_execgo.models.plan import PlanStage
from pytest_execgo.models.task import Task, TaskGraph
from pytest_execgo.runner.inputs import submission_started

URL, WORK = "http://127.0.0.1:8090/t/demo-r0", "/workspaces/demo-r0"
VALUES = {"fixtures_url": URL, "workspace": WORK, "trial_id": "demo-r0"}
BOUND = BindingResolved(
    stage_id="s", source_task_id="before", source_path="x", target_task_id="b",
    target_param_path="input.y", digest="d",
)  # fmt: skip


def submitted(*tasks: dict[str, Any], values: dict[str, str] = VALUES) -> dict[str, TaskInputs]:
    graph = TaskGraph(tasks=tuple(Task.model_validate({"type": "runtime", **t}) for t in tasks))
    stage = PlanStage(stage_id="s", task_graph=graph)
    return submission_started(stage, graph, [BOUND], values).inputs


def test_a_task_shows_where_it_gets_data_from() -> None:
    found = submitted(
        {"id": "a", "input": {"args": [f"{URL}/x"]}},
        {"id": "b", "input": {"args": [f"{WORK}/x"]}, "depends_on": ["a"]},
        {"id": "c", "input": {"limits": {"memory_bytes": 9}}},
        {"id": "d", "params": {"command": "true"}, "timeout": 500},
    )
    shown = {name: one.model_dump(exclude={"payload"}) for name, one in found.items()}
    nothing = TaskInputs(valid=False).model_dump(exclude={"payload"})
    assert shown == {
        "a": {**nothing, "services": ("fixtures",)},
        "b": {**nothing, "tasks": ("a", "before"), "workspace": True, "files": ("x",),
              "bound": True},
        "c": {**nothing, "memory_limit": True},
        "d": {**nothing, "limit_ms": 500},
    }  # fmt: skip


def test_a_task_shows_the_files_of_the_workspace_that_it_names() -> None:
    args = [
        f"--in={WORK}/a/b.txt", f"{WORK}/c d", f"{WORK}", f"{WORK}/a/b.txt", "/etc/x",
        f"/tmp{WORK}/no", f"{WORK}/../no", f"cat {WORK}/e>{WORK}/f&", f"{WORK}/w\\v",
    ]  # fmt: skip
    found = submitted({"id": "a", "input": {"args": args, "script": f'cat "{WORK}/q.json";\n'}})
    assert found["a"].files == ("a/b.txt", "c", "e", "f", "w/v", "q.json")
    many = submitted({"id": "a", "params": {"x": [f"{WORK}/{number}" for number in range(30)]}})
    assert len(many["a"].files) == 20


def test_a_task_shows_whether_it_chooses_its_id_in_the_runtime() -> None:
    found = submitted({"id": "a", "input": {"task_id": "x"}}, {"id": "b", "params": ["task_id"]})
    assert (found["a"].own_id, found["b"].own_id) == (True, False)


def test_a_task_shows_whether_the_runtime_can_read_its_payload() -> None:
    good = {"execution": {"kind": "command", "program": "true"}}
    found = submitted(
        {"id": "a", "input": good},
        {"id": "b", "input": {**good, "limits": {"wall_time_ms": "1"}}},
        {"id": "c", "type": "noop"},
    )
    assert {name: one.valid for name, one in found.items()} == {"a": True, "b": False, "c": None}


def test_the_payload_is_the_same_in_each_trial_of_a_plan() -> None:
    task = {"id": "a", "input": {"args": [f"{URL}/x", f"{WORK}/y"]}}
    url, work = URL.replace("r0", "r1"), WORK.replace("r0", "r1")
    other = {"id": "a", "input": {"args": [f"{url}/x", f"{work}/y"]}}
    values = {"fixtures_url": url, "workspace": work, "trial_id": "demo-r1"}
    first, second = submitted(task)["a"], submitted(other, values=values)["a"]
    assert first.payload == second.payload
    changed = {"id": "a", "input": {"args": [f"{URL}/z", f"{WORK}/y"]}}
    assert submitted(changed)["a"].payload != first.payload


def test_the_rules_of_execgo_that_a_submission_breaks_are_on_record() -> None:
    graph = TaskGraph(
        tasks=(
            Task(id="a", type="nonsense", depends_on=("a",)),
            Task(id="b", type="noop", depends_on=("missing",)),
        )
    )
    stage = PlanStage(stage_id="s", task_graph=graph)
    event = submission_started(stage, graph, [], {})
    assert set(event.problems) == {
        "unknown_task_type", "self_dependency", "unknown_dependency",
    }  # fmt: skip


def test_a_variable_that_a_binding_fills_in_is_no_part_of_the_command_line() -> None:
    graph = TaskGraph(tasks=(Task(id="b", type="runtime"),))
    stage = PlanStage(stage_id="s", task_graph=graph)
    for path, expected in (("input.execution.env.X", False), ("input.execution.args", True)):
        bound = BOUND.model_copy(update={"target_param_path": path})
        assert submission_started(stage, graph, [bound], VALUES).inputs["b"].bound is expected
