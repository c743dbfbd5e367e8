"""A server on the loopback of this machine that sends whatever bytes a test gives it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Self

Script = Callable[[str, str], Iterable[bytes]]
"""From method and path of a request to the pieces of the answer. The connection is closed after it."""


class HostileServer:
    """Answers each request with the pieces that ``script`` returns, as fast as the client takes them."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[tuple[str, str]] = []
        self.ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.ended.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while not self.ended.is_set():
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(10)
            method, path = _read_request(connection)
            self.requests.append((method, path))
            for piece in self.script(method, path):
                if self.ended.is_set():
                    return
                connection.sendall(piece)

    def drip(self, content: bytes, pause: float = 0.02) -> Iterable[bytes]:
        """``content`` byte by byte, and its last byte for ever."""
        position = 0
        while not self.ended.wait(pause):
            yield content[position : position + 1] or content[-1:]
            position += 1


def _read_request(connection: socket.socket) -> tuple[str, str]:
    """Method and path; the body is read and dropped."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionError
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    missing = -len(body)
    for line in lines[1:]:
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            missing += int(value)
    while missing > 0:
        missing -= len(connection.recv(65536))
    method, path, _ = lines[0].split(" ", 2)
    return method, path


def http(body: bytes | str | Any, status: str = "200 OK", *headers: str) -> bytes:
    """A correct answer with ``body``, unless ``status`` and ``headers`` say otherwise."""
    if not isinstance(body, (bytes, str)):
        body = json.dumps(body)
    content = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}", *headers]
    if not any(
        line.lower().startswith(("content-length", "transfer-encoding")) for line in headers
    ):
        lines.append(f"Content-Length: {len(content)}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogatepass") + content
