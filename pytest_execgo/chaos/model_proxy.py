"""An HTTP proxy before a model's endpoint, where its answers can be made to fail.

It stands there only in trials whose profile disturbs the model. Whoever asks the model cannot tell the
two apart but by what it answers, and attribution is left with just that.
"""

from __future__ import annotations

import json
import select
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler
from itertools import pairwise
from time import time
from typing import Any

import requests

from pytest_execgo.transport.local import LoopbackServer, session_for

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
    """What the client gets. Status 0 is no reply: the connection ends, or, if it is ``silent``, does
    not. Of more than one ``pieces`` each but the first comes ``pause_seconds`` after the one before."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    silent: bool = False
    pieces: int = 1
    pause_seconds: float = 0.0

    def parts(self) -> list[bytes]:
        """The body in its pieces."""
        ends = [len(self.body) * i // self.pieces for i in range(self.pieces + 1)]
        return [self.body[a:b] for a, b in pairwise(ends)]


def error_reply(status: int, message: str, kind: str, **headers: str) -> Reply:
    """An error in the form of OpenAI's API; ``retry_after="1"`` becomes ``Retry-After: 1``."""
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}
    body = {"error": {"message": message, "type": kind, "param": None, "code": None}}
    return Reply(status, json.dumps(body).encode(), {"Content-Type": "application/json", **named})


Ask = Callable[[], Reply]
"""Asks the model; however often it is called, once."""
FaultyReply = Callable[[Ask], Reply | None]
"""What becomes of one request; ``None`` where this one cannot be spoilt."""


@dataclass
class ModelFault:
    """A fault that waits for requests: ``after`` pass unharmed, then ``times`` are hit (0: all)."""

    faulty_reply: FaultyReply
    after: int
    times: int
    injected_at: float | None = None
    """Seconds since the epoch of the first hit."""

    _seen: int = 0
    _hits: int = 0

    def see(self) -> bool:
        """One more request; whether it is among those that may be hit."""
        self._seen += 1
        return self._seen > self.after

    def left(self) -> bool:
        """Whether there are hits left."""
        return not self.times or self._hits < self.times

    def mark_injected(self) -> bool:
        """Use a hit up; false where another request was faster."""
        if not self.left():
            return False
        self._hits += 1
        self.injected_at = self.injected_at or time()
        return True


class ModelProxy:
    """The model as chaos actions see it."""

    name = "model"
    link = None

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._faults: list[ModelFault] = []
        self._patience = 0.0
        self.url = ""

    def running(self) -> bool:
        """Models are none of our processes."""
        return bool(self.url)

    @contextmanager
    def before(self, base_url: str, seconds: float) -> Iterator[str]:
        """Stand before an endpoint; gives the base URL to ask instead. ``seconds``: how long whoever
        asks waits for an answer."""
        self._patience = seconds
        with (
            session_for(base_url) as self._session,
            LoopbackServer(_handler(self, base_url.rstrip("/"))) as server,
        ):
            self.url = server.url
            try:
                yield self.url
            finally:
                self._closed.set()

    def inject(self, fault: ModelFault) -> None:
        """From now on."""
        with self._lock:
            self._faults.append(fault)

    def heal(self, fault: ModelFault) -> None:
        """No longer."""
        with self._lock:
            self._faults.remove(fault)

    def reply(self, ask: Ask, listens: Callable[[], bool]) -> Reply:
        """What one request is answered with: by the first disturbance that hits it, if any. Who has hung
        up in the meantime (``listens``) is hit by nothing."""
        with self._lock:
            waiting = [fault for fault in self._faults if fault.see()]
        for fault in waiting:
            if not fault.left():
                continue
            # Not under the lock: a model takes its time, and neither an undo nor the next request, if
            # this one was given up, must wait for it.
            faulty = fault.faulty_reply(ask)
            with self._lock:
                if faulty is not None and listens() and fault.mark_injected():
                    return faulty
        return ask()

    def pass_on(self, url: str, headers: dict[str, str], body: bytes) -> Reply:
        """The endpoint's own answer; none where there is none."""
        try:
            found = self._session.post(
                url, data=body, headers=headers, timeout=self._patience, allow_redirects=False
            )
        except requests.RequestException as error:
            return Reply(0, silent=isinstance(error, requests.Timeout))
        return Reply(found.status_code, found.content, _end_to_end(found.headers))

    def wait(self, seconds: float) -> bool:
        """Whether the proxy was closed meanwhile."""
        return self._closed.wait(seconds)


def _end_to_end(headers: Any) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _OWN_HEADERS}


def _handler(proxy: ModelProxy, base_url: str) -> type[BaseHTTPRequestHandler]:
    class ModelProxyHandler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = _end_to_end(self.headers)
            ask = cache(lambda: proxy.pass_on(f"{base_url}{self.path}", headers, body))
            reply = proxy.reply(ask, self._listens)
            if reply.status:
                self._send(reply)
                return
            self.close_connection = True
            if reply.silent:
                self._say_nothing()

        def _listens(self, seconds: float = 0.0) -> bool:
            """Readable is a client that has hung up: it has nothing else to say."""
            return not select.select([self.connection], [], [], seconds)[0]

        def _say_nothing(self) -> None:
            while not proxy.wait(0) and self._listens(_LOOK_SECONDS):
                pass

        def _send(self, reply: Reply) -> None:
            self.send_response_only(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            for number, part in enumerate(reply.parts()):
                if number and proxy.wait(reply.pause_seconds):
                    self.close_connection = True
                    return
                self.wfile.write(part)

        def log_message(self, format: str, *args: Any) -> None:
            """What it does is on record."""

    return ModelProxyHandler
