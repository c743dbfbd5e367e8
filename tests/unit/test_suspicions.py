"""What single rules suspect, with its details: service, windows, notes and words."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from math import inf
from typing import cast

import pytest

from pytest_execgo.models import events as t
from pytest_execgo.models.cause import Layer
from pytest_execgo.verdict import rules
from pytest_execgo.verdict.evidence import Evidence, Window
from pytest_execgo.verdict.rules import RULES, checks, fixtures, services, slow, witnesses
from pytest_execgo.verdict.suspicion import Rule, Suspicion
from pytest_execgo.verdict.symptoms import TABLE, causes
from tests.event_makers import checked, ended, exited, limited, ready, submitted


def suspected(rule: Rule, *events: t.EvidenceEvent) -> list[Suspicion]:
    return list(rule.suspect(Evidence(events)))


def test_a_rule_has_the_name_of_its_module() -> None:
    names = {name for name, one in vars(rules).items() if hasattr(one, "RULE")}
    assert {rule.name for rule in RULES} == names
    for rule in RULES:
        assert getattr(rules, rule.name).RULE is rule


@pytest.mark.parametrize(
    ("one", "member"),
    [
        (Suspicion("task", "x", "likely", (), "m"), "confidence"),
        (RULES[0], "codes"),
        (Window(0, 1), "start"),
        (TABLE[0], "weakens"),
        (Evidence(()), "events"),
    ],
    ids=["suspicion", "rule", "window", "row", "evidence"],
)
def test_no_rule_can_change_what_another_one_sees(one: object, member: str) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(one, member, None)


def test_a_suspicion_of_a_declared_code_is_no_problem() -> None:
    rule = Rule("x", {"task": ("a*",)}, lambda evidence: ())
    assert rule.problem(Suspicion("task", "abc", "likely", (), "m")) == ""


def test_fixtures_are_the_service_of_what_is_suspected_of_them() -> None:
    wrong = t.FixtureRequest(
        event_id="w", at_ms=6, method="GET", path="/a", status=503, duration_ms=900,
        sha256="x", reference_sha256="r",
    )  # fmt: skip
    differs = t.AnswerDiffers(event_id="d", path="/b", status=200, sha256="x", expected_sha256="r")
    found = suspected(fixtures.RULE, exited("fixtures"), wrong, differs)
    assert {one.code for one in found} == {"process_exited", "http_error", "slow", "altered"}
    assert {one.service for one in found} == {"fixtures"}
    (altered,) = [one for one in found if one.code == "altered"]
    assert altered.message == "clients of fixtures get another answer for /b than it gives"
    assert altered.windows == (Window(-inf, inf),)


def test_a_limit_at_the_end_of_a_service_is_a_problem_of_its_health() -> None:
    limits = {"memory": "16 MB", "cpu": "0.1 of a processor"}
    (found,) = suspected(
        services.RULE, exited("runtime", 400, limits=limits), ready("runtime", 900)
    )
    assert found.message == (
        "runtime ended under a new limit on memory (16 MB), cpu (0.1 of a processor)"
    )
    assert found.windows == (Window(150, 1400),)
    assert found.settled_at == 1400
    assert found.notes == frozenset({"health", "memory", "cpu"})


def test_a_limit_that_a_health_check_saw_is_not_named_twice() -> None:
    ends = exited("runtime", limits={"memory": "16 MB"})
    assert len(suspected(services.RULE, limited("runtime"), ends)) == 1


def stage(name: str, duration_ms: float) -> t.StageFinished:
    changed = {"event_id": name, "stage_id": name, "duration_ms": duration_ms}
    return ended("succeeded").model_copy(update=changed)


def test_each_stage_is_compared_with_itself() -> None:
    known = t.BaselineKnown(trial_id="b", payloads={}, stages={"b": 100, "c": 100.4})
    found = suspected(slow.RULE, known, stage("a", 9000), stage("b", 1100), stage("c", 1234.4))
    assert [one.message for one in found] == [
        "stage c took 1234 ms, 100 ms in the clean trial, and nothing explains it"
    ]
    assert found[0].notes == {"slow"}


def test_a_stage_may_take_a_second_longer() -> None:
    known = t.BaselineKnown(trial_id="b", payloads={}, stages={"s": 100})
    assert suspected(slow.RULE, known, stage("s", 1100.5))
    assert not suspected(slow.RULE, known, stage("s", 1100))


def test_an_altered_answer_is_about_the_runtime() -> None:
    differ = t.WitnessesDiffer(task_id="a", member="stdout", link_alters=True)
    (found,) = suspected(witnesses.RULE, differ)
    assert found.service == "runtime"


def test_a_result_that_was_right_before_says_so() -> None:
    inputs = submitted(payload="same")
    known = t.BaselineKnown(trial_id="b", payloads={"a": "same"})
    check = checked().model_copy(update={"task": "a"})
    (found,) = suspected(checks.RULE, known, inputs, ended("succeeded"), check)
    assert found.message == (
        "task a succeeded, but check value failed (m); it held before with the same plan, so what the "
        "tasks read changed, or they do not always give the same"
    )


def test_a_check_that_raises_may_have_read_an_answer_of_fixtures() -> None:
    raised = checked(raised=True)
    for read, confidence in (({}, "likely"), ({"services": ("fixtures",)}, "possible")):
        (found,) = suspected(checks.RULE, submitted(**read), ended("succeeded"), raised)
        assert (found.name, found.confidence) == ("verifier/check_raised", confidence)


@pytest.mark.parametrize(
    "code", ["engine/contradiction", "runtime/answer_altered", "unknown/contradiction"]
)
@pytest.mark.parametrize(
    "symptom", ["task/wrong_output", "task/bad_output", "unknown/changed_output"]
)
def test_what_is_passed_on_wrongly_explains_what_is_wrong(code: str, symptom: str) -> None:
    names = [one.split("/") for one in (code, symptom)]
    two = [Suspicion(cast("Layer", layer), one, "possible", (), "m") for layer, one in names]
    assert [one.name for one in causes(two)] == [code]


def test_two_slow_stages_do_not_explain_each_other() -> None:
    notes = frozenset({"slow"})
    two = [Suspicion("unknown", "slow", "possible", (), name, notes=notes) for name in "ab"]
    assert len(causes(two)) == 2
