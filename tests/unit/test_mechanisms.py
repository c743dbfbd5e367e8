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
    causes,
    checked,
    ended,
    exited,
    failed,
    healthy,
    link,
    link_used,
    machine_seen,
    request,
    running,
    silent,
    stopped,
    submitted,
    unbound,
    wrote,
)

KNOWN = t.BaselineKnown(trial_id="clean", payloads={"a": "p"}, trials=2)
FETCHES = submitted(services=("fixtures",))
NO_MEMORY = t.TaskError(
    code="external_failure", source="execgo-runtime", raw_code="insufficient_resources",
    message="insufficient resources: task requires 9 memory_bytes but runtime capacity is 8",
)  # fmt: skip
INVALID = t.TaskError(code="invalid_input", message="invalid input: x", source="execgo-runtime")
CONFLICT = t.TaskError(
    code="external_failure", message="conflict", source="execgo-runtime", raw_code="conflict"
)


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
    [("refused", "refused"), ("reset", "reset"), ("unanswered", "closed")],
)
def test_a_connection_without_an_answer_explains_a_task_that_failed_then(
    how: str, code: str
) -> None:
    used = link_used("fixtures", how)
    assert causes(FETCHES, failed(EXIT), used, ended("failed")) == [
        f"fixture/{code}/likely", "task/exit_non_zero/possible",
    ]  # fmt: skip


def test_a_connection_without_an_answer_replaces_no_cause_that_has_words() -> None:
    used = link_used("fixtures", "reset")
    words = wrote("No space left on device")
    assert causes(FETCHES, failed(EXIT), words, used, ended("failed"))[:2] == [
        "fixture/reset/likely", "unknown/no_space/possible",
    ]  # fmt: skip
    # No task that failed has the URL of the service.
    other = submitted()
    assert causes(other, failed(EXIT), used, ended("failed")) == [
        "task/exit_non_zero/likely", "fixture/reset/possible",
    ]  # fmt: skip


@pytest.mark.parametrize("at_ms", [8, 2000])
def test_only_a_connection_that_ended_near_the_failure_is_likely(at_ms: float) -> None:
    used = link_used("fixtures", "reset", at_ms=at_ms)
    near = "fixture/reset/likely" in causes(FETCHES, failed(EXIT), used, ended("failed"))
    assert near is (at_ms == 8)


def test_a_problem_in_a_stage_that_succeeded_is_mitigated() -> None:
    first = ended("succeeded").model_copy(update={"stage_id": "first", "at_ms": 9})
    began = t.StageStarted(at_ms=9.5, stage_id="s", tasks=("a",))
    used = link_used("fixtures", "reset", at_ms=3)
    events: list[t.EvidenceEvent]
    events = [FETCHES, first, began, failed(EXIT, at_ms=800), used, ended("failed")]
    found = attribute(sorted(events, key=lambda event: event.at_ms))
    assert [(cause.layer, cause.code) for cause in found if cause.mitigated] == [
        ("fixture", "reset")
    ]


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


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("refused", "fixtures did not accept a connection"),
        ("reset", "fixtures reset a connection on which a request waited"),
        ("unanswered", "fixtures gave no answer on a connection that ended"),
        ("abandoned", "fixtures let a client wait until it gave up"),
    ],
)
def test_the_message_is_about_the_end_of_the_connection(how: str, sentence: str) -> None:
    used = link_used("fixtures", how, at_ms=2000, waited_ms=1500)
    found = attribute([submitted(), failed(EXIT), used, ended("failed")])
    assert [cause.message for cause in found if cause.layer == "fixture"] == [sentence]


@pytest.mark.parametrize(
    ("at_ms", "waited_ms", "met"),
    [
        (10, 0, True), (10.1, 0, False), (10.1, 0.1, True), (20, 9.9, False), (20, 10, True),
        (-490, 0, True), (-490.1, 0, False),
    ],
)  # fmt: skip
def test_a_task_met_a_connection_that_ended_from_its_request_until_the_failure_is_noticed(
    at_ms: float, waited_ms: float, met: bool
) -> None:
    """The task failed at 10 ms."""
    used = link_used("fixtures", "reset", at_ms=at_ms, waited_ms=waited_ms)
    found = causes(FETCHES, failed(EXIT), used, ended("failed"))
    assert ("fixture/reset/likely" in found) is met


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
    expected = ["task/exit_non_zero/likely"]
    if code is not None:
        expected = [f"unknown/{code}/possible", "task/exit_non_zero/possible"]
    assert found == expected


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"free_bytes": 0}, "the file system of workspace became full"),
        ({"writable": False}, "the file system of workspace became read-only"),
    ],
)
def test_the_message_names_the_folder(changed: dict[str, Any], sentence: str) -> None:
    start, then = (
        machine_seen("start", **folder()),
        machine_seen("failure", 11, **folder(**changed)),
    )
    assert message(submitted(), start, failed(EXIT), then, ended("failed")) == sentence


