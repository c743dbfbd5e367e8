"""An HTTP proxy in front of a service that corrupts its answers."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import sleep
from typing import Any, Self
from urllib.parse import urlsplit

_HOP_BY_HOP = frozenset({"connection", "content-length", "transfer-encoding", "keep-alive", "host"})
_NO_LINGER = struct.pack("ii", 1, 0)
_SILENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Exchange:
    """A request and the service's answer to it. ``number`` counts the requests since the fault began,
    from 0."""

    number: int
    method: str
    path: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def answer(
        self,
        body: bytes | None = None,
        status: int | None = None,
        length: int | None = None,
        headers: tuple[tuple[str, str], ...] | None = None,
    ) -> bytes:
        """The answer as bytes, with what is given changed."""
        content = self.body if body is None else body
        size = len(content) if length is None else length
        sent = self.headers if headers is None else headers
        lines = [f"HTTP/1.1 {status or self.status} X", *(f"{k}: {v}" for k, v in sent)]
        lines += [f"Content-Length: {size}", "Connection: close", "", ""]
        return "\r\n".join(lines).encode("latin-1") + content


class Reset(Exception):
    """End the connection with a reset."""


Corrupt = Callable[[Exchange], Iterator[bytes]]
"""From an exchange to the pieces that the client gets; the connection closes after them."""
Forward = Callable[[bytes], Exchange]
Ask = Callable[[bytes, Forward], Exchange]
"""Sends the body of a request to the service, perhaps changed, and returns the exchange."""
Link = Callable[[int, socket.socket, tuple[str, int]], None]
"""Carries the bytes of a connection to the address of the service, below HTTP. The number counts the
connections since the fault began, from 0."""


def wait() -> None:
    """Send nothing for longer than any client waits."""
    sleep(_SILENCE_SECONDS)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def shutdown_request(self, request: Any) -> None:
        """Close it at once. The base class first ends it in order, and a client sees no reset."""
        self.close_request(request)


class Front:
    """Forwards to ``upstream`` (a base URL). ``corrupt`` changes the answers to requests for which
    ``applies(method, path)`` is true, while it is set."""

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        self._upstream = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._lock = threading.Lock()
        self._corrupt: Corrupt | None = None
        self._change: Ask | None = None
        self._link: Link | None = None
        self._applies: Callable[[str, str], bool] = lambda method, path: True
        self.changed = 0
        self._count = 0
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle(self) -> None:
                if not front._linked(self.connection):
                    super().handle()

            def _forward(self) -> None:
                front._serve(self)

            do_GET = do_POST = do_DELETE = do_PUT = _forward

            def log_message(self, format: str, *args: Any) -> None:
                """Print nothing."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def begin(
        self, corrupt: Corrupt, applies: Callable[[str, str], bool], change: Ask | None = None
    ) -> None:
        """Corrupt answers from now on, and change requests."""
        with self._lock:
            self._change = change
            self._corrupt, self._applies, self.changed, self._count = corrupt, applies, 0, 0

    def begin_link(self, link: Link) -> None:
        """Carry connections with ``link`` from now on."""
        with self._lock:
            self._link, self._count = link, 0

    def end(self) -> None:
        """From now on, pass every answer on as it is."""
        with self._lock:
            self._corrupt = self._change = self._link = None

    def _linked(self, connection: socket.socket) -> bool:
        """Whether a link carried this connection."""
        with self._lock:
            link, number = self._link, self._count
            self._count += link is not None
        if link is None:
            return False
        with suppress(OSError):
            try:
                link(number, connection, self._upstream)
            except Reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
                connection.close()
        return True

    @property
    def upstream(self) -> tuple[str, int]:
        """The address of the service."""
        return self._upstream

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        size = int(handler.headers.get("Content-Length") or 0)
        sent = handler.rfile.read(size) if size else b""
        with self._lock:
            corrupt = self._corrupt if self._applies(handler.command, handler.path) else None
            change = self._change if corrupt else None
            number = self._count
            self._count += corrupt is not None
        try:

            def forward(body: bytes) -> Exchange:
                return self._ask(handler, body, number)

            exchange = change(sent, forward) if change and sent else forward(sent)
        except (OSError, HTTPException):
            handler.close_connection = True
            return
        if corrupt is None:
            handler.wfile.write(exchange.answer())
            handler.close_connection = True
            return
        pieces = corrupt(exchange)
        handler.close_connection = True
        with suppress(OSError):
            try:
                for piece in pieces:
                    self.changed += 1
                    handler.wfile.write(piece)
                    handler.wfile.flush()
            except Reset:
                self.changed += 1
                handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)

    def _ask(self, handler: BaseHTTPRequestHandler, sent: bytes, number: int) -> Exchange:
        connection = HTTPConnection(*self._upstream, timeout=_SILENCE_SECONDS)
        try:
            headers = {
                name: value
                for name, value in handler.headers.items()
                if name.lower() not in _HOP_BY_HOP
            }
            connection.request(handler.command, handler.path, sent or None, headers)
            reply = connection.getresponse()
            body = reply.read()
        finally:
            connection.close()
        kept = tuple((k, v) for k, v in reply.getheaders() if k.lower() not in _HOP_BY_HOP)
        return Exchange(number, handler.command, handler.path, reply.status, kept, body)
