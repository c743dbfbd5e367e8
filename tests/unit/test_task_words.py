"""A failed task is weak evidence against itself: its own words decide what is suspected."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from pytest_execgo.models import events as t
from pytest_execgo.verdict import wording
from pytest_execgo.verdict.attribute import attribute
from pytest_execgo.verdict.evidence import Evidence
from pytest_execgo.verdict.explain import explain
from pytest_execgo.verdict.rules import RULES
from pytest_execgo.verdict.suspicion import Rule, Suspicion
from tests.event_makers import (
    EXIT,
    LOST,
    checked,
    ended,
    exited,
    failed,
    limited,
    link,
    request,
    stopped,
    submitted,
    unbound,
    wrote,
)

STARTED = t.TrialStarted(
    trial_id="t", cell_id="c", seed=1, addresses={"fixtures": ("127.0.0.1:8090",)}
)


FETCHES = submitted(services=("fixtures",))


def names(*events: t.EvidenceEvent) -> list[str]:
    found = attribute(sorted(events, key=lambda event: event.at_ms))
    return [f"{cause.name}/{cause.confidence}" for cause in found]


@pytest.mark.parametrize(
    ("stderr", "topic"),
    [
        ("ConnectionRefusedError: [Errno 111] Connection refused", "refused"),
        ("Error: connect ECONNREFUSED 127.0.0.1:80", "refused"),
        ("curl: (7) Failed to connect: Connection refused", "refused"),
        ("ConnectionResetError: [Errno 104] Connection reset by peer", "reset"),
        ("http.client.RemoteDisconnected: Remote end closed connection without response", "closed"),
        ("http.client.IncompleteRead(12 bytes read, 12 more expected)", "closed"),
        ("Error: socket hang up", "closed"),
        ('Get "http://x": unexpected EOF', "closed"),
        ("TimeoutError: timed out", "timed_out"),
        ("context deadline exceeded", "timed_out"),
        ("urllib.error.HTTPError: HTTP Error 503: Service Unavailable", "http_status"),
        ("http://127.0.0.1:1/x: HTTP 500", "http_status"),
        ("requests.exceptions.HTTPError: 404 Client Error: Not Found for url", "http_status"),
        ("curl: (22) The requested URL returned error: 502", "http_status"),
        ("socket.gaierror: [Errno -2] Name or service not known", "unresolved"),
        ("OSError: [Errno 113] No route to host", "unreachable"),
        ("BrokenPipeError: [Errno 32] Broken pipe", "reset"),
        ("SyntaxError: Unexpected end of JSON input", "undecodable"),
        ("EACCES: permission denied, open 'x'", "permission"),
        ("ENOENT: no such file or directory", "missing_file"),
        ("connect ETIMEDOUT 10.0.0.1:80", "timed_out"),
        ("json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)", "undecodable"),
        ("SyntaxError: Unexpected token < in JSON at position 0", "undecodable"),
        ("invalid character '<' looking for beginning of value", "undecodable"),
        ("OSError: [Errno 28] No space left on device", "no_space"),
        ("OSError: [Errno 24] Too many open files: 'x'", "too_many_files"),
        ("OSError: [Errno 30] Read-only file system: 'x'", "read_only"),
        ("PermissionError: [Errno 13] Permission denied: 'x'", "permission"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'x'", "missing_file"),
        ("MemoryError", "out_of_memory"),
        ("fatal: Cannot allocate memory", "out_of_memory"),
        ("match.py: error: unrecognized arguments: --strict", "usage"),
        ("x.py: error: the following arguments are required: --to", "usage"),
        ("grep: unrecognized option '--strict'", "usage"),
        ("ls: invalid option -- 'y'", "usage"),
        ("flag provided but not defined: -strict", "usage"),
        ("Error: No such option: --strict", "usage"),
        ("error: unexpected argument '--strict' found", "usage"),
        ("KeyError: 'timeouts'", None),
        ("ValueError: 404 is not in the table", None),
        ("", None),
    ],
)
def test_words_of_tasks_have_a_topic(stderr: str, topic: str | None) -> None:
    assert wording.topic(stderr) == topic


def test_the_last_line_has_priority_over_what_came_before() -> None:
    text = "KeyError: 'x'\nDuring handling:\nConnection refused\nOSError: No space left on device"
    assert wording.topic(text) == "no_space"
    assert wording.topic("Connection refused\nError: fetch failed") == "refused"


@pytest.mark.parametrize(
    ("stderr", "expected"),
    [
        ("http://127.0.0.1:8090/t/x: Connection refused", "fixture/refused/likely"),
        ("Connection reset by peer", "fixture/reset/likely"),
        ("urllib.error.HTTPError: HTTP Error 502: X", "fixture/http_status/likely"),
        ("JSONDecodeError: Expecting value", "fixture/undecodable/likely"),
        ("OSError: No space left on device", "unknown/no_space/possible"),
    ],
)
def test_a_problem_with_a_service_or_the_machine_is_not_the_tasks_fault(
    stderr: str, expected: str
) -> None:
    assert names(STARTED, FETCHES, failed(EXIT), wrote(stderr), ended("failed")) == [expected]


@pytest.mark.parametrize(("service", "layer"), wording.LAYERS.items())
@pytest.mark.parametrize("words", ["Connection refused", "reset by peer", "HTTP Error 503: x"])
def test_an_address_in_the_words_names_the_service(service: str, layer: str, words: str) -> None:
    known = STARTED.model_copy(update={"addresses": {service: ("127.0.0.1:7070",)}})
    found = names(known, submitted(), failed(EXIT), wrote(f"http://127.0.0.1:7070/x: {words}"))
    assert len(found) == 1
    assert found[0].startswith(f"{layer}/")
    assert found[0].endswith("/likely")


def test_a_full_disk_is_no_symptom_of_a_service() -> None:
    full = wrote("OSError: No space left on device")
    wrong = request(503, good=False)
    assert names(STARTED, FETCHES, wrong, failed(EXIT), full, ended("failed")) == [
        "fixture/http_error/likely", "unknown/no_space/possible",
    ]  # fmt: skip
    other = wrote("KeyError: 'x'")
    assert names(STARTED, FETCHES, wrong, failed(EXIT), other, ended("failed")) == [
        "fixture/http_error/certain"
    ]


def test_a_limit_on_the_runtime_is_a_limit_on_its_tasks() -> None:
    found = names(submitted(), limited("runtime"), failed(EXIT), wrote("MemoryError"))
    assert found == ["runtime/limited/certain"]


def test_a_problem_with_an_address_that_is_not_ours_is_the_tasks_own() -> None:
    found = names(
        STARTED, submitted(), failed(EXIT), wrote("connect 10.0.0.1:99: Connection refused")
    )
    assert found == ["task/exit_non_zero/likely"]


def test_data_that_a_task_cannot_read_may_come_from_another_task() -> None:
    both = submitted(services=("fixtures",), tasks=("b",))
    found = names(STARTED, both, failed(EXIT), wrote("JSONDecodeError: Expecting value"))
    assert found == ["fixture/undecodable/possible"]


def test_a_status_that_fixtures_itself_reports_is_not_its_fault() -> None:
    missing = request(404, good=True)
    found = names(STARTED, FETCHES, missing, failed(EXIT), wrote("HTTP Error 404: Not Found"))
    assert found == ["task/exit_non_zero/likely"]


def test_a_task_that_read_what_others_made_is_only_a_possible_cause() -> None:
    words = wrote("KeyError: 'x'")
    reads = submitted(tasks=("b",))
    unsure = ["unknown/task_or_input/possible", "task/exit_non_zero/possible"]
    assert names(reads, failed(EXIT), words, ended("failed")) == unsure
    assert names(FETCHES, failed(EXIT), words, ended("failed")) == unsure
    alone = names(submitted(), failed(EXIT), words, ended("failed"))
    assert alone == ["task/exit_non_zero/likely"]
    assert names(submitted(), failed(EXIT), ended("failed")) == ["task/exit_non_zero/likely"]
    assert names(failed(EXIT), words, ended("failed")) == ["task/exit_non_zero/possible"]


def test_files_of_an_earlier_stage_are_what_others_made() -> None:
    first = t.StageStarted(at_ms=1, stage_id="s", tasks=("a",))
    other = t.StageStarted(at_ms=0, stage_id="before", tasks=("z",))
    uses = submitted(workspace=True)
    words = wrote("KeyError: 'x'")
    assert names(first, uses, failed(EXIT), words) == ["task/exit_non_zero/likely"]
    assert names(other, first, uses, failed(EXIT), words)[0] == "unknown/task_or_input/possible"


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (9, ["unknown/killed/possible", "task/killed_by_signal/possible"]),
        (15, ["unknown/killed/possible", "task/killed_by_signal/possible"]),
        (11, ["task/killed_by_signal/likely"]),
        (6, ["task/killed_by_signal/likely"]),
    ],
)
def test_a_signal_from_outside_is_not_a_crash(number: int, expected: list[str]) -> None:
    error = t.TaskError(message=f"task terminated by signal {number}", source="execgo-runtime")
    assert names(submitted(), failed(error), ended("failed")) == expected
    by_shell = wrote("", exit_code=128 + number)
    if number in (9, 15):
        found = names(submitted(), failed(EXIT), by_shell, ended("failed"))
        assert found[0] == "unknown/killed/possible"


def test_a_task_that_ran_out_of_time_may_have_waited_for_a_service() -> None:
    late = t.TaskError(code="timeout", message="context deadline exceeded", source="scheduler")
    assert names(submitted(), failed(late)) == ["task/timeout/likely"]
    assert names(FETCHES, failed(late)) == ["unknown/timeout/possible", "task/timeout/possible"]


def test_the_same_words_after_a_resubmission_are_one_step() -> None:
    again = [replace_at(wrote("x"), 3), replace_at(wrote("x"), 5), replace_at(wrote("y"), 7)]
    texts = [step.text for step in explain(again)]
    assert texts == ["task a wrote to stderr: x", "task a wrote to stderr: y"]


def replace_at(event: t.TaskOutput, at_ms: float) -> t.TaskOutput:
    return event.model_copy(update={"at_ms": at_ms})


def test_the_limit_of_a_task_and_its_time_are_in_the_message() -> None:
    late = t.TaskError(code="timeout", message="task exceeded wall_time_ms")
    event = failed(late).model_copy(update={"duration_ms": 512})
    (cause,) = attribute([submitted(limit_ms=500), event])
    assert cause.message == "task a: task exceeded wall_time_ms (limit 500 ms; it ran 512 ms)"
    first, _ = attribute([submitted(limit_ms=500, services=("fixtures",)), failed(late)])
    assert first.message.startswith("task a: it ran out of time (limit 500 ms); it may have waited")


def test_memory_is_the_tasks_fault_within_the_limit_of_the_plan() -> None:
    words = wrote("MemoryError")
    assert names(submitted(), failed(EXIT), words) == ["unknown/out_of_memory/possible"]
    with_limit = submitted(memory_limit=True)
    assert names(with_limit, failed(EXIT), words) == ["task/exit_non_zero/likely"]


def test_a_file_of_the_scenario_that_is_gone_was_removed() -> None:
    words = wrote("FileNotFoundError: [Errno 2] No such file or directory: 'tools/x.py'")
    gone = t.FileChanged(at_ms=97, task_id="a", path="tools/x.py", how="removed")
    assert names(submitted(), failed(EXIT), words, gone) == ["unknown/file_removed/possible"]
    assert names(submitted(), failed(EXIT), words) == ["task/exit_non_zero/likely"]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"exit_code": 0, "runtime_status": "success"}, "engine/contradiction/likely"),
        ({"reported_status": "success"}, "engine/contradiction/likely"),
        ({"exit_code": 0, "runtime_status": "failed"}, "runtime/contradiction/likely"),
        ({"exit_code": 0}, "unknown/contradiction/possible"),
    ],
)
def test_a_failure_whose_process_ended_well_contradicts_itself(
    facts: dict[str, Any], expected: str
) -> None:
    silent = failed(EXIT).model_copy(update={"error": None})
    assert names(submitted(), silent, wrote("", **facts), ended("failed")) == [expected]


def test_words_about_a_service_are_a_symptom_of_its_known_problem() -> None:
    words = wrote("http://127.0.0.1:8090/x: Connection refused")
    assert names(STARTED, FETCHES, link("fixtures", "broken"), failed(EXIT), words) == [
        "fixture/link_broken/certain"
    ]


def test_no_failed_task_is_ever_certain() -> None:
    """Over all ends and words that rules know."""
    errors = [EXIT, t.TaskError(code="timeout"), t.TaskError(message="x"), None]
    for error in errors:
        for stderr in ("", "KeyError", "Connection refused", "Killed", "MemoryError"):
            event = failed(EXIT).model_copy(update={"error": error})
            for inputs in (submitted(), FETCHES, submitted(tasks=("b",), workspace=True)):
                found: list[t.EvidenceEvent] = [inputs, event, wrote(stderr), ended("failed")]
                causes = attribute(found)
                assert not [cause for cause in causes if cause.confidence == "certain"]


# -- what a client of fixtures gets


def test_an_answer_that_is_altered_on_its_way_explains_what_fails() -> None:
    other = t.AnswerDiffers(at_ms=99, path="/x", status=200, sha256="a", expected_sha256="b")
    words = wrote("KeyError: 'x'")
    altered = ["fixture/altered/likely"]
    assert names(FETCHES, failed(EXIT), words, ended("failed"), other) == altered
    assert names(FETCHES, ended("succeeded"), checked(), other) == altered
    assert names(FETCHES, unbound("unreadable"), other) == altered


# -- a clean trial to compare with


def baseline(**payloads: str) -> t.BaselineKnown:
    return t.BaselineKnown(trial_id="clean", payloads=payloads)


SAME = submitted(payload="p", tasks=("b",))


def test_a_task_that_succeeded_with_the_same_payload_did_not_start_it() -> None:
    words, known = wrote("KeyError: 'x'"), baseline(a="p")
    assert names(known, SAME, failed(EXIT), words, ended("failed")) == [
        "unknown/changed_input/possible"
    ]
    other = names(baseline(a="q"), SAME, failed(EXIT), words, ended("failed"))
    assert "task/exit_non_zero/possible" in other
    late = t.TaskError(code="timeout", message="m")
    assert names(known, SAME, failed(late)) == ["unknown/timeout/possible"]
    crash = t.TaskError(message="task terminated by signal 11", source="execgo-runtime")
    assert names(known, SAME, failed(crash)) == ["unknown/killed/possible"]


def test_words_about_a_service_count_as_before_with_a_clean_trial() -> None:
    words = wrote("http://127.0.0.1:8090/x: Connection refused")
    fetches = submitted(payload="p", services=("fixtures",))
    found = names(STARTED, baseline(a="p"), fetches, failed(EXIT), words, ended("failed"))
    assert found == ["fixture/refused/likely"]


def test_a_wrong_result_of_a_plan_that_held_before_is_not_the_plans() -> None:
    wrong: list[t.EvidenceEvent] = [ended("succeeded"), checked()]
    assert names(baseline(a="p"), SAME, *wrong) == ["unknown/changed_output/possible"]
    assert names(baseline(a="q"), SAME, *wrong) == ["task/wrong_output/possible"]
    assert names(baseline(a="p"), *wrong) == ["task/wrong_output/possible"]
    bound = t.BindingResolved(
        stage_id="s", source_task_id="a", source_path="x", target_task_id="b",
        target_param_path="input.y", digest="d",
    )  # fmt: skip
    both = t.SubmissionStarted(
        at_ms=3, stage_id="s",
        inputs={"a": t.TaskInputs(payload="p"), "b": t.TaskInputs(payload="changed")},
    )  # fmt: skip
    known = baseline(a="p", b="q")
    assert names(known, both, bound, *wrong) == ["unknown/changed_output/possible"]
    assert names(known, both, *wrong) == ["task/wrong_output/possible"]


def test_output_that_cannot_be_read_is_not_the_tasks_if_it_could_before() -> None:
    known = baseline(a="p")
    assert names(known, SAME, unbound("unreadable")) == ["unknown/changed_output/possible"]
    wrong = request(200, good=False)
    assert names(known, SAME, wrong, unbound("unreadable")) == ["fixture/wrong_content/likely"]


# -- gaps of the observers


def starved(at_ms: float = 50) -> t.ObserverStarved:
    return t.ObserverStarved(event_id="gap", at_ms=at_ms, gap_ms=1400)


def test_nothing_is_certain_if_the_observers_stood_still() -> None:
    assert names(starved(), ended("succeeded")) == ["unknown/unobserved/possible"]
    short = starved(20).model_copy(update={"gap_ms": 600.0})
    (cause,) = attribute([short, starved(), ended("succeeded")])
    assert cause.message == "nothing failed, but nothing was observed for 1.4 s"
    assert cause.evidence == ("gap", "gap")
    assert names(starved(), stopped("runtime")) == ["runtime/process_stopped/likely"]
    refused = t.SubmitRejected(stage_id="s", round=0, http_status=500, message="m")
    assert names(starved(), refused, exited("execgo")) == [
        "engine/http_500/likely", "engine/process_exited/likely",
    ]  # fmt: skip


# -- what the trial recovered from


def test_what_a_trial_recovered_from_before_the_deciding_stage_is_mitigated() -> None:
    events: list[t.EvidenceEvent] = [
        t.StageStarted(at_ms=1, stage_id="s", tasks=("a",)),
        failed(LOST, "a", at_ms=5),
        ended("succeeded").model_copy(update={"at_ms": 20}),
        t.StageStarted(at_ms=21, stage_id="later", tasks=("b",)),
        failed(EXIT, "b", at_ms=30).model_copy(update={"stage_id": "later"}),
        ended("failed").model_copy(update={"stage_id": "later", "at_ms": 40}),
    ]
    causes = attribute(events)
    assert [(cause.name, cause.mitigated) for cause in causes] == [
        ("task/exit_non_zero", False),
        ("runtime/handle_lost (mitigated)", True),
    ]
    # The stage that decided began at the very end of the other one.
    events[3] = events[3].model_copy(update={"at_ms": 20})
    assert attribute(events)[1].mitigated
    # If every stage succeeds in the end, it is the cause of what happened.
    assert not attribute(events[:3])[0].mitigated


def test_what_made_a_task_fail_comes_before_what_was_only_slow() -> None:
    slow = request(200, good=True).model_copy(update={"duration_ms": 800.0})
    assert names(slow, failed(LOST, at_ms=900)) == [
        "runtime/handle_lost/likely",
        "fixture/slow/likely",
    ]


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, ["task/exit_non_zero/likely"]),
        ({"tasks": ("b",)}, ["task/exit_non_zero/likely"]),
        # The command line may hold what another task printed.
        (
            {"tasks": ("b",), "bound": True},
            ["unknown/task_or_input/possible", "task/exit_non_zero/possible"],
        ),
    ],
)
def test_a_wrong_command_line_is_the_plans_unless_a_binding_fills_it_in(
    members: dict[str, Any], expected: list[str]
) -> None:
    words = wrote("match.py: error: unrecognized arguments: --strict")
    assert names(submitted(**members), failed(EXIT), words, ended("failed")) == expected


# -- rules


def test_the_order_of_rules_does_not_matter() -> None:
    events: list[t.EvidenceEvent] = [
        STARTED, FETCHES, exited("runtime"), failed(LOST, "a"), failed(EXIT, "b"),
        wrote("KeyError: 'x'", "b"), link("fixtures", "broken"), request(503, good=False),
        t.EngineUnreachable(stage_id="s", at_ms=4, message="m"), ended("failed"),
    ]  # fmt: skip
    expected = attribute(events)
    rng = Random(1)
    for _ in range(50):
        assert attribute(events, rng.sample(RULES, len(RULES))) == expected


POOL: tuple[t.EvidenceEvent, ...] = (
    STARTED, FETCHES, submitted(), submitted(tasks=("b",), payload="p"), baseline(a="p"),
    failed(EXIT), failed(LOST, "b"), failed(t.TaskError(code="timeout"), "c"),
    failed(t.TaskError(message="context canceled"), "d"), failed(t.TaskError(message="unknown os tool")),
    failed(EXIT).model_copy(update={"error": None}), wrote("Connection refused"), wrote("KeyError: 'x'"),
    wrote("http://127.0.0.1:8090: HTTP Error 503: x"), wrote("", exit_code=0), wrote("", exit_code=137),
    wrote("OSError: No space left on device", "b"), exited("execgo"), exited("runtime"),
    exited("fixtures"), stopped("runtime"), limited("runtime"), link("fixtures", "broken"),
    link("runtime", "slow"), request(503, good=False), request(200, good=True), unbound("absent"),
    unbound("unreadable"), unbound("source_failed"), checked(), checked(raised=True), starved(),
    ended("failed"), ended("succeeded"), ended("stuck", "a"), ended("rejected"),
    t.SubmitRejected(stage_id="s", round=0, http_status=400, message="cycle detected"),
    t.SubmitRejected(stage_id="s", round=0, http_status=403, message="no"),
    t.EngineUnreachable(stage_id="s", at_ms=4, message="m"),
    t.EngineProtocolError(stage_id="s", message="m"), t.HarnessProblem(message="m"),
    t.TaskLost(stage_id="s", round=0, task_id="a", engine_task_id="x"),
)  # fmt: skip


def test_rules_name_only_codes_that_they_declare_in_any_mixture_of_events() -> None:
    rng = Random(7)
    for _ in range(2000):
        events = sorted(rng.sample(POOL, rng.randint(1, 12)), key=lambda event: event.at_ms)
        causes = attribute(events)
        assert causes
        assert "harness/rule_failed" not in [cause.name for cause in causes]
        assert attribute(events, rng.sample(RULES, len(RULES))) == causes


OWN = Suspicion("task", "own", "likely", ("e",), "m")


def _raises(evidence: Evidence) -> list[Suspicion]:
    raise ZeroDivisionError("division by zero")


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        (Rule("mine", {"task": ("own",)}, lambda evidence: [OWN]), None),
        (Rule("mine", {"task": ("o*",)}, lambda evidence: [OWN]), None),
        (
            Rule("mine", {"task": ("x",)}, lambda evidence: [OWN]),
            "names task/own, which is not one of its codes",
        ),
        (Rule("mine", {"task": ("own",)}, _raises), "raised ZeroDivisionError: division by zero"),
        (Rule("mine", {"task": ("own",)}, lambda evidence: [3]), "gave int, expected Suspicion"),  # type: ignore[list-item]
    ],
)
def test_a_rule_from_outside_cannot_hide_other_causes(rule: Rule, problem: str | None) -> None:
    causes = attribute([exited("execgo")], [*RULES, rule])
    assert "engine/process_exited" in [cause.name for cause in causes]
    (other,) = [cause for cause in causes if cause.layer != "engine"]
    assert other.name == ("task/own" if problem is None else "harness/rule_failed")
    if problem:
        assert other.message == f"the attribution rule mine {problem}"