def test_every_folder_is_looked_at() -> None:
    start = machine_seen("start", folders={"b": ROOM})
    now = {"a": {**ROOM, "writable": False}, "b": {**ROOM, "writable": False}}
    then = machine_seen("failure", 11, folders=now)
    text = message(submitted(), start, failed(EXIT), then, ended("failed"))
    assert text == "the file system of b became read-only"


@pytest.mark.parametrize(("before", "named"), [(4096, True), (4095, False)])
def test_a_folder_that_was_almost_full_did_not_become_full(before: int, named: bool) -> None:
    start = machine_seen("start", **folder(free_bytes=before))
    then = machine_seen("failure", 11, **folder(free_bytes=0))
    found = causes(submitted(), start, failed(EXIT), then, ended("failed"))
    assert ("unknown/no_space/possible" in found) is named


def test_what_a_folder_lacked_before_is_no_reason() -> None:
    full = folder(free_bytes=0, free_inodes=0, writable=False)
    start, then = machine_seen("start", **full), machine_seen("end", 91, **full)
    assert "unknown" not in causes(submitted(), start, failed(EXIT), then, ended("failed"))[0]


def test_a_folder_that_was_not_seen_at_the_start_is_no_reason() -> None:
    then = machine_seen("failure", 11, **folder(free_bytes=0))
    found = causes(submitted(), machine_seen("start"), failed(EXIT), then, ended("failed"))
    assert "unknown" not in found[0]


def test_a_folder_that_fills_up_later_is_no_reason() -> None:
    end = machine_seen("end", 91, **folder(free_bytes=0))
    found = causes(
        submitted(), machine_seen("start", **folder()), failed(EXIT), end, ended("failed")
    )
    assert found == ["task/exit_non_zero/likely"]


KILLED = t.TaskError(
    code="internal", message="task terminated by signal 9", source="execgo-runtime"
)
LIMIT = t.TaskError(
    code="external_failure", message="m", source="execgo-runtime", raw_code="memory_limit_exceeded"
)


@pytest.mark.parametrize(
    ("events", "found"),
    [
        ([failed(KILLED)], True),
        ([failed(EXIT), wrote("", exit_signal=9)], True),
        ([failed(EXIT), wrote("", exit_code=137)], True),
        ([failed(EXIT), exited("runtime")], True),
        ([failed(EXIT)], False),
        ([failed(EXIT), wrote("", exit_code=1, exit_signal=15)], False),
        # Its own limit ended it, and the kernel counts that, too.
        ([failed(LIMIT), wrote("", exit_signal=9)], False),
    ],
)
def test_a_kill_for_lack_of_memory_is_named_if_something_was_killed(
    events: list[t.EvidenceEvent], found: bool
) -> None:
    start, then = machine_seen("start", oom_kills=3), machine_seen("failure", 11, oom_kills=4)
    names = causes(submitted(), start, *events, then, ended("failed"))
    assert ("unknown/out_of_memory/possible" in names) is found
    if found:
        everything = attribute([submitted(), start, *events, then, ended("failed")])
        (cause,) = [cause for cause in everything if cause.code == "out_of_memory"]
        assert cause.message == "the kernel killed a process because memory ran out"


def test_the_first_kill_of_the_kernel_counts_too() -> None:
    start, then = machine_seen("start", oom_kills=0), machine_seen("failure", 11, oom_kills=1)
    names = causes(submitted(), start, failed(KILLED), then, ended("failed"))
    assert "unknown/out_of_memory/possible" in names


@pytest.mark.parametrize(("before", "after"), [(3, 3), (3, None), (None, 4)])
def test_no_new_kill_is_not_named(before: int | None, after: int | None) -> None:
    start, then = machine_seen("start", oom_kills=before), machine_seen("failure", oom_kills=after)
    names = causes(submitted(), start, failed(KILLED), then, ended("failed"))
    assert not any("memory" in name for name in names)


