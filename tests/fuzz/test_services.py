"""A short form of the fuzz of services; ``python -m tests.fuzz.services`` is the long one."""

from __future__ import annotations

from tests.fuzz.services import problems


def test_every_mutated_request_is_answered_or_its_connection_is_closed() -> None:
    assert list(problems(count=150, seed=1)) == []
