"""The prober alone: which problems of a service it reports, and when it stays silent."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pytest_execgo.models import events as t
from pytest_execgo.observability import health
from pytest_execgo.observability.health import ProbeResult, _Watch

GOOD = ProbeResult(1.0)
LATE = ProbeResult(None, "no answer", timed_out=True)
RESET = ProbeResult(None, "ConnectionResetError")
SLOW = ProbeResult(300.0)
Script = dict[str, list[ProbeResult]]


class Service:
    name = "runtime"
    health_url = "http://direct/readyz"

    def __init__(self, pid: int | None = 1) -> None:
        self.pid, self.alive = pid, True
        self.stopped = False
        self.limits: dict[str, str] = {}

    def running(self) -> bool:
        return self.alive

    def state(self) -> tuple[bool, dict[str, str]]:
        return self.stopped, self.limits


class Link:
    """A link that was late itself during each check, by ``late`` seconds."""

    probe_url = "http://link"

    def __init__(self, late: float = 0.0) -> None:
        self._late, self._calls = late, 0

    def take_lateness(self) -> float:
        self._calls += 1
        return 9.0 if self._calls % 2 else self._late


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Script:
    """What is answered next, directly and over the link; ``GOOD`` when nothing is left."""
    script: dict[str, list[ProbeResult]] = {"direct": [], "link": []}

    def ask(url: str, timeout: float = 0) -> ProbeResult:
        queue = script["direct" if "direct" in url else "link"]
        return queue.pop(0) if queue else GOOD

    monkeypatch.setattr(health, "ask", ask)
    return script


def watch(service: Service | None = None, link: Link | None = None) -> _Watch:
    return _Watch(service or Service(), link or Link(), {})


def kinds(events: Sequence[t.TimelineEvent]) -> list[str]:
    return [f"{e.event_type}:{getattr(e, 'how', '')}".rstrip(":") for e in events]


def rounds(watched: _Watch, count: int, **options: bool) -> list[str]:
    return [kind for _ in range(count) for kind in kinds(watched.look(**options))]


def test_silence_is_reported_once_after_two_late_checks_in_a_row(answers: Script) -> None:
    answers["direct"] += [LATE, GOOD, LATE, LATE, LATE]
    assert rounds(watch(), 5) == ["service_silent"]


def test_a_starved_prober_reports_nothing(answers: Script) -> None:
    answers["direct"] += [LATE] * 4
    assert rounds(watch(), 4, starved=True) == []
    answers["link"] += [SLOW] * 3
    assert rounds(watch(), 3, starved=True) == []


def test_a_starved_prober_that_got_no_answer_over_a_link_does_not_hide_it(answers: Script) -> None:
    answers["link"] += [LATE, SLOW, LATE, GOOD]
    assert rounds(watch(), 4, starved=True) == ["observer_starved", "observer_starved"]


@pytest.mark.parametrize(
    ("late", "expected"), [(0.05, ["link_degraded:slow"]), (0.06, [])], ids=["awake", "late"]
)
def test_a_link_that_was_not_scheduled_is_not_slow(
    answers: Script, late: float, expected: list[str]
) -> None:
    answers["link"] += [SLOW] * 3
    assert rounds(watch(link=Link(late)), 3) == expected


def test_a_reset_counts_although_the_link_was_late(answers: Script) -> None:
    answers["link"] += [RESET]
    assert rounds(watch(link=Link(0.2)), 1) == ["link_degraded:broken"]


def test_a_reset_link_is_reported_at_once_and_a_slow_link_after_two_checks(answers: Script) -> None:
    answers["link"] += [RESET]
    assert rounds(watch(), 1) == ["link_degraded:broken"]
    answers["link"] += [SLOW, GOOD, SLOW, SLOW]
    assert rounds(watch(), 4) == ["link_degraded:slow"]


def test_a_service_that_goes_away_in_between_does_not_break_its_link(answers: Script) -> None:
    answers["direct"] += [GOOD, LATE]
    answers["link"] += [RESET]
    assert rounds(watch(), 1) == []


def test_a_recovery_is_reported_and_so_is_the_next_problem(answers: Script) -> None:
    watched = watch()
    answers["link"] += [RESET, RESET]
    assert rounds(watched, 2) == ["link_degraded:broken"]
    assert rounds(watched, 5) == ["service_healthy"]
    answers["link"] += [RESET]
    assert rounds(watched, 1) == ["link_degraded:broken"]


def test_a_starting_process_is_not_silent(answers: Script) -> None:
    service = Service()
    watched = watch(service)
    service.pid = 2
    answers["direct"] += [RESET] * 5
    assert rounds(watched, 5) == []
    answers["direct"] += [GOOD, LATE, LATE]
    assert rounds(watched, 3) == ["service_silent"]


def test_a_remote_service_can_be_silent_only_after_an_answer(answers: Script) -> None:
    answers["direct"] += [LATE] * 4
    assert rounds(watch(Service(pid=None)), 4) == []


def test_an_ended_process_is_not_reported_by_the_prober(answers: Script) -> None:
    service = Service()
    service.alive = False
    answers["direct"] += [RESET] * 3
    assert rounds(watch(service), 3) == []


def test_a_stopped_and_limited_process_is_reported(answers: Script) -> None:
    service = Service()
    watched = _Watch(service, None, {"memory": "unlimited"})
    service.stopped, service.limits = True, {"memory": "16 MB"}
    events = watched.look()
    assert kinds(events) == ["service_stopped", "service_limited"]
    assert isinstance(events[1], t.ServiceLimited)
    assert events[1].limit == "16 MB"


def test_three_healthy_checks_in_a_row_are_a_recovery(answers: Script) -> None:
    watched = watch()
    answers["link"] += [RESET, GOOD, GOOD, SLOW]
    assert rounds(watched, 4) == ["link_degraded:broken"], "two healthy checks are not enough"
    assert rounds(watched, 2) == []
    assert rounds(watched, 1) == ["service_healthy"]
    assert rounds(watched, 5) == [], "a recovery is reported once"


@pytest.mark.parametrize("bad", ["direct", "link"])
def test_a_bad_check_starts_the_count_of_healthy_checks_again(answers: Script, bad: str) -> None:
    watched = watch()
    answers["direct"] += [LATE, LATE]
    assert rounds(watched, 2) == ["service_silent"]
    assert rounds(watched, 2) == []
    answers[bad] += [LATE]
    assert rounds(watched, 1) == []
    assert rounds(watched, 2) == []
    assert rounds(watched, 1) == ["service_healthy"]


def test_a_restart_starts_the_count_of_healthy_checks_again(answers: Script) -> None:
    service = Service()
    watched = watch(service)
    answers["link"] += [RESET]
    assert rounds(watched, 3) == ["link_degraded:broken"]
    service.alive = False
    assert rounds(watched, 1) == []
    service.alive = True
    assert rounds(watched, 2) == []
    assert rounds(watched, 1) == ["service_healthy"]


@pytest.mark.parametrize(
    ("link_ms", "found"),
    [(151.0, []), (151.1, ["link_degraded:slow"])],
    ids=["150_ms_more", "above"],
)
def test_a_slow_link_takes_over_150_ms_more_than_the_direct_answer(
    answers: Script, link_ms: float, found: list[str]
) -> None:
    answers["link"] += [ProbeResult(link_ms)] * 2
    assert rounds(watch(), 2) == found


def test_a_late_link_is_broken_after_two_checks_in_a_row(answers: Script) -> None:
    watched = watch()
    answers["link"] += [LATE, GOOD, LATE]
    assert rounds(watched, 3) == []
    answers["link"] += [LATE]
    assert rounds(watched, 1) == ["link_degraded:broken"]


def test_a_degraded_link_is_reported_with_both_times(answers: Script) -> None:
    answers["link"] += [SLOW, SLOW]
    watched = watch()
    watched.look()
    (event,) = watched.look()
    assert isinstance(event, t.LinkDegraded)
    assert (event.service, event.link_ms, event.direct_ms) == ("runtime", 300, 1)
    assert event.message == "late"


def test_silence_is_reported_with_its_time_and_reason(
    answers: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(health, "monotonic", lambda: now[0])
    watched = watch()
    watched.answered_at = 100.0
    answers["direct"] += [LATE, LATE]
    watched.look()
    now[0] = 100.6123
    (event,) = watched.look()
    assert isinstance(event, t.ServiceSilent)
    assert (event.waited_ms, event.message) == (612.3, "no answer")


def test_a_limit_that_was_there_before_the_trial_is_not_reported(answers: Script) -> None:
    service = Service()
    service.limits = {"memory": "16 MB", "cpu": "0.5"}
    watched = _Watch(service, None, {"memory": "16 MB"})
    assert rounds(watched, 1) == []


def test_a_limit_of_a_process_that_has_not_answered_is_not_reported(answers: Script) -> None:
    """Many programs raise a limit of their own when they start."""
    service = Service()
    watched = _Watch(service, None, {"open files": "20000"})
    service.pid, service.limits = 2, {"open files": "1024"}
    answers["direct"] += [RESET]
    assert rounds(watched, 1) == []
    service.limits = {"open files": "20000"}
    assert rounds(watched, 1) == []
    service.limits = {"open files": "100"}
    assert rounds(watched, 1) == ["service_limited"]
