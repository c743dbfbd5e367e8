"""The HTTP/1.1 server of all embedded services, and their start and end.

A service listens, prints one JSON ready line, and ends after SIGTERM or SIGINT. With
``--exit-with-stdin`` it also ends when its standard input closes, which happens when its parent ends.
"""

from __future__ import annotations

import _thread
import json
import os
import signal
import socketserver
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True)
class Request:
    """One request; ``segments`` are the percent-decoded parts of the path."""

    method: str
    path: str
    segments: tuple[str, ...]
    query: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Response:
    """One answer. ``drop`` closes the connection without an answer."""

    status: int = 200
    body: bytes = b""
    content_type: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False


Handler = Callable[[Request], Response]


class Server(ThreadingHTTPServer):
    """A threading server that answers all requests by one function."""

    daemon_threads = True
    request_queue_size = 256
    allow_reuse_address = True

    def __init__(self, host: str, port: int, handle: Handler) -> None:
        self.handle_one = handle
        super().__init__((host, port), _Exchange)

    def server_bind(self) -> None:
        # HTTPServer would look up its own host name here, which can take seconds without DNS.
        socketserver.TCPServer.server_bind(self)
        host, port = self.server_address[:2]
        self.server_name, self.server_port = str(host), int(port)

    @property
    def url(self) -> str:
        """The base URL of the server."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        # Not threading.Thread: without memory for a new thread, its start() can wait forever, and the
        # server would never answer again. This call raises instead, and drops one connection.
        try:
            _thread.start_new_thread(self._serve_connection, (request, client_address))
        except (RuntimeError, MemoryError):
            self.shutdown_request(request)

    def _serve_connection(self, request: Any, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except Exception:
            self.handle_error(request, client_address)
        finally:
            self.shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore connections that the client closed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Exchange(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # send head and body in one packet: Nagle's algorithm would delay a second one
    disable_nagle_algorithm = True
    server: Server

    def _answer(self) -> None:
        body = self._read_body()
        parts = urlsplit(self.path)
        path = parts.path
        request = Request(
            method=self.command,
            path=path,
            segments=tuple(unquote(part) for part in path.split("/")[1:]),
            query=parts.query,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
        )
        response = self.server.handle_one(request)
        if response.drop:
            self.close_connection = True
            self.connection.close()
            return
        self.send_response_only(response.status)
        if response.content_type:
            self.send_header("Content-Type", response.content_type)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if response.status != 204:
            self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)
        self.wfile.flush()

    def _read_body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            chunks = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return b"".join(chunks)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = do_HEAD = do_OPTIONS = _answer

    def log_message(self, format: str, *args: Any) -> None:
        """Log no requests: services log their own events."""


def json_response(value: Any, status: int = 200) -> Response:
    """An answer with JSON in one line."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"
    return Response(status, body.encode("utf-8", "replace"), "application/json")


def parse_addr(addr: str, default_host: str = "127.0.0.1") -> tuple[str, int]:
    """``host:port`` or ``:port`` as a pair; raises ``ValueError`` for anything else."""
    host, _, port = addr.rpartition(":")
    return host.strip("[]") or default_host, int(port)


def log(event: str, **facts: Any) -> None:
    """One JSON line on standard error."""
    print(json.dumps({"event": event, **facts}, default=str), file=sys.stderr, flush=True)


def run(
    name: str,
    version: str,
    server: Server,
    *,
    exit_with_stdin: bool,
    on_stop: Callable[[], None] = lambda: None,
) -> int:
    """Print the ready line, and serve until a signal or the end of input; returns the exit status."""
    # A pipe, not an Event: a signal that arrives just before the main thread waits, or that another
    # thread receives, does not end a wait on a lock. The service would never end.
    ended, end = os.pipe()
    os.set_blocking(end, False)
    signal.set_wakeup_fd(end)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    if exit_with_stdin:
        threading.Thread(target=_watch_stdin, args=(end,), daemon=True).start()
    ready = {"ready": True, "service": name, "version": version, "url": server.url}
    print(json.dumps({**ready, "pid": os.getpid()}), flush=True)
    os.read(ended, 1)
    server.socket.close()
    on_stop()
    return 0


def _watch_stdin(end: int) -> None:
    try:
        # os.read, not sys.stdin: a blocked read of sys.stdin would hold a lock at interpreter exit.
        while os.read(0, 4096):
            pass
    except OSError:
        pass
    os.write(end, b"\0")
