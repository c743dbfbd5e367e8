"""An HTTP proxy in front of a model's endpoint, where its answers can be made to fail.

It exists only in trials whose profile targets the model. The client cannot tell the proxy from the
endpoint except by the answers, and attribution sees only these answers.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from wsgiref.util import is_hop_by_hop

import requests

from pytest_execgo.system.clock import wall
from pytest_execgo.system.readiness import readable
from pytest_execgo.transport.guarded import GuardedHandler
from pytest_execgo.transport.loopback import LoopbackServer
from pytest_execgo.transport.model_client import MOST_REPLY_BYTES, ModelClient

_LOOK_SECONDS = 0.05
# This proxy recomputes them.
_RECOMPUTED = frozenset({"host", "content-length", "content-encoding", "accept-encoding"})
_VALID_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*")
# One byte more than the client behind this proxy reads, so that it finds the answer too large itself.
_MOST_REPLY_BYTES = MOST_REPLY_BYTES + 1


@dataclass(frozen=True)
class Reply:
    """What the client gets.

    Status 0 means no reply: the connection closes, or stays open without an answer if ``silent``.
    With more than one of ``pieces``, each but the first is sent ``pause_seconds`` after the one
    before."""

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
    """An error in the format of OpenAI's API; ``retry_after="1"`` becomes ``Retry-After: 1``."""
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}
    body = {"error": {"message": message, "type": kind, "param": None, "code": None}}
    return Reply(status, json.dumps(body).encode(), {"Content-Type": "application/json", **named})


Ask = Callable[[], Reply]
"""Asks the model, once, however often it is called."""
FaultyReply = Callable[[Ask], Reply | None]
"""What a request gets instead; ``None`` where the fault cannot be injected into it."""


@dataclass
class ModelFault:
    """A fault that waits for requests: ``after`` pass unaffected, then ``times`` are affected (0:
    all).

    ``injected_at``: when the first request was affected, in seconds since the epoch.
    """

    faulty_reply: FaultyReply
    after: int
    times: int
    injected_at: float | None = None

    _seen: int = 0
    _injections: int = 0

    def see(self) -> bool:
        """Count one more request; whether it may be affected."""
        self._seen += 1
        return self._seen > self.after

    def left(self) -> bool:
        """Whether another request may be affected."""
        return not self.times or self._injections < self.times

    def mark_injected(self) -> bool:
        """Count one affected request; false if a concurrent request used up the last one."""
        if not self.left():
            return False
        self._injections += 1
        self.injected_at = self.injected_at or wall()
        return True


class ModelProxy:
    """The model, as chaos actions see it (:class:`pytest_execgo.ports.Target`)."""

    name = "model"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._faults: list[ModelFault] = []
        self._timeout_seconds = 0.0
        self._url = ""

    @property
    def url(self) -> str:
        """Base URL of the proxy; empty outside of :meth:`before`."""
        return self._url

    def running(self) -> bool:
        """Whether the proxy serves."""
        return bool(self._url)

    @contextmanager
    def before(self, base_url: str, seconds: float) -> Iterator[str]:
        """Serve in front of an endpoint; gives the base URL to ask instead. ``seconds``: how long
        the client waits for an answer."""
        self._timeout_seconds = seconds
        with (
            closing(ModelClient(base_url)) as self._client,
            LoopbackServer(_handler(self)) as server,
        ):
            self._url = server.secret_url
            try:
                yield self._url
            finally:
                self._closed.set()

    def inject(self, fault: ModelFault) -> None:
        """Apply ``fault`` to requests from now on."""
        with self._lock:
            self._faults.append(fault)

    def heal(self, fault: ModelFault) -> None:
        """Stop applying ``fault``."""
        with self._lock:
            self._faults.remove(fault)

    def reply(self, ask: Ask, listens: Callable[[], bool]) -> Reply:
        """What one request gets: from the first fault that can be injected into it, else from the
        model. A client that has closed its connection (``listens`` is false) is affected by
        nothing."""
        with self._lock:
            waiting = [fault for fault in self._faults if fault.see()]
        for fault in waiting:
            if not fault.left():
                continue
            # Outside the lock: a model takes its time, and neither healing nor the next request may
            # have to wait for it.
            faulty = fault.faulty_reply(ask)
            with self._lock:
                if faulty is not None and listens() and fault.mark_injected():
                    return faulty
        return ask()

    def pass_on(self, path: str, headers: dict[str, str], body: bytes) -> Reply:
        """The endpoint's own answer; status 0 if there is no answer."""
        try:
            found = self._client.post(
                path, self._timeout_seconds, _MOST_REPLY_BYTES, data=body, headers=headers
            )
        except Exception as error:
            # Not only the errors of requests: what an endpoint sends can break the parsers below it.
            return Reply(0, silent=isinstance(error, (requests.Timeout, TimeoutError)))
        return Reply(found.status, found.body, _end_to_end(found.headers))

    def wait(self, seconds: float) -> bool:
        """Wait; true if the proxy was closed meanwhile."""
        return self._closed.wait(seconds)


def _end_to_end(headers: Mapping[str, str]) -> dict[str, str]:
    """Without hop-by-hop headers (RFC 9110, 7.6.1), those that this proxy recomputes, and those that
    are not valid."""
    return {
        name: value
        for name, value in headers.items()
        if not is_hop_by_hop(name)
        and name.lower() not in _RECOMPUTED
        and _VALID_HEADER.fullmatch(f"{name}:{value}")
    }


def _handler(proxy: ModelProxy) -> type[GuardedHandler]:
    class ModelProxyHandler(GuardedHandler):
        name = "the proxy in front of the model"

        def serve(self, path: str, body: bytes) -> None:
            headers = _end_to_end(dict(self.headers.items()))
            ask = cache(lambda: proxy.pass_on(path, headers, body))
            reply = proxy.reply(ask, self._listens)
            if reply.status:
                self._send(reply)
                return
            self.close_connection = True
            if reply.silent:
                self._stay_silent()

        def _listens(self, seconds: float = 0.0) -> bool:
            """A connection that is readable was closed: the client has nothing more to send."""
            return not readable(self.connection, seconds)

        def _stay_silent(self) -> None:
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

    return ModelProxyHandler
