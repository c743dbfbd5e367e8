"""Second witnesses: the runtime about tasks that ended well, and the logs of services."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_execgo.models.events import (
    EngineContradiction,
    EngineUnreachable,
    ServiceLogged,
    ServiceReady,
    TaskStillKnown,
    WitnessesAgree,
    WitnessesDiffer,
)
from pytest_execgo.observability.log_errors import note_log_errors
from pytest_execgo.observability.recorder import TimelineRecorder
from pytest_execgo.observability.witnesses import (
    ask_engine_again,
    compare_witnesses,
    note_given_up,
)
from tests.event_makers import EXIT, exited, failed

OUTPUT = {"status": "success", "exit_code": 0, "stdout": "right", "stderr": ""}


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[TimelineRecorder]:
    found = TimelineRecorder(tmp_path)
    yield found
    found.close()


def result(output: Any = OUTPUT, **members: Any) -> dict[str, Any]:
    return {"status": "success", "handle_id": "h", "runtime": {"output": output}, **members}


@pytest.mark.parametrize(
    ("direct", "linked", "expected"),
    [
        (OUTPUT, OUTPUT, []),
        ({**OUTPUT, "stdout": "other"}, {**OUTPUT, "stdout": "other"}, [("stdout", False)]),
        ({**OUTPUT, "stdout": "other"}, OUTPUT, [("stdout", True)]),
        ({**OUTPUT, "exit_code": 1, "stdout": "other"}, OUTPUT, [("exit_code", True)]),
        # What one of them does not say is no difference.
        ({"status": "success"}, OUTPUT, []),
        # The connection may alter answers now, and not have altered the one that ExecGo got.
        (OUTPUT, {**OUTPUT, "stdout": "other"}, []),
    ],
)
def test_a_task_is_recorded_if_execgo_and_the_runtime_differ(
    recorder: TimelineRecorder, direct: Any, linked: Any, expected: list[Any]
) -> None:
    compare_witnesses({"a": result()}, lambda handle: (direct, linked), recorder, own=False)
    found = [e for e in recorder.events() if isinstance(e, WitnessesDiffer)]
    assert [(e.member, e.link_alters) for e in found] == expected
    assert all(e.task_id == "a" for e in found)


@pytest.mark.parametrize(
    "task",
    [
        result(status="failed"),
        result(handle_id=None),
        result(output="text"),
        {"status": "success", "handle_id": "h", "runtime": None},
    ],
)
def test_only_tasks_that_ended_well_in_the_runtime_are_compared(
    recorder: TimelineRecorder, task: dict[str, Any]
) -> None:
    def ask(handle: str) -> None:
        raise AssertionError("asked")

    compare_witnesses({"a": task}, ask, recorder, own=True)


@pytest.mark.parametrize(("kind", "noted"), [("runtime", True), ("mcp", False)])
def test_a_result_without_the_runtimes_output_differs(
    recorder: TimelineRecorder, kind: str, noted: bool
) -> None:
    compare_witnesses(
        {"a": result(None, type=kind)}, lambda handle: (OUTPUT, OUTPUT), recorder, own=True
    )
    found = [e.member for e in recorder.events() if isinstance(e, WitnessesDiffer)]
    assert found == ["output"] * noted


@pytest.mark.parametrize("own", [True, False])
def test_agreement_counts_only_for_a_runtime_of_this_run(
    recorder: TimelineRecorder, own: bool
) -> None:
    other = {**OUTPUT, "stdout": "other"}
    answers = {"h": (OUTPUT, OUTPUT), "i": (other, other)}
    results = {"a": result(), "b": result(handle_id="i"), "c": result()}
    compare_witnesses(results, answers.get, recorder, own=own)
    agreed = [e.tasks for e in recorder.events() if isinstance(e, WitnessesAgree)]
    assert agreed == [("a", "c")] * own


def test_what_has_ended_does_not_end_otherwise(recorder: TimelineRecorder) -> None:
    for name, status in (("a", "success"), ("b", "failed"), ("c", "running"), ("d", "success")):
        recorder.add(failed(EXIT, name).model_copy(update={"status": status}))
    now = {"x.a": "failed", "x.b": "failed", "x.c": "success", "x.d": None}
    ask_engine_again(now.__getitem__, recorder)
    found = [e for e in recorder.events() if isinstance(e, EngineContradiction)]
    assert [(e.task_id, e.how, e.message) for e in found] == [
        ("a", "went_back", "it ended as success, and is failed now")
    ]


def test_the_last_status_counts(recorder: TimelineRecorder) -> None:
    recorder.add(failed(EXIT).model_copy(update={"status": "running"}))
    recorder.add(failed(EXIT).model_copy(update={"status": "success"}))
    ask_engine_again(lambda name: "success", recorder)
    assert not [e for e in recorder.events() if isinstance(e, EngineContradiction)]


@pytest.mark.parametrize(
    "absence",
    [
        exited("execgo"),
        ServiceReady(service="execgo"),
        EngineUnreachable(stage_id="s", message="refused"),
    ],
)
def test_an_execgo_that_was_away_may_have_forgotten(
    recorder: TimelineRecorder, absence: Any
) -> None:
    recorder.add(failed(EXIT).model_copy(update={"status": "success"}))
    recorder.add(exited("runtime"))
    ask_engine_again(lambda name: "pending", recorder)
    recorder.add(absence)
    ask_engine_again(lambda name: "running", recorder)
    found = [e.message for e in recorder.events() if isinstance(e, EngineContradiction)]
    assert found == ["it ended as success, and is pending now"]


def test_a_runtime_that_does_not_answer_is_no_witness(recorder: TimelineRecorder) -> None:
    asked: list[str] = []
    compare_witnesses({"a": result(), "b": result()}, asked.append, recorder, own=True)
    assert recorder.events() == []
    assert asked == ["h"], "it is not waited for again"


ERRORS = [
    '{"time":"2026-01-01T00:00:00Z","level":"ERROR","msg":"disk"}',
    'time=2026-01-01T00:00:00Z level=error msg="disk"',
    "2026-01-01 00:00:00 ERROR disk",
    "2026-01-01T00:00:00Z [ERROR] disk",
    "ERROR disk",
    "panic: runtime error: index out of range",
    "fatal error: concurrent map writes",
    "thread 'main' panicked at src/main.rs:1:1:",
    "Traceback (most recent call last):",
]
OTHERS = [
    '{"level":"INFO","msg":"no error"}',
    '{"event":"task","error":null}',
    "level=warn msg=error",
    "GET /error 200",
    "a task printed ERROR",
]


def test_lines_of_level_error_are_recorded(recorder: TimelineRecorder, tmp_path: Path) -> None:
    for line in ERRORS + OTHERS:
        (tmp_path / "execgo.log").write_text(line + "\n")
        before = len(recorder.events())
        note_log_errors(tmp_path, recorder)
        assert (len(recorder.events()) > before) == (line in ERRORS), line


def test_the_last_five_lines_of_each_service_are_recorded(
    recorder: TimelineRecorder, tmp_path: Path
) -> None:
    (tmp_path / "execgo.log").write_text("".join(f"ERROR {n}\n" for n in range(9)))
    (tmp_path / "runtime.log").write_bytes(b"ERROR \xff\x1b" + b"x" * 9000)
    note_log_errors(tmp_path, recorder)
    found = [e for e in recorder.events() if isinstance(e, ServiceLogged)]
    assert [e.line for e in found if e.service == "execgo"] == [f"ERROR {n}" for n in range(4, 9)]
    (line,) = [e.line for e in found if e.service == "runtime"]
    assert line.startswith(r"ERROR �\x1bxxx")
    assert len(line) < 600


def given_up(**members: Any) -> dict[str, Any]:
    return {"id": "t1", "status": "failed", "run_status": "running", "handle_id": "t1", **members}


@pytest.mark.parametrize(
    ("task", "known", "expected"),
    [
        (given_up(), {"t1": {"status": "running"}}, [("a", "running", None)]),
        (given_up(run_status="accepted"), {"t1": {"status": "x" * 101}}, [("a", "x" * 100, None)]),
        (given_up(handle_id="t7"), {"t1": {"status": "success"}}, [("a", "success", "t7")]),
        (given_up(), {}, []),
        (given_up(), {"t1": {"status": 7}}, []),
    ],
)
def test_a_task_that_execgo_gave_up_is_recorded_if_the_runtime_knows_it(
    recorder: TimelineRecorder, task: Any, known: dict[str, Any], expected: list[Any]
) -> None:
    def ask(handle: str) -> Any:
        return (known[handle], known[handle]) if handle in known else None

    note_given_up({"a": task}, ask, recorder)
    found = [event for event in recorder.events() if isinstance(event, TaskStillKnown)]
    assert [(one.task_id, one.status, one.other_handle) for one in found] == expected


def test_a_runtime_that_does_not_answer_is_asked_about_one_given_up_task(
    recorder: TimelineRecorder,
) -> None:
    asked: list[str] = []

    def ask(handle: str) -> None:
        asked.append(handle)

    tasks = {
        "ended": given_up(run_status="failed"),
        "well": given_up(status="success"),
        "early": given_up(handle_id=None),
        "a": given_up(id="a", handle_id="a"),
        "b": given_up(id="b", handle_id="b"),
    }
    note_given_up(tasks, ask, recorder)
    assert asked == ["a"]


def test_at_most_twenty_given_up_tasks_are_asked_about(recorder: TimelineRecorder) -> None:
    tasks = {f"a{i}": given_up() for i in range(21)}
    note_given_up(tasks, lambda handle: ({"status": "running"}, {}), recorder)
    assert len(recorder.events()) == 20
