"""Single rules: when they are certain, and what their messages and evidence are."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_execgo.models import events as t
from pytest_execgo.verdict.attribute import attribute
from pytest_execgo.verdict.evidence import Evidence
from tests.event_makers import (
    AGREED,
    EXIT,
    LOST,
    causes,
    checked,
    ended,
    exited,
    failed,
    limited,
    lost,
    submitted,
    unbound,
    wrote,
)


def rejected(status: int, message: str = "cycle detected", stage: str = "s") -> t.SubmitRejected:
    return t.SubmitRejected(stage_id=stage, round=0, http_status=status, message=message)


def breaking(*problems: str, stage: str = "s") -> t.SubmissionStarted:
    return t.SubmissionStarted(stage_id=stage, problems=problems)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([breaking("cycle"), rejected(400)], "dsl/cycle/certain"),
        ([breaking(), rejected(400)], "dsl/cycle/likely"),
        ([breaking("empty_graph"), rejected(400)], "dsl/cycle/likely"),
        ([breaking("cycle", stage="other"), rejected(400)], "dsl/cycle/likely"),
        ([breaking("cycle"), rejected(403, "blocked")], "engine/http_403/likely"),
        ([breaking("cycle"), rejected(499, "blocked")], "engine/http_499/likely"),
        ([breaking("cycle"), rejected(500)], "engine/http_500/certain"),
    ],
)
def test_a_rejection_is_certain_if_the_submission_really_breaks_the_rule(
    events: list[t.EvidenceEvent], expected: str
) -> None:
    assert causes(*events) == [expected]


def test_every_rejection_is_looked_at() -> None:
    two = causes(breaking("cycle"), rejected(403, "blocked"), rejected(400))
    assert two == ["dsl/cycle/certain", "engine/http_403/likely"]


KILLED = exited("runtime", limits={"memory": "16 MB"}, out_of_memory=True)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        # Docker tells of the limit when no health check saw it, and of the reason of the end.
        ([KILLED, failed(LOST), ended("failed")], ["runtime/limited/certain"]),
        ([KILLED, ended("succeeded")], ["runtime/limited/certain"]),
        ([KILLED, limited("runtime"), failed(LOST)], ["runtime/limited/certain"]),
        # Docker does not answer a health check about a container that just ends.
        (
            [
                exited("runtime", out_of_memory=True),
                limited("runtime").model_copy(update={"at_ms": 900}),
            ],
            ["runtime/limited/certain"],
        ),
        (
            [exited("runtime", out_of_memory=True), limited("execgo")],
            ["engine/limited/certain", "runtime/process_exited/certain"],
        ),
        # A limit on something else does not explain a lack of memory.
        (
            [exited("runtime", limits={"cpu": "0.1 of a processor"}, out_of_memory=True)],
            ["runtime/process_exited/certain", "runtime/limited/certain"],
        ),
        # A limit alone does not kill.
        (
            [exited("fixtures", limits={"memory": "16 MB"})],
            ["fixture/process_exited/certain", "fixture/limited/certain"],
        ),
        (
            [exited("execgo", limits={"memory": "16 MB"}, out_of_memory=True)],
            ["engine/limited/certain"],
        ),
    ],
)
def test_a_limit_on_memory_explains_an_end_for_lack_of_memory(
    events: list[t.EvidenceEvent], expected: list[str]
) -> None:
    assert sorted(causes(*events)) == sorted(expected)


SEGFAULT = t.TaskError(message="task terminated by signal 11", source="execgo-runtime")


def differ(*, link: bool) -> t.WitnessesDiffer:
    return t.WitnessesDiffer(event_id="differ", task_id="a", member="stdout", link_alters=link)


def still_known(task_id: str, other_handle: str | None = None) -> t.TaskStillKnown:
    return t.TaskStillKnown(
        event_id="known", task_id=task_id, status="running", other_handle=other_handle
    )


def altered_request(task_id: str) -> t.RequestDiffers:
    return t.RequestDiffers(task_id=task_id, member="env.X")


def contradiction(how: str = "other_task") -> t.EngineContradiction:
    return t.EngineContradiction.model_validate(
        {"stage_id": "s", "round": 0, "task_id": "a", "how": how, "message": "m"}
    )


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([differ(link=True), ended("succeeded"), checked()], "runtime/answer_altered/likely"),
        ([differ(link=False), ended("succeeded"), checked()], "unknown/contradiction/possible"),
        ([contradiction(), ended("succeeded"), checked()], "engine/contradiction/likely"),
        # Without an effect, ExecGo's contradiction blames nothing.
        ([contradiction(), ended("succeeded")], "none/no_failure/certain"),
    ],
)
def test_what_is_passed_on_wrongly_explains_a_wrong_output(
    events: list[t.EvidenceEvent], expected: str
) -> None:
    assert causes(*events) == [expected]


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (still_known("b"), "runtime/handle_lost/likely"),
        (still_known("a"), "runtime/answer_lost/likely"),
        (still_known("a", other_handle="h7"), "runtime/answer_altered/likely"),
    ],
)
def test_a_handle_that_the_runtime_knows_is_not_lost(
    known: t.TaskStillKnown, expected: str
) -> None:
    found = attribute([failed(LOST), ended("failed"), known])
    assert [f"{cause.name}/{cause.confidence}" for cause in found] == [expected]
    assert ("known" in found[0].evidence) == (known.task_id == "a")


def test_a_process_that_ended_explains_a_handle_also_if_it_is_known_again() -> None:
    found = causes(exited("runtime"), failed(LOST), ended("failed"), still_known("a"))
    assert found == ["runtime/handle_lost/certain"]


def test_an_altered_request_explains_what_its_task_does() -> None:
    exit_1 = {"code": "exit_non_zero", "source": "execgo-runtime", "raw_code": "exit_non_zero"}
    fails = failed(t.TaskError(**exit_1))
    assert causes(fails, ended("failed"), altered_request("a")) == [
        "runtime/request_altered/likely"
    ]
    # A later task works with what the other one printed; it may be wrong by itself.
    assert causes(fails, ended("failed"), altered_request("b")) == [
        "runtime/request_altered/likely", "task/exit_non_zero/possible",
    ]  # fmt: skip
    assert causes(ended("succeeded"), checked(), altered_request("b")) == [
        "runtime/request_altered/likely"
    ]


def test_a_contradiction_of_the_engine_is_named_beside_a_failure() -> None:
    assert "engine/contradiction/likely" in causes(contradiction(), failed(EXIT), ended("failed"))


def took(stage_ms: float, outcome: str = "succeeded", before: float = 400) -> list[t.EvidenceEvent]:
    known = t.BaselineKnown(trial_id="b", payloads={}, stages={"s": before})
    return [known, ended(outcome).model_copy(update={"duration_ms": stage_ms})]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        (took(1500), ["unknown/slow/possible"]),
        (took(1400), ["none/no_failure/certain"]),
        (took(2900, before=1000), ["none/no_failure/certain"]),
        (took(3100, before=1000), ["unknown/slow/possible"]),
        ([*took(1500), limited("runtime")], ["runtime/limited/certain"]),
        (took(1500, "failed"), ["unknown/unexplained/possible"]),
        (
            [ended("succeeded").model_copy(update={"duration_ms": 9000})],
            ["none/no_failure/certain"],
        ),
    ],
)
def test_a_stage_that_is_slow_without_a_reason_is_named(
    events: list[t.EvidenceEvent], expected: list[str]
) -> None:
    assert causes(*events) == expected


def again(round_: int, at_ms: float) -> t.Resubmitted:
    return t.Resubmitted(stage_id="s", round=round_, tasks=("a",), waited_ms=1, at_ms=at_ms)


def in_round(number: int, error: t.TaskError, at_ms: float) -> t.TaskChanged:
    changed = {"round": number, "engine_task_id": f"x.a.r{number}"}
    return failed(error, at_ms=at_ms).model_copy(update=changed)


def test_what_a_resubmission_recovered_from_did_not_decide_the_end() -> None:
    killed: list[t.EvidenceEvent] = [exited("runtime"), in_round(0, LOST, 10), again(1, 20)]
    found = attribute([*killed, in_round(1, EXIT, 30), ended("failed")])
    assert [(cause.name, cause.mitigated) for cause in found] == [
        ("task/exit_non_zero", False), ("runtime/handle_lost (mitigated)", True),
    ]  # fmt: skip


def test_what_fails_again_after_a_resubmission_decided_the_end() -> None:
    killed: list[t.EvidenceEvent] = [exited("runtime"), in_round(0, LOST, 10), again(1, 20)]
    found = attribute([*killed, in_round(1, LOST, 30), ended("failed")])
    assert [(cause.name, cause.mitigated) for cause in found] == [("runtime/handle_lost", False)]


def test_an_attempt_without_an_end_shows_no_recovery() -> None:
    """The deadline of the stage cuts the second attempt off."""
    running = in_round(1, LOST, 30).model_copy(update={"status": "running", "error": None})
    found = attribute([in_round(0, LOST, 10), again(1, 20), running, ended("stuck", "a")])
    assert ("runtime/handle_lost", False) in [(cause.name, cause.mitigated) for cause in found]


def test_an_end_says_that_memory_was_lacking() -> None:
    first, *_ = attribute([exited("runtime", out_of_memory=True)])
    assert first.message == (
        "the process of runtime ended with exit status -9, killed for lack of memory; no task failed"
    )
    (limit,) = attribute([KILLED])
    assert limit.message == "runtime ended under a new limit on memory (16 MB)"


def test_a_lost_task_is_certain_after_a_restart() -> None:
    assert causes(lost("forgotten")) == ["engine/task_lost/likely"]
    assert causes(lost("orphaned")) == ["engine/task_lost/certain"]
    assert causes(lost("forgotten"), lost("orphaned")) == ["engine/task_lost/certain"]
    assert causes(exited("execgo"), lost("forgotten")) == [
        "engine/process_exited/certain", "engine/task_lost/certain",
    ]  # fmt: skip


def test_only_the_first_request_to_try_again_is_evidence() -> None:
    first = t.EngineUnavailable(event_id="1", stage_id="s", http_status=502, message="502")
    second = first.model_copy(update={"event_id": "2", "message": "503"})
    (cause,) = attribute([first, second])
    assert cause.evidence == ("1",)
    assert cause.message == "ExecGo, or a gateway in front of it, asked to try again later: 502"


def test_messages_of_the_engine_are_about_execgo() -> None:
    events: list[t.EvidenceEvent] = [
        t.EngineUnreachable(event_id="1", at_ms=1, stage_id="s", message="first"),
        t.EngineUnreachable(event_id="2", at_ms=2, stage_id="s", message="second"),
    ]
    (cause,) = attribute(events)
    assert (cause.message, cause.evidence) == ("first", ("1", "2"))
    lost_two = attribute([lost("forgotten"), lost("forgotten").model_copy(update={"task_id": "b"})])
    assert lost_two[0].message == "ExecGo lost a, b"


def test_a_missing_value_is_likely_the_bindings_unless_its_source_read_something() -> None:
    assert causes(submitted(), AGREED, unbound("absent")) == ["binding/binding_missing/likely"]
    reads = submitted(services=("fixtures",))
    assert causes(reads, AGREED, unbound("absent")) == ["binding/binding_missing/possible"]
    assert causes(reads, AGREED, unbound("unreadable")) == ["task/bad_output/possible"]


def test_every_missing_value_is_looked_at() -> None:
    optional = unbound("absent").model_copy(update={"required": False})
    both = causes(AGREED, optional, unbound("unreadable"), unbound("absent"))
    assert both == ["binding/binding_missing/likely", "task/bad_output/likely"]


def test_a_value_is_missing_by_itself_if_its_source_succeeded() -> None:
    other = failed(EXIT, "z", at_ms=1)
    good = failed(EXIT, "a", at_ms=2).model_copy(update={"status": "success", "error": None})
    found = causes(AGREED, submitted(), other, good, unbound("absent"))
    assert "binding/binding_missing/likely" in found
    alone = causes(AGREED, submitted(), other, unbound("absent"))
    assert "binding/binding_missing/likely" not in alone


def message(*events: t.EvidenceEvent) -> tuple[str, tuple[str, ...]]:
    cause = attribute(sorted(events, key=lambda event: event.at_ms))[0]
    return cause.message, cause.evidence


@pytest.mark.parametrize(
    ("inputs", "error", "output", "expected"),
    [
        ({}, EXIT, {"stderr": "a\nKeyError: 'x'\n"}, "task a: m: KeyError: 'x'"),
        ({}, EXIT, {"stderr": ""}, "task a: m"),
        (
            {"tasks": ("b",), "services": ("fixtures",)}, EXIT, {"stderr": "KeyError: 'x'"},
            "task a: KeyError: 'x'; either the task or what it read (fixtures, b) is wrong",
        ),
        (
            {"services": ("fixtures",)}, t.TaskError(code="timeout"), {},
            "task a: it ran out of time; it may have waited for fixtures",
        ),
        ({}, EXIT, {"exit_signal": 9, "exit_code": 137}, "task a: something outside of it ended it"),
        ({}, EXIT, {"exit_code": 0, "runtime_status": "success"},
         "task a: its process ended well, but ExecGo says that it failed"),
        ({}, EXIT, {"exit_code": 0, "runtime_status": "failed"},
         "task a: its process ended well, but the runtime says that it failed"),
        ({"memory_limit": True}, EXIT, {"stderr": "MemoryError"},
         "task a: within its limit: MemoryError"),
        ({"memory_limit": True}, SEGFAULT, {},
         "task a: task terminated by signal 11; the plan limits its memory, and a program that gets "
         "none may end like this"),
        ({}, SEGFAULT, {}, "task a: task terminated by signal 11"),
        ({}, t.TaskError(message="context canceled"), {}, "task a: ExecGo cancelled it"),
    ],
)  # fmt: skip
def test_the_message_of_a_failed_task_has_its_own_words(
    inputs: dict[str, Any], error: t.TaskError, output: dict[str, Any], expected: str
) -> None:
    stderr = output.pop("stderr", "")
    shown, evidence = message(submitted(**inputs), failed(error), wrote(stderr, **output))
    assert shown == expected
    assert evidence == (("task-a", "wrote-a") if stderr.strip() else ("task-a",))


def test_a_task_without_anything_that_it_wrote_is_its_own_evidence() -> None:
    assert message(submitted(), failed(EXIT), ended("failed")) == ("task a: m", ("task-a",))


@pytest.mark.parametrize(
    ("number", "layer"), [(4, "task"), (7, "task"), (8, "task"), (5, "unknown")]
)
def test_the_signal_that_the_runtime_reports_counts(number: int, layer: str) -> None:
    error = t.TaskError(message="task terminated by signal 1", source="execgo-runtime")
    found = causes(submitted(), failed(error), wrote("", exit_signal=number))
    assert found[0].startswith(f"{layer}/")


def written(number: int, stderr: str, at_ms: float) -> t.TaskOutput:
    return wrote(stderr).model_copy(
        update={"round": number, "engine_task_id": f"x.a.r{number}", "at_ms": at_ms}
    )


def test_the_words_that_count_are_those_of_the_last_round() -> None:
    first: list[t.EvidenceEvent] = [
        in_round(0, EXIT, 10), written(0, "first", 11), again(1, 20),
    ]  # fmt: skip
    evidence = Evidence([*first, in_round(1, EXIT, 30), written(1, "second", 31), ended("failed")])
    found = evidence.stderr_of_end()
    assert found is not None
    assert found.stderr == "second"
    silent = Evidence([*first, in_round(1, EXIT, 30), written(1, " \n", 31), ended("failed")])
    assert silent.stderr_of_end() is None
    assert Evidence([*first, ended("succeeded")]).stderr_of_end() is None
