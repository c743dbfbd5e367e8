"""Sockets that no test can replace, forbid or fake.

pytest-socket, httpretty and fixtures of users replace ``socket.socket``, its methods, and the look-up of
names. A trial runs inside such tests, and the parts of this package must still reach each other.
"""

from __future__ import annotations

import _socket
import secrets
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Not ``socket.socket``: it may be replaced already.
_Real: Any = next(
    one
    for one in _socket.socket.__subclasses__()
    if (one.__module__, one.__name__) == ("socket", "socket")
)


class OwnSocket(_Real):  # type: ignore[misc]
    """``socket.socket`` with the methods of the class in C, which cannot be replaced."""

    bind = _socket.socket.bind
    connect = _socket.socket.connect
    connect_ex = _socket.socket.connect_ex
    recv = _socket.socket.recv
    recv_into = _socket.socket.recv_into
    send = _socket.socket.send
    sendall = _socket.socket.sendall

    def accept(self) -> tuple[OwnSocket, Any]:
        """As in the standard library, but the connection is an :class:`OwnSocket`, too."""
        number, address = self._accept()
        connection = OwnSocket(self.family, self.type, self.proto, fileno=number)
        if self.gettimeout():
            connection.setblocking(True)
        return connection, address


def addresses(host: str | None, port: int) -> list[tuple[int, int, int, Any]]:
    """Family, type, protocol and address of each way to connect; raises ``OSError``."""
    found = _socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
    return [(family, kind, protocol, address) for family, kind, protocol, _, address in found]


def connect(host: str | None, port: int, seconds: float | None) -> OwnSocket:
    """A connection to the first address that accepts one, each within ``seconds``; raises the
    ``OSError`` of the last."""
    failure = OSError("no address")
    for family, kind, protocol, address in addresses(host, port):
        connection = OwnSocket(family, kind, protocol)
        try:
            connection.settimeout(seconds)
            connection.connect(address)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            connection.close()
            failure = error
        else:
            return connection
    raise failure


def listening(host: str, port: int = 0) -> OwnSocket:
    """A socket that accepts connections at an address of this machine."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = OwnSocket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
        found.listen(100)
    except OSError:
        found.close()
        raise
    return found


@contextmanager
def unguarded() -> Iterator[None]:
    """While this lasts, ``socket.socket`` is ours: for code of the standard library that makes
    sockets without asking for a class. Keep it short, because tests may run in other threads."""
    replaced = socket.socket
    socket.socket = OwnSocket  # type: ignore[misc]
    try:
        yield
    finally:
        socket.socket = replaced  # type: ignore[misc]


def random_loopback_host() -> str:
    """A loopback address that no web page can guess, for servers that accept requests of everybody.

    On Linux, each of the 16 million addresses in 127.0.0.0/8 is one of this machine. With the port,
    there are more combinations than a page can try. Elsewhere it is 127.0.0.1.
    """
    if sys.platform != "linux":
        return "127.0.0.1"
    return ".".join(map(str, (127, *(1 + secrets.randbelow(254) for _ in range(3)))))
