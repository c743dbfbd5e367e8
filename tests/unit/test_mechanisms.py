"""What attribution makes of links, of the machine, of clean trials and of second witnesses."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_execgo.models import events as t
from pytest_execgo.verdict.attribute import attribute
from tests.event_makers import (
    EXIT,
    UNREACHABLE,
    accepted,
    checked,
    ended,
    exited,
    failed,
    link,
    link_used,
    machine_seen,
    request,
    running,
    submitted,
    unbound,
    wrote,
)

KNOWN = t.BaselineKnown(trial_id="clean", payloads={"a": "p"}, trials=2)
FETCHES = submitted(services=("fixtures",))
INVALID = t.TaskError(code="invalid_input", message="invalid input: x", source="execgo-runtime")
CONFLICT = t.TaskError(
    code="external_failure", message="conflict", source="execgo-runtime", raw_code="conflict"
)


def causes(*events: t.EvidenceEvent) -> list[str]:
    found = attribute(sorted(events, key=lambda event: event.at_ms))
    return [f"{cause.name}/{cause.confidence}" for cause in found]


def message(*events: t.EvidenceEvent) -> str:
    return attribute(sorted(events, key=lambda event: event.at_ms))[0].message


def differs(subject: str, name: str = "a", field: str = "stdout.n") -> t.BaselineDiffers:
    facts = {"subject": subject, "name": name, "field": field, "expected": "7", "got": "8"}
    return t.BaselineDiffers.model_validate({"event_id": "differs", "at_ms": 94, **facts})


def succeeded(task: str = "a", at_ms: float = 7) -> t.TaskChanged:
    return failed(EXIT, task, at_ms).model_copy(update={"status": "success", "error": None})


# -- links


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("refused", "refused"), ("reset", "reset"), ("unanswered", "closed"), ("lost", "link_broken"),
    ],
)  # fmt: skip
def test_a_connection_without_an_answer_explains_a_task_that_failed_then(
    how: str, code: str
) -> None:
    used = link_used("fixtures", how)
    assert causes(FETCHES, failed(EXIT), used, ended("failed")) == [f"fixture/{code}/likely"]


@pytest.mark.parametrize(("waited_ms", "found"), [(999, False), (1000, True)])
def test_a_client_that_gave_up_is_weak_evidence(waited_ms: float, found: bool) -> None:
    used = link_used("fixtures", "abandoned", at_ms=2000, waited_ms=waited_ms)
    names = causes(FETCHES, failed(EXIT, at_ms=2100), used, ended("failed"))
    assert ("fixture/timed_out/possible" in names) is found


def test_a_link_without_problem_is_not_named() -> None:
    used = link_used("fixtures")
    without = causes(FETCHES, failed(EXIT), ended("failed"))
    assert causes(FETCHES, failed(EXIT), used, ended("failed")) == without


def test_problem_of_a_link_is_named_only_if_something_failed() -> None:
    assert causes(link_used("runtime", "reset"), ended("succeeded")) == ["none/no_failure/certain"]
    found = causes(link_used("execgo", "reset"), UNREACHABLE, ended("succeeded"))
    assert found == ["engine/unreachable/likely"]


def test_what_others_saw_of_the_service_explains_the_problem_of_its_link() -> None:
    used = link_used("runtime", "reset", "refused")
    assert causes(exited("runtime"), used, failed(EXIT), ended("failed"))[0].startswith(
        "runtime/process_exited/certain"
    )
    broken = link("runtime", "broken")
    assert causes(broken, used, failed(EXIT), ended("failed")) == ["runtime/link_broken/certain"]


def test_the_message_counts_the_connections() -> None:
    text = message(FETCHES, failed(EXIT), link_used("fixtures", "reset", "reset"), ended("failed"))
    assert text == "fixtures reset a connection on which a request waited (2 times)"


# -- the machine

ROOM = {"free_bytes": 10**9, "free_inodes": 1000, "writable": True}


def folder(**changed: Any) -> dict[str, Any]:
    return {"folders": {"workspace": {**ROOM, **changed}}}


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"free_bytes": 4095}, "no_space"),
        ({"free_bytes": 4096}, None),
        ({"free_inodes": 0}, "no_space"),
        ({"free_inodes": 1}, None),
        ({"free_inodes": None}, None),
        ({"writable": False}, "read_only"),
    ],
)
def test_what_a_folder_lacked_when_something_failed_explains_it(
    changed: dict[str, Any], code: str | None
) -> None:
    start, then = (
        machine_seen("start", **folder()),
        machine_seen("failure", 11, **folder(**changed)),
    )
    found = causes(submitted(), start, failed(EXIT), then, ended("failed"))
    assert found == [f"unknown/{code}/likely" if code else "task/exit_non_zero/likely"]


def test_what_a_folder_lacked_before_is_no_reason() -> None:
    full = folder(free_bytes=0, free_inodes=0, writable=False)
    start, then = machine_seen("start", **full), machine_seen("end", 91, **full)
    assert "unknown" not in causes(submitted(), start, failed(EXIT), then, ended("failed"))[0]


def test_a_folder_that_was_not_seen_at_the_start_is_no_reason() -> None:
    then = machine_seen("end", 91, **folder(free_bytes=0))
    found = causes(submitted(), machine_seen("start"), failed(EXIT), then, ended("failed"))
    assert "unknown" not in found[0]


@pytest.mark.parametrize(("kills", "found"), [(3, False), (4, True), (None, False)])
def test_a_kill_for_lack_of_memory_is_named(kills: int | None, found: bool) -> None:
    start, end = machine_seen("start", oom_kills=3), machine_seen("end", 91, oom_kills=kills)
    names = causes(submitted(), start, failed(EXIT), end, ended("failed"))
    assert (names == ["unknown/out_of_memory/likely"]) is found


def test_kills_that_the_kernel_does_not_count_are_not_named() -> None:
    start, end = machine_seen("start"), machine_seen("end", 91, oom_kills=4)
    assert "unknown" not in causes(submitted(), start, failed(EXIT), end, ended("failed"))[0]


@pytest.mark.parametrize(
    ("open_files", "limit", "found"), [(9, 10, True), (8, 10, False), (9, None, False)]
)
def test_a_service_without_free_descriptors_is_named(
    open_files: int, limit: int | None, found: bool
) -> None:
    seen = {"descriptors": open_files, "descriptor_limit": limit, "memory_bytes": 1}
    end = machine_seen("failure", 11, processes={"runtime": seen})
    names = causes(submitted(), machine_seen("start"), failed(EXIT), end, ended("failed"))
    assert ("runtime/too_many_files/likely" in names) is found


def test_the_machine_is_not_named_if_nothing_failed() -> None:
    start, end = machine_seen("start", **folder()), machine_seen("end", 91, **folder(free_bytes=0))
    assert causes(start, end, ended("succeeded")) == ["none/no_failure/certain"]


# -- clean trials


def test_the_first_task_with_another_output_is_where_it_began() -> None:
    first, later = differs("task", "b"), differs("task", "a")
    events: list[t.EvidenceEvent]
    events = [KNOWN, succeeded("b", 4), succeeded("a", 7), later, first, checked()]
    text = "task b, with the same payload: stdout.n is '8'; in the clean trials, it is '7'"
    assert causes(*events, ended("succeeded"))[0] == "unknown/changed_output/possible"
    assert message(*events, ended("succeeded")) == text


def test_a_task_that_did_not_succeed_has_no_output_to_compare() -> None:
    found = causes(
        KNOWN, submitted(), failed(EXIT), differs("task", field="status"), ended("failed")
    )
    assert found == ["task/exit_non_zero/likely"]


def test_other_content_of_fixtures_explains_other_output() -> None:
    wrong = request(200, good=False)
    found = causes(
        KNOWN, FETCHES, wrong, succeeded(), differs("task"), checked(), ended("succeeded")
    )
    assert found == ["fixture/wrong_content/likely"]


@pytest.mark.parametrize(("named", "code"), [("x.py", "file_content"), ("y.py", "task_or_input")])
def test_a_changed_file_that_a_task_names_explains_its_end(named: str, code: str) -> None:
    inputs = submitted(workspace=True, files=("x.py",))
    found = causes(KNOWN, inputs, failed(EXIT), differs("file", named, "sha256"), ended("failed"))
    assert code in found[0]


def test_a_changed_file_explains_other_output() -> None:
    inputs = submitted(workspace=True, files=("x.py",))
    file = differs("file", "x.py", "sha256")
    found = causes(KNOWN, inputs, succeeded(), file, differs("task"), checked(), ended("succeeded"))
    assert found[0] == "unknown/file_content/possible"


def test_a_number_of_connections_is_no_cause() -> None:
    assert causes(differs("link", "runtime", "connections")) == ["none/no_failure/certain"]


# -- what was submitted


def test_a_payload_of_the_wrong_form_is_the_plans() -> None:
    assert causes(submitted(valid=False), failed(INVALID), ended("failed")) == [
        "dsl/invalid_input/likely"
    ]


def test_a_payload_of_the_right_form_that_is_refused_may_have_changed_on_its_way() -> None:
    assert causes(submitted(valid=True), failed(INVALID), ended("failed")) == [
        "unknown/refused_payload/possible", "dsl/invalid_input/possible",
    ]  # fmt: skip
    proven = submitted(valid=True, payload="p")
    assert causes(KNOWN, proven, failed(INVALID), ended("failed")) == [
        "runtime/request_altered/likely"
    ]


def contradiction(how: str) -> t.EngineContradiction:
    facts = {"stage_id": "s", "round": 0, "task_id": "a", "how": how, "message": "m"}
    return t.EngineContradiction.model_validate({"event_id": how, "at_ms": 5, **facts})


@pytest.mark.parametrize("error", [EXIT, INVALID])
def test_a_task_with_another_payload_than_was_submitted_is_not_to_blame(error: t.TaskError) -> None:
    events: list[t.EvidenceEvent]
    events = [submitted(valid=True), failed(error), ended("failed")]
    assert causes(contradiction("other_payload"), *events) == ["engine/contradiction/likely"]
    others = causes(contradiction("went_back"), *events)
    assert "engine/contradiction/likely" in others
    assert len(others) > 1


def test_an_id_that_the_runtime_knows_was_submitted_twice() -> None:
    found = causes(submitted(), accepted(3), failed(CONFLICT), ended("failed"))
    assert found == ["unknown/submitted_twice/possible"]


# -- who says that a task still runs


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("success", "engine/stuck/likely"), ("failed", "engine/stuck/likely"),
        ("cancelled", "engine/stuck/likely"), ("running", "runtime/stuck/likely"),
        (None, "runtime/stuck/likely"),
    ],
)  # fmt: skip
def test_the_runtime_says_who_holds_up_a_stuck_task(status: str | None, expected: str) -> None:
    stuck = t.TaskStuck(
        at_ms=50, stage_id="s", round=0, task_id="a", engine_task_id="x.a", handle_id="h",
        how="overdue", watched_ms=900, limit_ms=100, runtime_status=status,
    )  # fmt: skip
    assert causes(stuck, ended("stuck", "a")) == [expected]
    says = f"ExecGo still calls task a running, but the runtime says {status}"
    assert (stuck.sentence() == says) is expected.startswith("engine")


@pytest.mark.parametrize(
    ("limit_ms", "expected"),
    [
        (81, "unknown/deadline/possible"), (80, "runtime/stuck/possible"),
        (None, "unknown/deadline/possible"),
    ],
)  # fmt: skip
def test_a_task_within_its_limit_is_not_stuck_at_the_deadline(
    limit_ms: float | None, expected: str
) -> None:
    # It was seen running at 10 ms, and the stage ended at 90 ms.
    events: list[t.EvidenceEvent]
    events = [submitted(limit_ms=limit_ms), running("a", "h"), ended("stuck", "a")]
    # ExecGo may report a running task again and again.
    events.append(running("a", "h").model_copy(update={"at_ms": 85}))
    assert causes(*events) == [expected]


# -- what was passed on


@pytest.mark.parametrize("code", ["absent", "unreadable"])
def test_a_difference_between_the_witnesses_explains_a_missing_value(code: str) -> None:
    differ = t.WitnessesDiffer(at_ms=93, task_id="a", member="output", link_alters=False)
    assert causes(unbound(code), differ, ended("binding_missing")) == [
        "unknown/contradiction/possible"
    ]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1:8090", "unknown/task_or_input/possible"),
        ("fixtures:8090", "fixture/unresolved/likely"),
    ],
)
def test_a_name_that_does_not_resolve_is_not_a_service_with_a_number(
    address: str, expected: str
) -> None:
    started = t.TrialStarted(trial_id="t", cell_id="c", seed=1, addresses={"fixtures": (address,)})
    words = wrote("urllib.error.URLError: <urlopen error [Errno -2] Name or service not known>")
    assert causes(started, FETCHES, failed(EXIT), words, ended("failed"))[0] == expected
