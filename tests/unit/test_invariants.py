"""What cannot be true of ExecGo's answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pytest_execgo.models.task import EngineTask, Task, TaskGraph
from pytest_execgo.runner.invariants import (
    about_other_task,
    children_first,
    never_started,
    older_answer,
    other_graph,
    other_payload,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLACE = ("s", 0)


def answer(name: str = "x.a", output: Any = None, **runtime: Any) -> EngineTask:
    return EngineTask.model_validate(
        {
            "id": name, "type": "runtime", "status": "success", "handle_id": "h",
            "runtime": {"output": output, **runtime},
            "created_at": NOW, "updated_at": NOW,
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("task", "given", "message"),
    [
        (answer(), {}, None),
        (answer("x.b"), {}, "the answer is about x.b"),
        (answer(output={"task_id": "x.a"}), {}, None),
        (answer(output={"task_id": "h"}), {}, None),
        (answer(output={"task_id": ""}), {}, None),
        (answer(output={"task_id": 7}), {}, None),
        (answer(output={"task_id": "x.b"}), {}, "the runtime's answer in it is about x.b"),
        # A plan may choose the id in the runtime.
        (answer(output={"task_id": "mine"}), {"input": {"task_id": "mine"}}, None),
        (answer(output={"task_id": "mine"}), {"params": {"task_id": "mine"}}, None),
        (answer(output={"task_id": "b"}), {"input": ["mine"]}, "the runtime's answer in it is about b"),
    ],
)  # fmt: skip
def test_an_answer_must_be_about_the_task_that_was_asked_for(
    task: EngineTask, given: dict[str, Any], message: str | None
) -> None:
    found = about_other_task(PLACE, Task(id="a", type="runtime", **given), "x.a", task)
    assert (found.message if found else None) == message
    if found:
        assert (found.stage_id, found.round, found.task_id, found.how) == (
            "s",
            0,
            "a",
            "other_task",
        )


@pytest.mark.parametrize(("early_ms", "wrong"), [(0, False), (50, False), (51, True)])
def test_a_child_starts_after_its_parents_ended(early_ms: int, wrong: bool) -> None:
    graph = TaskGraph(
        tasks=(Task(id="a", type="noop"), Task(id="b", type="noop", depends_on=("a",)))
    )
    seen = {
        "a": answer("x.a", finished_at=NOW),
        "b": answer("x.b", started_at=NOW - timedelta(milliseconds=early_ms)),
    }
    found = list(children_first(PLACE, graph, seen))
    assert [(one.task_id, one.how, one.message) for one in found] == [
        ("b", "child_first", "it started before a ended")
    ] * wrong


def test_what_is_not_known_is_no_contradiction() -> None:
    graph = TaskGraph(tasks=(Task(id="b", type="noop", depends_on=("a",)),))
    assert not list(children_first(PLACE, graph, {"b": answer("x.b", started_at=NOW)}))
    assert not list(children_first(PLACE, graph, {"a": answer(finished_at=NOW)}))
    assert not list(children_first(PLACE, graph, {"a": answer(), "b": answer("x.b")}))


@pytest.mark.parametrize(
    ("older_ms", "state", "wrong"),
    [
        (-10, {"status": "running"}, False),
        (0, {"status": "running"}, False),
        (50, {"status": "running"}, False),
        (51, {"status": "running"}, True),
        (51, {"status": "pending"}, True),
        # The clock was corrected.
        (51, {}, False),
        (51, {"status": "failed"}, False),
    ],
)
def test_an_answer_is_not_older_than_the_one_before(
    older_ms: int, state: dict[str, str], wrong: bool
) -> None:
    before, now = answer(), answer()
    time = NOW - timedelta(milliseconds=older_ms)
    now = now.model_copy(update={"updated_at": time, **state})
    found = older_answer(PLACE, "a", before, now)
    assert (found.how if found else None) == ("went_back" if wrong else None)
    if found:
        assert found.message == f"it was success before, and is {state['status']} now"
    assert older_answer(PLACE, "a", None, now) is None


@pytest.mark.parametrize(("attempt", "wrong"), [(1, True), (2, False), (3, False)])
def test_an_attempt_does_not_go_back(attempt: int, wrong: bool) -> None:
    before = answer(attempt=2).model_copy(update={"status": "running"})
    now = answer(attempt=attempt).model_copy(
        update={"status": "running", "updated_at": NOW - timedelta(seconds=1)}
    )
    assert (older_answer(PLACE, "a", before, now) is not None) is wrong


def test_the_first_year_is_a_time_like_any_other() -> None:
    """Go writes a time that was never set as the year 1."""
    first = answer().model_copy(update={"updated_at": datetime(1, 1, 1, tzinfo=UTC)})
    assert older_answer(PLACE, "a", first, answer()) is None
    assert older_answer(PLACE, "a", answer(), first) is None
    graph = TaskGraph(
        tasks=(Task(id="a", type="noop"), Task(id="b", type="noop", depends_on=("a",)))
    )
    zero = datetime(1, 1, 1, tzinfo=UTC)
    seen = {"a": answer("x.a", finished_at=zero), "b": answer("x.b", started_at=zero)}
    assert list(children_first(PLACE, graph, seen)) == []


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({}, True),
        ({"type": "noop"}, False),
        ({"status": "failed"}, False),
        ({"runtime": None}, True),
    ],
)
def test_what_ended_well_has_started(changes: dict[str, Any], wrong: bool) -> None:
    found = never_started(PLACE, "a", answer().model_copy(update=changes))
    assert (found.how if found else None) == ("never_started" if wrong else None)
    assert never_started(PLACE, "a", answer(started_at=NOW)) is None


@pytest.mark.parametrize(
    ("accepted", "message"),
    [
        (["x.a", "x.b"], None),
        (["x.b", "x.a"], None),
        (["x.a"], "x.b not accepted"),
        (["x.a", "x.b", "x.c"], "x.c was not submitted"),
        ([], "x.a, x.b not accepted"),
        (["x.a", "x.c"], "x.b not accepted; x.c was not submitted"),
    ],
)
def test_what_is_accepted_is_what_was_submitted(accepted: list[str], message: str | None) -> None:
    found = other_graph(PLACE, ["x.a", "x.b"], accepted)
    assert (found.message if found else None) == message
    if found:
        assert found.sentence() == f"ExecGo contradicts itself about stage s: {message}"


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"input": {"n": 1}, "params": [2]}, None),
        # An older ExecGo may not show what it holds.
        ({}, None),
        ({"input": {"n": 7}, "params": [2]}, "its input is not the one that was submitted"),
        ({"input": None, "params": [2]}, "its input is not the one that was submitted"),
        ({"input": {"n": 1}, "params": [3]}, "its params is not the one that was submitted"),
    ],
)
def test_a_task_holds_the_payload_that_was_submitted(
    held: dict[str, Any], message: str | None
) -> None:
    given = Task(id="a", type="runtime", input={"n": 1}, params=[2])
    task = EngineTask.model_validate({**answer().model_dump(), **held})
    found = other_payload(PLACE, given, task)
    assert (found.message if found else None) == message
    # Python has values that JSON has not.
    tuples = Task(id="a", type="runtime", input={"n": (1, {2: "x"})})
    same = EngineTask.model_validate({**answer().model_dump(), "input": {"n": [1, {"2": "x"}]}})
    assert other_payload(PLACE, tuples, same) is None
    # What was not given, ExecGo may fill in.
    assert other_payload(PLACE, Task(id="a", type="sleep"), task) is None
