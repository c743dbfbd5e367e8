"""The HTTP/1.1 server of all embedded services, and their start and end.

A service listens, prints one JSON ready line, and ends after SIGTERM or SIGINT. With
``--exit-with-stdin`` it also ends when its standard input closes, which happens when its parent ends.
"""

from __future__ import annotations

import _thread
import json
import os
import re
import signal
import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from pytest_execgo.emulators.below import end_below
from pytest_execgo.emulators.guard import ACCESS_HEADER, has_token, refusal, without_token

MAX_BODY_BYTES = 64 * 1024 * 1024
MAX_CONNECTIONS = 512
SILENCE_SECONDS = 60.0
"""How long a connection may be silent before it is closed."""


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
        self.token = ""
        """What every request must have in ``X-Execgo-Token``, if it is not empty."""
        self.is_open: Callable[[str], bool] = lambda path: False
        """Whether a path needs no token."""
        self._free_connections = threading.BoundedSemaphore(MAX_CONNECTIONS)
        if ":" in host:
            self.address_family = socket.AF_INET6
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
        return f"http://[{host!s}]:{port}" if ":" in str(host) else f"http://{host!s}:{port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        # Not threading.Thread: without memory for a new thread, its start() can wait forever, and the
        # server would never answer again. This call raises instead, and drops one connection.
        if not self._free_connections.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            _thread.start_new_thread(self._serve_connection, (request, client_address))
        except (RuntimeError, MemoryError):
            self._free_connections.release()
            self.shutdown_request(request)

    def _serve_connection(self, request: Any, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except Exception:
            self.handle_error(request, client_address)
        finally:
            self.shutdown_request(request)
            self._free_connections.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore connections that the client closed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _RefusedError(Exception):
    """A request that gets an error as its answer, and ends the connection."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


_FOLD = re.compile(r"\r?\n[ \t]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_LINE_BYTES = 4096
_MAX_TRAILERS = 100


def _number(text: str, base: int, before: int) -> int:
    """A size; raises :class:`_RefusedError` for other text, or if the body gets too long.

    ``before``: bytes of the body that were read already.
    """
    digits = "0123456789abcdef"[:base]
    if not text or any(c not in digits for c in text.lower()):
        raise _RefusedError(400, f"malformed length of the body: {text[:20]!r}")
    # A number of more than 16 digits is too large in any base, and slow to convert.
    if len(text) > 16 or before + int(text, base) > MAX_BODY_BYTES:
        raise _RefusedError(413, f"the body is longer than {MAX_BODY_BYTES} bytes")
    return int(text, base)


def _unfolded(value: str) -> str:
    """The value of a header in one line; raises :class:`_RefusedError` for control characters, which an
    answer that repeats the value would send on."""
    value = _FOLD.sub(" ", value)
    if _CONTROL.search(value):
        raise _RefusedError(400, "malformed header: a value holds a control character")
    return value


class _Exchange(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # send head and body in one packet: Nagle's algorithm would delay a second one
    disable_nagle_algorithm = True
    server: Server

    timeout = SILENCE_SECONDS

    def _answer(self) -> None:
        try:
            request = self._read_request()
        except _RefusedError as error:
            # The rest of the request is unread, so the connection cannot serve another one.
            self.close_connection = True
            response = json_response({"error": error.reason}, error.status)
        else:
            response = self._handle(request)
        if response.drop:
            self.close_connection = True
            self.connection.close()
            return
        self._send(response)

    def _read_request(self) -> Request:
        """Raises :class:`_RefusedError` for a request that is malformed, too long or not wanted."""
        headers = {name.lower(): _unfolded(value) for name, value in self.headers.items()}
        if reason := refusal(headers):
            raise _RefusedError(403, reason)
        if not self.path.startswith("/"):
            raise _RefusedError(400, "malformed target: a path must start with /")
        path, _, query = self.path.partition("#")[0].partition("?")
        if token := self.server.token:
            rest = without_token(path, token)
            if rest is None and not self.server.is_open(path) and not has_token(headers, token):
                raise _RefusedError(401, f"the header {ACCESS_HEADER} lacks the token of the fleet")
            path = path if rest is None else rest
        try:
            body = self._read_body()
        except TimeoutError:
            raise _RefusedError(408, f"no data for {SILENCE_SECONDS:g} s") from None
        return Request(
            method=self.command,
            path=path,
            segments=tuple(unquote(part) for part in path.split("/")[1:]),
            query=query,
            headers=headers,
            body=body,
        )

    def _handle(self, request: Request) -> Response:
        try:
            return self.server.handle_one(request)
        except Exception as error:
            log("request_failed", path=request.path, error=f"{type(error).__name__}: {error}")
            return json_response({"error": "internal error"}, 500)

    def _send(self, response: Response) -> None:
        self.send_response_only(response.status)
        if response.content_type:
            self.send_header("Content-Type", response.content_type)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        if response.status != 204:
            self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)
        self.wfile.flush()

    def _read_body(self) -> bytes:
        lengths = {value.strip() for value in self.headers.get_all("Content-Length", [])}
        codings = [value.strip().lower() for value in self.headers.get_all("Transfer-Encoding", [])]
        if codings:
            if codings != ["chunked"] or lengths:
                raise _RefusedError(400, "Transfer-Encoding: only chunked, without Content-Length")
            return self._read_chunks()
        if len(lengths) > 1:
            raise _RefusedError(400, "several values of Content-Length")
        return self._read_exactly(_number(lengths.pop(), 10, 0) if lengths else 0)

    def _read_chunks(self) -> bytes:
        chunks: list[bytes] = []
        total = 0
        while True:
            line = self.rfile.readline(_LINE_BYTES)
            size = _number(line.split(b";")[0].strip().decode("latin-1"), 16, total)
            if not size:
                break
            total += size
            chunks.append(self._read_exactly(size))
            if self.rfile.readline(_LINE_BYTES).strip():
                raise _RefusedError(400, "a chunk is longer than its size")
        for _ in range(_MAX_TRAILERS):
            if not self.rfile.readline(_LINE_BYTES).strip():
                return b"".join(chunks)
        raise _RefusedError(400, "too many trailers")

    def _read_exactly(self, size: int) -> bytes:
        body = self.rfile.read(size)
        if len(body) < size:
            raise _RefusedError(400, f"the body ends after {len(body)} of {size} bytes")
        return body

    def parse_request(self) -> bool:
        """Refuse what HTTP/1.0 does not allow: a request without a version, which gets no status."""
        if not super().parse_request():
            return False
        if self.request_version == "HTTP/0.9":
            self.send_error(400, "malformed request line: it ends without HTTP/1.1")
            return False
        return True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse a request that is not HTTP, or has a method that no handler knows."""
        # A request line that could not be read leaves the version of HTTP/0.9, which has no status.
        self.request_version, self.close_connection = "HTTP/1.1", True
        self.command = self.command or "GET"
        self._send(json_response({"error": message or HTTPStatus(code).phrase}, code))

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


_ENDING_SECONDS = 2.0
# The number of a signal otherwise.
_END_OF_INPUT = b"\0"


def run(
    name: str,
    version: str,
    server: Server,
    *,
    exit_with_stdin: bool,
    on_stop: Callable[[], None] = lambda: None,
) -> int:
    """Print the ready line, and serve until a signal or the end of input; returns the exit status.

    The end of input means that the parent has ended. Then everything below this process is killed, too:
    once this process has ended, no other process can see that a daemon of a task belongs to it.
    """
    # A pipe, not an Event: a signal that arrives just before the main thread waits, or that another
    # thread receives, does not end a wait on a lock. The service would never end.
    ended, end = os.pipe()
    os.set_blocking(end, False)
    signal.set_wakeup_fd(end)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    # A parent may have ignored it, and then the exit status of every task would read as 0.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    if exit_with_stdin:
        threading.Thread(target=_watch_stdin, args=(end,), daemon=True).start()
    ready = {"ready": True, "service": name, "version": version, "url": server.url}
    print(json.dumps({**ready, "pid": os.getpid()}), flush=True)
    reason = os.read(ended, 1)
    server.socket.close()
    on_stop()
    if reason == _END_OF_INPUT:
        end_below(os.getpid(), _ENDING_SECONDS)
    return 0


def _watch_stdin(end: int) -> None:
    try:
        # os.read, not sys.stdin: a blocked read of sys.stdin would hold a lock at interpreter exit.
        while os.read(0, 4096):
            pass
    except OSError:
        pass
    os.write(end, _END_OF_INPUT)
