"""When a service counts as unhealthy: every window to the millisecond."""

from __future__ import annotations

from datetime import UTC, datetime
from math import inf
from typing import Any

import pytest

from pytest_execgo.models import events as t
from pytest_execgo.verdict.evidence import Evidence, Window

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def stopped(at_ms: float, service: str = "runtime") -> t.ServiceStopped:
    return t.ServiceStopped(at_ms=at_ms, service=service, pid=1)


def silent(at_ms: float, waited_ms: float) -> t.ServiceSilent:
    return t.ServiceSilent(at_ms=at_ms, service="runtime", waited_ms=waited_ms, message="m")


def link(at_ms: float, waited_ms: float) -> t.LinkDegraded:
    return t.LinkDegraded(
        at_ms=at_ms, service="runtime", how="slow", direct_ms=1, waited_ms=waited_ms, message="m"
    )


def limited(at_ms: float) -> t.ServiceLimited:
    return t.ServiceLimited(at_ms=at_ms, service="runtime", resource="memory", limit="1 MB")


def healthy(at_ms: float, service: str = "runtime") -> t.ServiceHealthy:
    return t.ServiceHealthy(at_ms=at_ms, service=service)


def exited(at_ms: float, service: str = "fixtures") -> t.ServiceExited:
    return t.ServiceExited(at_ms=at_ms, service=service, pid=1, exit_status=-9)


def ready(at_ms: float, service: str = "fixtures") -> t.ServiceReady:
    return t.ServiceReady(at_ms=at_ms, service=service)


def request(at_ms: float, duration_ms: float = 1, *, wrong: bool = False) -> t.FixtureRequest:
    return t.FixtureRequest(
        at_ms=at_ms, method="GET", path="/a", status=200, duration_ms=duration_ms,
        sha256="x" if wrong else "r", reference_sha256="r",
    )  # fmt: skip


def windows(service: str, *events: Any) -> list[tuple[float, float]]:
    found = Evidence(list(events)).unhealthy_windows(service)
    return [(window.start, window.end) for window in found]


@pytest.mark.parametrize(
    ("event", "start"),
    [
        (stopped(1000), 750),
        (limited(1000), 750),
        (silent(1000, 600), 400),
        (silent(1000, 100), 750),
        (link(1000, 251), 749),
        (link(1000, 249), 750),
    ],
    ids=["stopped", "limited", "long_silence", "short_silence", "long_link", "short_link"],
)
def test_a_problem_may_have_begun_before_the_check_that_saw_it(event: Any, start: float) -> None:
    assert windows("runtime", event) == [(start, inf)]


def test_a_window_ends_half_a_second_after_the_service_is_healthy_again() -> None:
    events = [healthy(900), stopped(1000), healthy(1000), healthy(2000), healthy(3000)]
    assert windows("runtime", *events) == [(750, 2500)]


def test_the_health_of_another_service_changes_nothing() -> None:
    events = [stopped(1000), healthy(1500, "execgo"), stopped(1000, "fixtures")]
    assert windows("runtime", *events) == [(750, inf)]
    assert windows("execgo", *events) == []


def test_each_problem_has_its_own_window() -> None:
    events = [stopped(1000), healthy(2000), silent(5000, 600), healthy(6000)]
    assert windows("runtime", *events) == [(750, 2500), (4400, 6500)]


def test_fixtures_are_away_from_an_exit_until_they_are_ready_again() -> None:
    events = [ready(900), exited(1000), ready(1000), ready(2000), ready(1500, "runtime")]
    assert windows("fixtures", *events) == [(1000, 2500)]
    assert windows("fixtures", exited(1000)) == [(1000, inf)]
    assert windows("runtime", exited(1000, "runtime"), exited(1000)) == []


def test_a_slow_answer_covers_its_whole_duration() -> None:
    assert windows("fixtures", request(1000, 301)) == [(1000, 1801)]
    assert windows("fixtures", request(1000, 300)) == []
    assert windows("runtime", request(1000, 301)) == []


def test_a_wrong_answer_counts_from_then_on() -> None:
    assert windows("fixtures", request(1000, wrong=True)) == [(1000, inf)]
    assert windows("runtime", request(1000, wrong=True)) == []
    unanswered = request(1000, wrong=True).model_copy(update={"status": 0})
    assert windows("fixtures", unanswered) == []


def task(name: str, status: str, at_ms: float, **more: Any) -> t.TaskChanged:
    fields = {
        "at_ms": at_ms, "stage_id": "s", "round": 1, "task_id": name, "engine_task_id": f"x.{name}",
        "status": status, "created_at": NOW, "updated_at": NOW, **more,
    }  # fmt: skip
    return t.TaskChanged.model_validate(fields)


def accepted(at_ms: float, round_: int = 1, stage: str = "s", name: str = "a") -> t.Submitted:
    return t.Submitted(at_ms=at_ms, stage_id=stage, round=round_, task_ids={name: "x"})


def test_a_task_fails_once_per_submission() -> None:
    again = task("a", "failed", 7, engine_task_id="x.a.1")
    events = [task("a", "failed", 3), task("a", "failed", 5), task("b", "running", 6), again]
    assert [failed.at_ms for failed in Evidence(events).failures()] == [3, 7]


def test_a_task_was_submitted_with_its_own_stage_and_round() -> None:
    events = [
        accepted(1, round_=0), accepted(2, stage="other"), accepted(3, name="b"), accepted(4),
        accepted(9),
    ]  # fmt: skip
    assert Evidence(events).submitted_at(task("a", "failed", 10)) == 4
    assert Evidence(events[:3]).submitted_at(task("a", "failed", 10)) == -inf


def end(at_ms: float, outcome: str) -> t.StageFinished:
    fields = {
        "at_ms": at_ms, "stage_id": "s", "outcome": outcome, "duration_ms": 1, "engine_time_ms": 1,
        "rounds": 1,
    }  # fmt: skip
    return t.StageFinished.model_validate(fields)


def test_the_first_failure_is_the_first_stage_without_success() -> None:
    events = [end(1, "succeeded"), end(5, "stuck"), end(8, "failed")]
    assert Evidence(events).first_failure_at() == 5
    assert Evidence(events[:1]).first_failure_at() == inf


def test_windows_are_values() -> None:
    assert Window(1, 2) == Window(1, 2)
