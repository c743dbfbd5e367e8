"""Whether and when a stage is submitted again."""

from __future__ import annotations

import pytest

from pytest_execgo.models.plan import SubmitPolicy
from pytest_execgo.runner.resubmit import (
    Decline,
    Resubmit,
    Wait,
    after_round,
    after_wait,
    backoff_ms,
)

THREE = SubmitPolicy(max_resubmits=3, resubmit_backoff_ms=200)


def test_pause_doubles_with_each_round() -> None:
    assert [backoff_ms(THREE, number) for number in range(4)] == [200, 400, 800, 1600]


def test_round_is_followed_by_its_pause() -> None:
    decisions = [after_round(THREE, number, now=10, deadline=60) for number in range(3)]
    assert decisions == [Wait(200), Wait(400), Wait(800)]


@pytest.mark.parametrize(
    ("allowed", "number", "reason"),
    [
        (0, 0, "max_resubmits is 0"),
        (1, 1, "max_resubmits is 1 (1 used)"),
        (3, 3, "max_resubmits is 3 (3 used)"),
    ],
    ids=["none_allowed", "one_used", "three_used"],
)
def test_no_round_beyond_the_policy(allowed: int, number: int, reason: str) -> None:
    policy = SubmitPolicy(max_resubmits=allowed)
    assert after_round(policy, number, now=0, deadline=60) == Decline(reason)


def test_no_pause_that_ends_at_the_deadline() -> None:
    declined = Decline("the deadline leaves no time for another round")
    assert after_round(THREE, 1, now=1.0, deadline=1.4) == declined
    assert after_round(THREE, 1, now=1.0, deadline=1.401) == Wait(400)


def test_policy_is_stated_before_the_deadline() -> None:
    assert after_round(THREE, 3, now=60, deadline=60) == Decline("max_resubmits is 3 (3 used)")


def test_no_round_while_stuck_tasks_keep_all_places() -> None:
    declined = Decline("stuck tasks keep all places: a, b cannot begin")
    assert after_round(THREE, 0, now=0, deadline=60, queued=("a", "b")) == declined


def test_no_round_for_a_payload_that_was_refused() -> None:
    declined = Decline("the payload of a is invalid, so it would be refused again")
    assert after_round(THREE, 0, now=0, deadline=60, refused=("a",)) == declined


def test_ready_services_allow_a_resubmission_even_at_the_deadline() -> None:
    assert after_wait({}, now=60, deadline=60) == Resubmit()


def test_unready_services_are_awaited_while_they_can_return() -> None:
    assert after_wait({"runtime": True}, now=1, deadline=60) == Wait(20)


def test_services_that_will_not_return_are_named() -> None:
    unready = {"runtime": False, "execgo": True, "fixtures": False}
    expected = Decline("services that will not return: runtime, fixtures")
    assert after_wait(unready, now=60, deadline=60) == expected


def test_services_are_not_awaited_past_the_deadline() -> None:
    unready = {"runtime": True, "fixtures": True}
    expected = Decline("the deadline passed while waiting for runtime, fixtures")
    assert after_wait(unready, now=60, deadline=60) == expected
    assert after_wait(unready, now=59.999, deadline=60) == Wait(20)
