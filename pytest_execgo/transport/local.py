"""HTTP beside us: to our own services, never through a proxy that the user's environment names, and
servers of a few lines on loopback."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

import requests


def request(method: str, url: str, **options: Any) -> requests.Response:
    """One request on a connection of its own; takes and raises what ``requests.request`` does."""
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, url, **options)


def is_local(url: str) -> bool:
    """Whether a URL leads to this machine, and no proxy is to be asked for it."""
    return urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")


def session_for(url: str) -> requests.Session:
    """A session for an endpoint that may be anywhere: it goes through the user's proxy unless it is
    beside us, takes the user's certificates, and nothing of the user's ``.netrc``."""
    session = requests.Session()
    if is_local(url):
        session.trust_env = False
        reported = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
        session.verify = reported or True
    # Without it, requests puts what .netrc has for the host in the place of any other authorization.
    session.auth = lambda request: request
    return session


class LoopbackServer(ThreadingHTTPServer):
    """Use it as a context manager; serves on a port of its own until the end of the block, and then ends
    the connections that are still open. Clients that hang up are no error."""

    daemon_threads = True

    def __init__(self, handler: Callable[..., BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self._open: dict[int, socket.socket] = {}
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.shutdown()
        self.server_close()
        self.hang_up()

    def hang_up(self) -> None:
        """End all connections: whoever waits for an answer learns that there will be none."""
        for connection in tuple(self._open.values()):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection."""
        self._open[id(request)] = request
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget it."""
        self._open.pop(id(request), None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Anything else is told as usual."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)
