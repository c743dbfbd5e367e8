"""Waiting for a socket works with every descriptor."""

from __future__ import annotations

import fcntl
import resource
import socket
from collections.abc import Iterator

import pytest

from pytest_execgo.system.readiness import readable

ABOVE_THE_LIMIT_OF_SELECT = 1024


@pytest.fixture(params=["low descriptor", "high descriptor"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two connected sockets; the first is the one to wait for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    near, far = socket.socketpair()
    if request.param == "high descriptor":
        number = fcntl.fcntl(near.fileno(), fcntl.F_DUPFD, ABOVE_THE_LIMIT_OF_SELECT)
        near.close()
        near = socket.socket(fileno=number)
    with near, far:
        yield near, far
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_bytes_make_it_readable(ends: tuple[socket.socket, socket.socket]) -> None:
    near, far = ends
    assert not readable(near)
    far.send(b"x")
    assert readable(near)


def test_the_end_of_the_other_side_makes_it_readable(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    near, far = ends
    far.close()
    assert readable(near)
