"""HTTP beside us: to our own services, never through a proxy that the user's environment names, and
servers of a few lines on loopback."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

import requests


def request(method: str, url: str, **options: Any) -> requests.Response:
    """One request on a connection of its own; takes and raises what ``requests.request`` does."""
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, url, **options)


def beside_us(url: str) -> bool:
    """Whether a URL leads to this machine, and no proxy is to be asked for it."""
    return urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")


class LoopbackServer(ThreadingHTTPServer):
    """Use it as a context manager; serves on a port of its own until the end of the block. Clients that
    hang up are no error."""

    daemon_threads = True

    def __init__(self, handler: Callable[..., BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Anything else is told as usual."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)
