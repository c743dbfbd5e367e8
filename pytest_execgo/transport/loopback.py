"""A small HTTP server on the loopback of this machine."""

from __future__ import annotations

import secrets
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseServer
from typing import Any, Self

from pytest_execgo.system import sockets

MOST_CONNECTIONS = 100


class LoopbackServer(ThreadingHTTPServer):
    """A context manager that serves HTTP on a free port until the end of the block.

    Every process and every web page on this machine can reach the port. With a handler of
    :class:`pytest_execgo.transport.guarded.GuardedHandler`, only a client that was given ``secret_url``
    is served. At the end the server closes all open connections. It ignores errors of clients that close
    a connection.
    """

    daemon_threads = True
    poll_seconds = 0.02
    """How long the end of the block may wait for the loop that accepts connections."""

    def __init__(self, handler: Callable[..., BaseHTTPRequestHandler]) -> None:
        # Not the constructor of TCPServer: it makes a socket of a class that a test may have replaced.
        BaseServer.__init__(self, ("127.0.0.1", 0), handler)
        self.socket = sockets.listening("127.0.0.1")
        self.server_address = self.socket.getsockname()
        self._open: dict[int, socket.socket] = {}
        port = self.server_address[1]
        self.hosts = frozenset({f"127.0.0.1:{port}", f"localhost:{port}"})
        """What the header ``Host`` of a request may be."""
        self.url = f"http://127.0.0.1:{port}"
        self.secret = secrets.token_hex(16)
        self.secret_url = f"{self.url}/{self.secret}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(self.poll_seconds,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.shutdown()
        self.server_close()
        self.hang_up()

    def hang_up(self) -> None:
        """Close all connections, so that a client that waits for an answer gets an error at once."""
        for connection in tuple(self._open.values()):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Add the connection to the open ones; close it if there are too many."""
        if len(self._open) >= MOST_CONNECTIONS:
            super().shutdown_request(request)
            return
        self._open[id(request)] = request
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Remove the connection from the open ones."""
        self._open.pop(id(request), None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a connection that the client closed; report any other error as usual."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)
