"""A short form of the fuzz of files; ``python -m tests.fuzz.files`` is the long one."""

from __future__ import annotations

from tests.fuzz.files import problems


def test_every_mutated_file_is_read_or_refused_in_one_line() -> None:
    assert list(problems(inputs=60, seed=1)) == []