@pytest.mark.parametrize(
    ("open_files", "limit", "found"), [(9, 10, True), (8, 10, False), (9, None, False)]
)
def test_a_service_without_free_descriptors_is_named_beside_other_causes(
    open_files: int, limit: int | None, found: bool
) -> None:
    seen = {"descriptors": open_files, "descriptor_limit": limit, "memory_bytes": 1}
    then = machine_seen("failure", 11, processes={"runtime": seen})
    names = causes(submitted(), machine_seen("start"), failed(EXIT), then, ended("failed"))
    more = ["runtime/too_many_files/possible"] if found else []
    assert names == ["task/exit_non_zero/likely", *more]
    if found:
        all_of_them = attribute([machine_seen("start"), failed(EXIT), then, ended("failed")])
        (cause,) = [cause for cause in all_of_them if cause.layer == "runtime"]
        assert cause.message == "runtime had 9 files open and may have 10"


def test_the_machine_is_not_named_if_nothing_failed() -> None:
    start, end = machine_seen("start", **folder()), machine_seen("end", 91, **folder(free_bytes=0))
    assert causes(start, end, ended("succeeded")) == ["none/no_failure/certain"]


# -- files that change while no task runs


def changed(how: str = "content", path: str = "in/x.py", at_ms: float = 4) -> t.FileChanged:
    facts = {"event_id": "changed", "at_ms": at_ms, "stage_id": "s", "path": path, "how": how}
    return t.FileChanged.model_validate(facts)


@pytest.mark.parametrize("how", ["content", "mode", "removed"])
@pytest.mark.parametrize("named", ["in/x.py", "in"])
def test_a_file_that_changed_while_no_task_ran_explains_the_task_that_names_it(
    how: str, named: str
) -> None:
    inputs = submitted(workspace=True, files=(named,))
    assert causes(inputs, changed(how), failed(EXIT), ended("failed")) == [
        f"unknown/file_{how}/likely", "task/exit_non_zero/possible",
    ]  # fmt: skip
    assert causes(inputs, changed(how), checked(), ended("succeeded")) == [
        f"unknown/file_{how}/likely"
    ]


def test_the_message_about_a_changed_file_names_a_task_that_reads_it() -> None:
    inputs = submitted(files=("in",))
    text = "in/x.py was changed before stage s, while no task ran; task a names it"
    assert message(inputs, changed(), checked(), ended("succeeded")) == text


def test_a_change_that_only_a_failed_task_shows_is_no_change_between_stages() -> None:
    gone = t.FileChanged(at_ms=4, task_id="z", path="in/x.py", how="removed")
    found = causes(submitted(files=("in",)), gone, checked(), ended("succeeded"))
    assert "unknown/file_removed/likely" not in found


@pytest.mark.parametrize(
    "event", [changed(path="in/y.py"), changed(path="in/x.py2"), changed(at_ms=50)]
)
def test_another_file_or_a_later_change_explains_nothing(event: t.FileChanged) -> None:
    inputs = submitted(files=("in/x.py",))
    found = causes(inputs, event, failed(EXIT), ended("failed"))
    assert found[-1] == "task/exit_non_zero/likely" or found[0] == "task/exit_non_zero/likely"


def test_a_changed_file_is_not_named_if_all_went_well() -> None:
    inputs = submitted(files=("in/x.py",))
    assert causes(inputs, changed(), ended("succeeded")) == ["none/no_failure/certain"]


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
    for refusal in (INVALID, NO_MEMORY):
        assert causes(KNOWN, proven, failed(refusal), ended("failed")) == [
            "unknown/refused_payload/possible"
        ]


def test_more_resources_than_the_runtime_has_are_the_plans() -> None:
    assert causes(submitted(valid=True), failed(NO_MEMORY), ended("failed")) == [
        "dsl/insufficient_resources/likely"
    ]


def contradiction(how: str) -> t.EngineContradiction:
    facts = {"stage_id": "s", "round": 0, "task_id": "a", "how": how, "message": "m"}
    return t.EngineContradiction.model_validate({"event_id": how, "at_ms": 5, **facts})


@pytest.mark.parametrize("error", [EXIT, INVALID])
def test_a_task_with_another_payload_than_was_submitted_is_not_to_blame(error: t.TaskError) -> None:
    events: list[t.EvidenceEvent]
    events = [submitted(valid=True), failed(error), ended("failed")]
    assert causes(contradiction("other_payload"), *events) == ["engine/contradiction/likely"]
    other_task = contradiction("other_payload").model_copy(update={"task_id": "z"})
    assert len(causes(other_task, *events)) > 1
    others = causes(contradiction("went_back"), *events)
    assert "engine/contradiction/likely" in others
    assert len(others) > 1


