"""Single questions that rules ask of the evidence."""

from __future__ import annotations

from math import inf

import pytest

from pytest_execgo.models import events as t
from pytest_execgo.verdict.attribute import attribute
from pytest_execgo.verdict.evidence import Evidence
from tests.event_makers import (
    EXIT,
    causes,
    checked,
    ended,
    failed,
    gone_at,
    link_used,
    request,
    submitted,
    unbound,
    wrote,
)


def stage(name: str, outcome: str, at_ms: float = 90) -> t.StageFinished:
    return ended(outcome).model_copy(update={"stage_id": name, "at_ms": at_ms})


def demanded(task: str) -> t.CheckEvaluated:
    """A check that demands the failure of a task."""
    return checked().model_copy(
        update={"ok": True, "kind": "task", "task": task, "expected": "failed"}
    )


def of_stage(event: t.TaskChanged, name: str) -> t.TaskChanged:
    return event.model_copy(update={"stage_id": name})


def test_a_stage_fails_as_demanded_by_its_own_tasks_alone() -> None:
    other = of_stage(failed(EXIT, "b"), "other")
    good = failed(EXIT, "c").model_copy(update={"status": "success"})
    found = Evidence([failed(EXIT), good, other, stage("s", "failed"), demanded("a")])
    assert found.failed_stages() == []
    both = Evidence([failed(EXIT), failed(EXIT, "b"), stage("s", "failed"), demanded("a")])
    assert [one.stage_id for one in both.failed_stages()] == ["s"]


def test_what_nothing_explains_names_each_stage() -> None:
    found = attribute([stage("s", "failed"), stage("u", "lost")])
    assert [cause.message for cause in found if cause.code == "unexplained"] == [
        "no rule explains: s failed, u lost"
    ]


def test_the_longest_gap_is_named_in_seconds() -> None:
    gaps = [t.ObserverStarved(gap_ms=600), t.ObserverStarved(gap_ms=2500)]
    (cause,) = attribute(gaps)
    assert cause.message == "nothing failed, but nothing was observed for 2.5 s"


def test_what_made_a_task_fail_comes_before_what_was_only_seen() -> None:
    used = link_used("fixtures", "reset")
    found = causes(submitted(tasks=("b",)), failed(EXIT), used, ended("failed"))
    assert found == [
        "unknown/task_or_input/possible", "task/exit_non_zero/possible",
        "fixture/reset/possible",
    ]  # fmt: skip


def test_only_the_words_of_a_shutdown_tell_of_one() -> None:
    other = failed(t.TaskError(message="signal: terminated"), at_ms=9)
    assert not Evidence([other, gone_at(0.5)]).killed_at_shutdown(other)
    killed = failed(t.TaskError(message="signal: killed"), at_ms=9)
    assert Evidence([killed, gone_at(0.5)]).killed_at_shutdown(killed)


def test_a_failure_without_words_has_a_sentence() -> None:
    silent = failed(EXIT).model_copy(update={"error": None})
    assert Evidence([]).message(silent) == "failed without a message"
    assert Evidence([]).words(failed(EXIT)) == "m"
    assert Evidence([wrote(" its own \n")]).words(failed(EXIT)) == "its own"


def test_the_words_of_the_end_are_those_of_the_first_stage_that_failed() -> None:
    second = of_stage(failed(EXIT, "b"), "u")
    words = wrote("second", "b").model_copy(update={"stage_id": "u"})
    events: list[t.EvidenceEvent]
    events = [failed(EXIT), second, words, stage("s", "failed", 20), stage("u", "failed")]
    assert Evidence(events).stderr_of_end() is None


def test_a_clean_trial_confirms_what_it_does_not_share() -> None:
    other = t.BaselineKnown(trial_id="clean", payloads={"a": "q"})
    inputs = submitted(payload="p")
    assert causes(other, inputs, unbound("unreadable")) == ["task/bad_output/likely"]
    assert causes(inputs, unbound("unreadable"))[0] == "unknown/task_or_output/possible"


@pytest.mark.parametrize(
    ("event", "known"),
    [
        (request(404, good=True), True),
        (request(404, good=False), False),
        (request(200, good=True), False),
    ],
)
def test_fixtures_has_answered_so_if_that_was_right(event: t.FixtureRequest, known: bool) -> None:
    assert Evidence([event]).answered(404) is known


def test_a_file_has_changed_for_the_task_that_names_it() -> None:
    gone = t.FileChanged(event_id="gone", task_id="b", path="x.py", how="removed")
    assert Evidence([gone]).changed_file("a") is None
    found = Evidence([gone]).changed_file("b")
    assert found is not None
    assert (found.code, found.event_id) == ("file_removed", "gone")
    assert found.message == "x.py, which task b names, is gone"
    differs = t.BaselineDiffers(
        event_id="differs", subject="file", name="x.py", field="sha256", expected="1", got="2"
    )
    found = Evidence([submitted(files=("x.py",)), differs]).changed_file("a")
    assert found is not None
    assert (found.code, found.event_id) == ("file_content", "differs")
    text = "x.py, which task a names, has other content than in the clean trials"
    assert found.message == text


def test_a_failure_is_settled_by_the_last_end_of_its_stage() -> None:
    first, last = stage("s", "succeeded", 20), stage("s", "failed", 40)
    assert Evidence([failed(EXIT), first, last]).settled_at(failed(EXIT)) == inf
    assert Evidence([failed(EXIT), last, first]).settled_at(failed(EXIT)) == 20


@pytest.mark.parametrize(("at_ms", "expected"), [(10, 20), (20, 20), (21, 40), (41, inf)])
def test_a_trial_recovers_by_a_resubmission_or_a_success(at_ms: float, expected: float) -> None:
    again = t.Resubmitted(at_ms=40, stage_id="s", round=1, tasks=("a",), waited_ms=1)
    found = Evidence([stage("s", "succeeded", 20), stage("s", "failed", 30), again])
    assert found.recovered_after(at_ms) == expected


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], False),
        ([failed(EXIT)], True),
        ([stage("s", "stuck")], True),
        ([stage("s", "succeeded")], False),
        ([t.EngineUnreachable(stage_id="s", message="m")], True),
        ([checked()], True),
        ([checked().model_copy(update={"ok": True})], False),
    ],
)
def test_something_went_wrong_also_if_the_trial_recovered(
    events: list[t.EvidenceEvent], expected: bool
) -> None:
    assert Evidence(events).went_wrong() is expected


def test_the_readers_of_a_file_are_those_that_name_it() -> None:
    inputs = {
        "a": t.TaskInputs(files=("in/x", "y")), "b": t.TaskInputs(files=("in",)),
        "c": t.TaskInputs(files=("in/x2", "i")),
    }  # fmt: skip
    found = Evidence([t.SubmissionStarted(stage_id="s", inputs=inputs)])
    assert found.readers("in/x") == ["a", "b"]
