"""Bytes over a connection, for requests and replies that are not proper HTTP."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class RawReply:
    """A reply as it arrived; ``status`` 0 means that the connection was closed without one."""

    status: int
    head: str
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def raw_request(
    url: str,
    *,
    method: str = "POST",
    target: str | None = None,
    host: str | None = None,
    headers: Iterable[str] = ("Content-Type: application/json", "Content-Length: 2"),
    body: bytes = b"{}",
) -> bytes:
    """A request to ``url``, of which each part can be replaced."""
    parts = urlsplit(url)
    lines = [f"{method} {parts.path if target is None else target} HTTP/1.1"]
    lines += [f"Host: {parts.netloc if host is None else host}", *headers, "Connection: close"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def exchange(url: str, sent: bytes) -> RawReply:
    """What a server answers to some bytes, until it closes the connection."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), 20) as connection:
        connection.sendall(sent)
        received = bytearray()
        while piece := connection.recv(65536):
            received += piece
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    words = head.decode("latin-1").split(" ", 2)
    status = int(words[1]) if words[0].startswith("HTTP/") else 0
    return RawReply(status, head.decode("latin-1"), body)
