"""A known finding explains what it is about, and excuses nothing else."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime

import pytest

from pytest_execgo.conformance import search
from pytest_execgo.conformance.cases import load_cases
from pytest_execgo.models import events as t
from pytest_execgo.models.cause import ExpectedCause
from pytest_execgo.models.environment import ServiceInfo
from pytest_execgo.models.finding import Finding
from pytest_execgo.models.trial_result import FaultRecord
from pytest_execgo.models.verdict import Attribution, Verdict
from pytest_execgo.scenario.findings import load_findings
from pytest_execgo.verdict.known import (
    JudgedTrial,
    findings_about,
    known_finding,
    named_findings,
)

STUCK = Finding.model_validate(
    {
        "id": "stays-running",
        "service": "runtime",
        "versions": ["1.1.*"],
        "summary": "s",
        "causes": [{"layer": "runtime", "code": "stuck"}],
    }
)
REAL = {"runtime": ServiceInfo(launcher="binary", version="1.1.0")}
OURS = {"runtime": ServiceInfo(launcher="embedded", version="0.1.0 (speaks 1.1.0)")}


def verdict(*causes: tuple[str, str, str], status: str = "failed") -> Verdict:
    return Verdict.model_validate(
        {
            "status": status, "expectation": "should_recover", "outcome": "o", "recovery": "stuck",
            "checks": [], "explanation": [],
            "attribution": [
                Attribution.model_validate(
                    {"layer": layer, "code": code, "confidence": confidence, "message": "m"}
                    | {"evidence": ("e1",)}
                )
                for layer, code, confidence in causes
            ],
        }
    )  # fmt: skip


NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIKELY = ("runtime", "stuck", "likely")


def judged(given: Verdict, *expected: str, healed_at_ms: float | None = None) -> JudgedTrial:
    """A trial whose task was first seen at 50 ms; with ``expected``, a fault was injected into the
    runtime."""
    hit = FaultRecord(
        action="kill", target="runtime", phase="runtime", status="fired", healed_at_ms=healed_at_ms
    )
    seen = t.TaskChanged(
        event_id="e1", at_ms=50, stage_id="s", round=0, task_id="a", engine_task_id="x.a",
        status="running", created_at=NOW, updated_at=NOW,
    )  # fmt: skip
    causes = [ExpectedCause.model_validate({"layer": layer}) for layer in expected]
    return JudgedTrial(given, causes, [hit] if expected else [], [seen])


@pytest.mark.parametrize(
    ("given", "services", "expected"),
    [
        (verdict(LIKELY), REAL, "stays-running"),
        (verdict(("runtime", "stuck", "possible")), REAL, None),
        (verdict(LIKELY), OURS, None),
        (verdict(LIKELY), {}, None),
        (verdict(LIKELY, status="inconclusive"), REAL, None),
        (verdict(LIKELY, status="passed"), REAL, None),
        (verdict(("runtime", "handle_lost", "certain")), REAL, None),
        (verdict(("dsl", "cycle", "certain"), LIKELY), REAL, None),
        (verdict(("fixture", "http_error", "likely"), LIKELY), REAL, "stays-running"),
        (verdict(LIKELY, ("task", "timeout", "likely")), REAL, None),
        (verdict(LIKELY, ("binding", "binding_missing", "likely")), REAL, None),
        (verdict(LIKELY, ("dsl", "invalid_input", "likely")), REAL, None),
        (verdict(LIKELY, ("task", "timeout", "possible")), REAL, "stays-running"),
    ],
    ids=[
        "likely",
        "only possible",
        "other engine",
        "no engine",
        "inconclusive",
        "passed",
        "other cause",
        "behind a cause of ours",
        "behind a cause in the fixtures",
        "beside a likely mistake of a task",
        "beside a likely mistake of a binding",
        "beside a likely mistake of the plan",
        "beside a possible mistake",
    ],
)
def test_a_finding_explains_its_own_cause_only(
    given: Verdict, services: dict[str, ServiceInfo], expected: str | None
) -> None:
    assert known_finding(judged(given), [STUCK], services) == expected


def test_a_mitigated_cause_is_neither_a_second_defect_nor_a_finding() -> None:
    def mitigated(given: Verdict) -> Verdict:
        first, *others = given.attribution
        gone = first.model_copy(update={"mitigated": True})
        return given.model_copy(update={"attribution": (gone, *others)})

    with_repair = mitigated(verdict(("plan", "cycle", "certain"), LIKELY))
    assert known_finding(judged(with_repair), [STUCK], REAL) == "stays-running"
    assert known_finding(judged(mitigated(verdict(LIKELY))), [STUCK], REAL) is None


@pytest.mark.parametrize(
    ("healed_at_ms", "expected"),
    [(40, "stays-running"), (50, None), (60, None), (None, None)],
)
def test_after_a_fault_in_the_service_its_tasks_must_begin_after_healing(
    healed_at_ms: float | None, expected: str | None
) -> None:
    both = verdict(("runtime", "handle_lost", "certain"), LIKELY)
    assert known_finding(judged(both), [STUCK], REAL) is None, "no fault explains the lost handle"
    hit = judged(both, "runtime", healed_at_ms=healed_at_ms)
    assert known_finding(hit, [STUCK], REAL) == expected


def test_every_finding_of_the_package_is_explained_in_the_docs(pytestconfig: pytest.Config) -> None:
    text = (pytestconfig.rootpath / "docs/engine-findings.md").read_text()
    for name in load_findings():
        assert f"`{name}`" in text


def test_the_book_speaks_of_cases_and_invariants_that_there_are() -> None:
    quirks = {case.quirk for case in load_cases()}
    source = inspect.getsource(search)
    for finding in load_findings().values():
        assert quirks >= set(finding.quirks)
        for invariant in finding.invariants:
            assert f'Violation("{invariant}"' in source


def task_seen(name: str, at_ms: float, event_id: str) -> t.TaskChanged:
    return t.TaskChanged(
        event_id=event_id, at_ms=at_ms, stage_id="s", round=0, task_id=name,
        engine_task_id=f"x.{name}", status="running", created_at=NOW, updated_at=NOW,
    )  # fmt: skip


def injected(target: str, status: str, healed_at_ms: float | None) -> FaultRecord:
    return FaultRecord.model_validate(
        {
            "action": "kill", "target": target, "phase": "runtime", "status": status,
            "healed_at_ms": healed_at_ms,
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("faults", "events", "explained"),
    [
        ([injected("runtime", "fired", 40)], [task_seen("a", 50, "e1")], True),
        ([injected("runtime", "fired", 50)], [task_seen("a", 50, "e1")], False),
        ([injected("runtime", "fired", 40), injected("runtime", "fired", 60)],
         [task_seen("a", 50, "e1")], False),
        ([injected("runtime", "not_fired", None)], [task_seen("a", 50, "e1")], True),
        ([injected("execgo", "fired", None)], [task_seen("a", 50, "e1")], True),
        ([injected("runtime", "fired", 40)],
         [task_seen("a", 50, "e1"), task_seen("a", 30, "e0")], False),
        ([injected("runtime", "fired", 40)],
         [task_seen("a", 50, "e1"), task_seen("b", 30, "e2")], True),
        ([injected("runtime", "fired", 40)], [], False),
        ([injected("runtime", "fired", 40)],
         [t.ServiceReady(service="runtime", event_id="e1", at_ms=50)], False),
    ],
    ids=[
        "began_after_healing", "began_with_healing", "second_fault_healed_later", "not_injected",
        "another_service", "seen_before_healing", "another_task_before", "no_task", "no_task_event",
    ],
)  # fmt: skip
def test_the_tasks_of_a_finding_begin_after_the_service_was_healed(
    faults: list[FaultRecord], events: list[t.EvidenceEvent], explained: bool
) -> None:
    trial = JudgedTrial(verdict(LIKELY), [], faults, events)
    expected = "stays-running" if explained else None
    assert known_finding(trial, [STUCK], REAL) == expected


def test_a_finding_about_another_version_does_not_hide_the_next_one() -> None:
    older = STUCK.model_copy(update={"id": "older", "versions": ("0.*",)})
    assert known_finding(judged(verdict(LIKELY)), [older, STUCK], REAL) == "stays-running"


def test_one_of_several_causes_of_a_finding_is_enough() -> None:
    causes = (ExpectedCause(layer="engine"), ExpectedCause(layer="runtime", code="stuck"))
    finding = STUCK.model_copy(update={"causes": causes})
    assert known_finding(judged(verdict(LIKELY)), [finding], REAL) == "stays-running"


# -- tasks that were seen stuck


def task_stuck(how: str = "ended", at_ms: float = 5000) -> t.TaskStuck:
    return t.TaskStuck.model_validate(
        {
            "event_id": "e1", "at_ms": at_ms, "stage_id": "s", "round": 0, "task_id": "a",
            "engine_task_id": "x.a", "handle_id": "h", "how": how, "watched_ms": 2000,
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("action", "healed_at_ms", "how", "explained"),
    [
        ("pause", 2000, "ended", True),
        ("network", 2000, "ended", True),
        ("network", 3500, "ended", False),
        ("network", None, "ended", False),
        ("pause", 2000, "overdue", False),
        ("kill", 2000, "ended", False),
        ("limit", 2000, "ended", False),
    ],
)
def test_a_fault_that_ends_no_process_does_not_hide_that_processes_ended(
    action: str, healed_at_ms: float | None, how: str, explained: bool
) -> None:
    # The task began before the fault was healed, so only its processes can tell.
    fault = injected("runtime", "fired", healed_at_ms).model_copy(update={"action": action})
    events: list[t.EvidenceEvent] = [task_seen("a", 10, "e0"), task_stuck(how)]
    trial = JudgedTrial(verdict(LIKELY), [], [fault], events)
    assert known_finding(trial, [STUCK], REAL) == ("stays-running" if explained else None)


def test_processes_that_ended_without_any_fault_show_the_finding() -> None:
    trial = JudgedTrial(verdict(LIKELY), [], [], [task_seen("a", 10, "e0"), task_stuck()])
    assert known_finding(trial, [STUCK], REAL) == "stays-running"


def test_findings_are_named_whether_the_trial_failed_or_not() -> None:
    about = findings_about(
        REAL, [STUCK, STUCK.model_copy(update={"id": "other", "versions": ("2",)})]
    )
    assert about == [STUCK]
    assert findings_about(OURS, [STUCK]) == []
    passed = verdict(("runtime", "stuck", "certain"), status="passed")
    assert named_findings(passed, about) == ("stays-running",)
    assert named_findings(verdict(("runtime", "stuck", "possible")), about) == ()
