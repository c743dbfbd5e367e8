"""An HTTP proxy before a model's endpoint, where its answers can be made to fail.

It stands there only in trials whose profile disturbs the model. Whoever asks the model cannot tell the
two apart but by what it answers, and attribution is left with just that.
"""

from __future__ import annotations

import select
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import time
from typing import Any

import requests

from pytest_execgo.direct_http import beside_us

_UPSTREAM_TIMEOUT_SECONDS = 600.0
_LOOK_SECONDS = 0.05
# Those of one connection, and what is made anew here.
_OWN_HEADERS = frozenset(
    {
        "connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "host",
        "content-length", "content-encoding", "accept-encoding",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Reply:
    """What the client gets. ``silent``: nothing at all, as long as it waits. Of more than one ``pieces``
    each but the first comes ``pause_seconds`` after the one before."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    silent: bool = False
    pieces: int = 1
    pause_seconds: float = 0.0


Ask = Callable[[], Reply]
"""Asks the model; however often it is called, once."""
Spoil = Callable[[Ask], Reply | None]
"""What becomes of one request; ``None`` where this one cannot be spoilt."""


@dataclass
class Disturbance:
    """A fault that waits for requests: ``after`` pass unharmed, then ``times`` are hit (0: all)."""

    spoil: Spoil
    after: int
    times: int
    struck_at: float | None = None
    """Seconds since the epoch of the first hit."""

    _seen: int = 0
    _hits: int = 0

    def meet(self, ask: Ask) -> Reply | None:
        """The spoilt reply to one request, or ``None``."""
        self._seen += 1
        if self._seen <= self.after or (self.times and self._hits >= self.times):
            return None
        reply = self.spoil(ask)
        if reply is not None:
            self._hits += 1
            self.struck_at = self.struck_at or time()
        return reply


class ModelProxy:
    """The model as chaos actions see it."""

    name = "model"
    link = None

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._disturbances: list[Disturbance] = []
        self._session = requests.Session()
        self.url = ""

    def running(self) -> bool:
        """Models are none of our processes."""
        return bool(self.url)

    @contextmanager
    def before(self, base_url: str) -> Iterator[str]:
        """Stand before an endpoint; gives the base URL to ask instead."""
        self._session.trust_env = not beside_us(base_url)
        server = _Server(("127.0.0.1", 0), _handler(self, base_url.rstrip("/")))
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield self.url
        finally:
            self._closed.set()
            server.shutdown()
            server.server_close()
            self._session.close()

    def disturb(self, disturbance: Disturbance) -> None:
        """From now on."""
        with self._lock:
            self._disturbances.append(disturbance)

    def restore(self, disturbance: Disturbance) -> None:
        """No longer."""
        with self._lock:
            self._disturbances.remove(disturbance)

    def reply(self, ask: Ask) -> Reply:
        """What one request is answered with: by the first disturbance that hits it, if any."""
        with self._lock:
            waiting = list(self._disturbances)
        # Not under the lock: a model takes its time, and an undo must not wait for it.
        for disturbance in waiting:
            spoilt = disturbance.meet(ask)
            if spoilt is not None:
                return spoilt
        return ask()

    def pass_on(self, url: str, headers: dict[str, str], body: bytes) -> Reply:
        """The endpoint's own answer; 502 where there is none."""
        try:
            found = self._session.post(
                url, data=body, headers=headers, timeout=_UPSTREAM_TIMEOUT_SECONDS
            )
        except requests.RequestException as error:
            return Reply(502, f"{type(error).__name__}: {error}".encode())
        return Reply(found.status_code, found.content, _foreign(found.headers))

    def wait(self, seconds: float) -> bool:
        """Whether the proxy was closed meanwhile."""
        return self._closed.wait(seconds)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that loses patience is what some faults are for."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _foreign(headers: Any) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _OWN_HEADERS}


def _handler(proxy: ModelProxy, base_url: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = _foreign(self.headers)
            ask = cache(lambda: proxy.pass_on(f"{base_url}{self.path}", headers, body))
            reply = proxy.reply(ask)
            if reply.silent:
                self._say_nothing()
            else:
                self._send(reply)

        def _say_nothing(self) -> None:
            self.close_connection = True
            while not proxy.wait(0):
                # Readable is a client that has hung up: it has nothing else to say.
                if select.select([self.connection], [], [], _LOOK_SECONDS)[0]:
                    return

        def _send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            size = -(-len(reply.body) // reply.pieces) or 1
            for at in range(0, len(reply.body), size):
                if at and proxy.wait(reply.pause_seconds):
                    self.close_connection = True
                    return
                self.wfile.write(reply.body[at : at + size])

        def log_message(self, format: str, *args: Any) -> None:
            """What it does is on record."""

    return Handler
