"""A scripted runtime for the engine of a case, which records the requests of the engine."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pytest_execgo.system import clock

KEPT_HEADERS = ("content-type", "x-execgo-owner")


@dataclass
class PeerExchange:
    """One request to the peer; ``times`` counts identical requests in a row."""

    method: str
    path: str
    headers: dict[str, str]
    body: str
    times: int = 1

    def observed(self) -> dict[str, Any]:
        """The request in the form of ``exchanges.json``."""
        seen: dict[str, Any] = {"method": self.method, "path": self.path, "times": self.times}
        if self.headers:
            seen["headers"] = self.headers
        if self.body:
            try:
                seen["json"] = json.loads(self.body)
            except ValueError:
                seen["text"] = self.body
        return seen


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore connections that a killed engine closed."""


@dataclass
class Peer:
    """A server whose answers each case sets; use it as a context manager."""

    _routes: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    _seen: list[PeerExchange] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Peer:
        peer = self

        class PeerHandler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length).decode("utf-8", "replace")
                headers = {n: self.headers[n] for n in KEPT_HEADERS if n in self.headers}
                peer._reply(self, PeerExchange(self.command, self.path, headers, body))

            do_GET = do_POST = do_DELETE = do_HEAD = do_PUT = _answer

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), PeerHandler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """Base URL."""
        return f"http://{self.address}"

    def program(self, routes: list[dict[str, Any]]) -> None:
        """Set the answers, and forget earlier requests."""
        with self._lock:
            self._routes = {route["on"]: list(route["replies"]) for route in routes}
            self._seen = []

    def seen(self, needle: str) -> list[dict[str, Any]]:
        """The requests with ``needle`` in path or body, in order; identical ones in a row are joined."""
        with self._lock:
            found = [e for e in self._seen if needle in e.path or needle in e.body]
        folded: list[PeerExchange] = []
        for exchange in found:
            last = folded[-1] if folded else None
            if last and (last.method, last.path, last.headers, last.body) == (
                exchange.method,
                exchange.path,
                exchange.headers,
                exchange.body,
            ):
                last.times += 1
            else:
                folded.append(PeerExchange(**{**vars(exchange), "times": 1}))
        return [exchange.observed() for exchange in folded]

    def _reply(self, handler: BaseHTTPRequestHandler, exchange: PeerExchange) -> None:
        with self._lock:
            self._seen.append(exchange)
            replies = self._routes.get(f"{exchange.method} {exchange.path}")
            if not replies:
                missing = {"error": {"code": "not_found", "message": "task not found"}}
                reply: dict[str, Any] = {"status": 404, "json": missing}
            else:
                reply = replies.pop(0) if len(replies) > 1 else replies[0]
        clock.sleep(reply.get("delay_ms", 0) / 1000)
        if reply.get("drop"):
            handler.close_connection = True
            handler.connection.close()
            return
        is_json = "json" in reply
        body = json.dumps(reply["json"]) if is_json else reply.get("text", "")
        data = body.encode()
        handler.send_response(reply.get("status", 200))
        kind = "application/json" if is_json else "text/plain; charset=utf-8"
        for name, value in {"Content-Type": kind, **reply.get("headers", {})}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)
