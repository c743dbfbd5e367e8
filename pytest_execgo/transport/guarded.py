"""A loopback server for one client: it accepts JSON requests to the paths of a model, below a secret
path. Everything else is refused before any work is done for it."""

from __future__ import annotations

import hmac
import io
import json
import re
import socket
from abc import abstractmethod
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar

from pytest_execgo.system.clock import monotonic
from pytest_execgo.transport.client import media_type
from pytest_execgo.transport.loopback import LoopbackServer
from pytest_execgo.transport.model_client import MODEL_PATHS

MOST_REQUEST_BYTES = 20 * 2**20
_LONGEST_CHUNK_LINE = 1024
_MOST_TRAILERS = 100
_LINGER_SECONDS = 2.0
_DIGITS = re.compile(r"[0-9]+")
_HEX_DIGITS = re.compile(rb"[0-9a-fA-F]{1,15}")


class RequestRefused(Exception):
    """A request that gets an error instead of an answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class TimedReader(io.RawIOBase):
    """Reads a connection; raises :class:`TimeoutError` if the next request does not begin within
    ``idle_seconds``, or is not complete ``request_seconds`` after its first byte."""

    def __init__(
        self, connection: socket.socket, idle_seconds: float, request_seconds: float
    ) -> None:
        self._connection = connection
        self._idle_seconds, self._request_seconds = idle_seconds, request_seconds
        self._ends: float | None = None

    def expect_request(self) -> None:
        """The bytes of the request before were read; the next one may begin."""
        self._ends = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        wait = self._idle_seconds if self._ends is None else self._ends - monotonic()
        if wait <= 0:
            raise TimeoutError
        self._connection.settimeout(wait)
        count = self._connection.recv_into(buffer)
        if self._ends is None:
            self._ends = monotonic() + self._request_seconds
        return count


class GuardedHandler(BaseHTTPRequestHandler):
    """Passes each accepted request to :meth:`serve`. A request is accepted if it

    - names this server in ``Host``, and has no ``Origin``: it does not come from a web page;
    - has the target ``/<secret><base><path>``, with one of the paths of a model;
    - is a POST of JSON, with a valid length of at most ``MOST_REQUEST_BYTES``, complete in time.

    Others get an error in the format of OpenAI's API, and their connection is closed.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: LoopbackServer

    name: ClassVar[str]
    """The server's name in error messages."""
    base: ClassVar[str] = ""
    """The path of the base URL below the secret."""
    idle_seconds: ClassVar[float] = 60.0
    request_seconds: ClassVar[float] = 30.0

    @abstractmethod
    def serve(self, path: str, body: bytes) -> None:
        """Answer an accepted request. ``path`` is one of ``MODEL_PATHS``."""

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self._timed = TimedReader(self.connection, self.idle_seconds, self.request_seconds)
        self.rfile = io.BufferedReader(self._timed)

    def handle_one_request(self) -> None:
        self._timed.expect_request()
        super().handle_one_request()

    def _serve_if_accepted(self) -> None:
        try:
            path = self._accepted_path()
            body = self._body()
        except RequestRefused as refused:
            self._refuse(refused.status, str(refused))
            return
        self.connection.settimeout(self.request_seconds)
        self.serve(path, body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve_if_accepted

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse a request that is not HTTP, or has a method that no handler knows."""
        status = HTTPStatus.METHOD_NOT_ALLOWED if code == HTTPStatus.NOT_IMPLEMENTED else code
        self._refuse(status, message or HTTPStatus(code).phrase)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: requests are on record elsewhere."""

    def _accepted_path(self) -> str:
        hosts = self.headers.get_all("Host", [])
        if len(hosts) != 1 or hosts[0].strip().lower() not in self.server.hosts:
            raise RequestRefused(403, f"{self.name} answers only requests to its own address")
        if "Origin" in self.headers:
            raise RequestRefused(403, f"{self.name} answers no requests of web pages")
        path = self._path_below_secret()
        if path not in MODEL_PATHS:
            allowed = " and ".join(MODEL_PATHS)
            raise RequestRefused(404, f"{self.name} answers POST requests to {allowed} only")
        if self.command != "POST":
            raise RequestRefused(405, f"{self.name} answers POST requests only")
        kinds = self.headers.get_all("Content-Type", [])
        if len(kinds) != 1 or media_type(kinds[0]) != "application/json":
            raise RequestRefused(415, f"{self.name} needs Content-Type: application/json")
        return path

    def _path_below_secret(self) -> str:
        """The path below the base URL; empty if there is none."""
        # Not ``self.path``: the standard library makes one slash of two.
        target = self.requestline.split()[1]
        secret, slash, rest = target.removeprefix("/").partition("/")
        known = hmac.compare_digest(secret.encode(), self.server.secret.encode())
        if not (known and target.startswith("/")):
            raise RequestRefused(
                404, f"there is nothing at this address; use the base URL of {self.name} as given"
            )
        path = slash + rest
        return path.removeprefix(self.base) if path.startswith(self.base) else ""

    def _body(self) -> bytes:
        lengths = self.headers.get_all("Content-Length", [])
        codings = [one.strip().lower() for one in self.headers.get_all("Transfer-Encoding", [])]
        if codings:
            if lengths or codings != ["chunked"]:
                raise RequestRefused(400, "the length of the request is not clear")
            return self._chunks()
        if not lengths:
            raise RequestRefused(411, "the request has no Content-Length")
        if len(lengths) != 1 or not _DIGITS.fullmatch(lengths[0].strip()):
            raise RequestRefused(400, "Content-Length is not a number")
        digits = lengths[0].strip().lstrip("0") or "0"
        if len(digits) > 15 or int(digits) > MOST_REQUEST_BYTES:
            raise _too_large()
        return self._read(int(digits))

    def _chunks(self) -> bytes:
        body = bytearray()
        while size := self._chunk_size():
            if len(body) + size > MOST_REQUEST_BYTES:
                raise _too_large()
            body += self._read(size)
            if self._read(2) != b"\r\n":
                raise RequestRefused(400, "a chunk is longer than its size says")
        for _ in range(_MOST_TRAILERS):
            if not self._line():
                return bytes(body)
        raise RequestRefused(400, "the request has too many trailers")

    def _chunk_size(self) -> int:
        size = self._line().partition(b";")[0].strip(b" \t")
        if not _HEX_DIGITS.fullmatch(size):
            raise RequestRefused(400, "the size of a chunk is not a number")
        return int(size, 16)

    def _line(self) -> bytes:
        """The next line of a chunked body, without its end."""
        line = self.rfile.readline(_LONGEST_CHUNK_LINE)
        if line and not line.endswith(b"\r\n"):
            raise RequestRefused(400, "a line between chunks is too long or has no end")
        if not line:
            raise ConnectionAbortedError
        return line[:-2]

    def _read(self, size: int) -> bytes:
        data = self.rfile.read(size)
        if len(data) < size:
            # The client has gone; half a request is none.
            raise ConnectionAbortedError
        return data

    def _refuse(self, status: int, message: str) -> None:
        """Answer with an error, and close the connection: the rest of the request was not read."""
        self.close_connection = True
        # A request line that cannot be read would otherwise get an answer without a status line.
        self.request_version = self.protocol_version
        data = error_body(message)
        self.connection.settimeout(self.request_seconds)
        self.send_response_only(status)
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "POST")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
        self._linger()

    def _linger(self) -> None:
        """Drop what the client still sends. If the connection was closed at once, the client would get
        a reset instead of the answer."""
        ends = monotonic() + _LINGER_SECONDS
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            while (left := ends - monotonic()) > 0:
                self.connection.settimeout(left)
                if not self.connection.recv(65536):
                    return


def error_body(message: str) -> bytes:
    """An error in the format of OpenAI's API, which SDKs show to their users."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": "execgo"}
    return json.dumps({"error": error}).encode()


def _too_large() -> RequestRefused:
    return RequestRefused(413, f"the request is larger than {MOST_REQUEST_BYTES} bytes")
