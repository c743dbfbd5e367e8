"""The timeout of a task, as ExecGo's language counts it."""

from __future__ import annotations

import threading

import pytest

from pytest_execgo.emulators.execgo.graph import TaskSpec
from pytest_execgo.emulators.execgo.outcome import TaskAttempt


def remaining(timeout: int) -> float | None:
    spec = TaskSpec("a", "noop", timeout=timeout)
    return TaskAttempt(spec, "h", threading.Event(), lambda fields, text: None).remaining


@pytest.mark.parametrize("timeout", [0, -1])
def test_task_without_a_timeout_has_no_deadline(timeout: int) -> None:
    assert remaining(timeout) is None


def test_timeout_is_in_milliseconds() -> None:
    left = remaining(5_000)
    assert left is not None
    assert 4 < left <= 5


@pytest.mark.parametrize("timeout", [9_223_372_036_855, 9_300_000_000_000, 2**63 - 1])
def test_timeout_beyond_64_bits_of_nanoseconds_is_over_at_once(timeout: int) -> None:
    left = remaining(timeout)
    assert left is not None
    assert left <= 0


def test_longest_timeout_of_go_is_kept() -> None:
    left = remaining(9_223_372_036_854)
    assert left is not None
    assert left > 9e9