def test_an_id_that_the_runtime_knows_was_submitted_twice() -> None:
    found = causes(submitted(), accepted(3), failed(CONFLICT), ended("failed"))
    assert found == ["unknown/submitted_twice/possible"]
    own = causes(submitted(own_id=True), failed(CONFLICT), ended("failed"))
    assert own == ["dsl/duplicate_task_id/likely"]


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
    early = stuck.model_copy(update={"how": "ended"})
    certain = causes(early, ended("stuck", "a"))
    assert certain == [expected.replace("runtime/stuck/likely", "runtime/stuck/certain")]
    says = f"ExecGo still calls task a running, but the runtime says {status}"
    assert (stuck.sentence() == says) is expected.startswith("engine")


@pytest.mark.parametrize(
    ("limit_ms", "end_ms", "expected"),
    [
        # It was seen running at 10 ms. The runtime may need 5.5 s to end a task at its limit.
        (80, 5589, "unknown/deadline/possible"),
        (80, 5590, "runtime/stuck/possible"),
        (None, 5590, "unknown/deadline/possible"),
    ],
)
def test_a_task_within_its_limit_is_not_stuck_at_the_deadline(
    limit_ms: float | None, end_ms: float, expected: str
) -> None:
    end = ended("stuck", "a").model_copy(update={"at_ms": end_ms})
    events: list[t.EvidenceEvent] = [submitted(limit_ms=limit_ms), running("a", "h"), end]
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


# -- several services at once


def test_services_that_are_silent_at_the_same_time_have_a_common_reason() -> None:
    both = [silent("runtime", 700), silent("execgo", 900)]
    assert causes(*both, ended("succeeded")) == ["unknown/overloaded/possible"]
    assert message(*both) == (
        "runtime, execgo did not answer at the same time; the machine may be too busy"
    )
    assert causes(*both, failed(EXIT, at_ms=950), ended("failed"))[0] == (
        "unknown/overloaded/possible"
    )
    # A process that is stopped is a reason of its own.
    found = causes(*both, stopped("runtime", 650))
    assert found[0] == "runtime/process_stopped/certain"


def test_services_that_are_silent_one_after_the_other_have_not() -> None:
    first: list[t.EvidenceEvent]
    later: list[t.EvidenceEvent]
    first = [silent("runtime", 700), healthy("runtime", 800)]
    later = [silent("execgo", 5000), healthy("execgo", 5100)]
    assert causes(*first, *later) == ["runtime/silent/likely", "engine/silent/likely"]
    assert causes(silent("runtime", 700), silent("runtime", 900)) == ["runtime/silent/likely"]


def test_an_early_start_by_the_runtimes_clock_blames_no_layer() -> None:
    assert causes(contradiction("child_first"), checked(), ended("succeeded")) == [
        "unknown/contradiction/possible"
    ]


# -- a task that the runtime has not confirmed


def without_handle(at_ms: float = 50) -> t.TaskStuck:
    return t.TaskStuck(
        event_id="stuck", at_ms=at_ms, stage_id="s", round=0, task_id="a", engine_task_id="x.a",
        how="overdue", watched_ms=900, limit_ms=100,
    )  # fmt: skip


def test_a_task_of_the_runtime_without_a_handle_blames_no_side() -> None:
    of_runtime = submitted(valid=True)
    found = causes(of_runtime, without_handle(), ended("stuck", "a"))
    assert found == ["unknown/stuck/possible"]
    assert message(of_runtime, without_handle(), ended("stuck", "a")) == (
        "ExecGo started a, and the runtime has not confirmed it: one of them, or the connection "
        "between them, does not answer"
    )
    # A task that ExecGo runs itself.
    assert causes(submitted(), without_handle(), ended("stuck", "a")) == ["engine/stuck/likely"]


def test_a_runtime_that_was_seen_unhealthy_explains_it() -> None:
    broken = link("runtime", "broken", 20)
    found = causes(submitted(valid=True), broken, without_handle(), ended("stuck", "a"))
    assert found == ["runtime/link_broken/certain"]


def test_the_deadline_of_a_stage_blames_no_side_for_it() -> None:
    events: list[t.EvidenceEvent]
    events = [submitted(valid=True), running("a", None), ended("stuck", "a")]
    found = attribute(sorted(events, key=lambda event: event.at_ms))
    assert [(cause.name, cause.confidence) for cause in found] == [("unknown/stuck", "possible")]
    assert found[0].evidence == ("task-a", "end")
    assert causes(submitted(), running("a", None), ended("stuck", "a")) == ["engine/stuck/likely"]
