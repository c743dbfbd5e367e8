"""HTTP requests to the services of a fleet, bounded in time and size.

A service may be broken or hostile. Every request has a total deadline, also for an answer that arrives
byte by byte. The body has a limit. Redirects are not followed, and proxies and credentials of the user's
environment are not used. Whatever the service answers, the caller gets an :class:`HttpAnswer` or an
:class:`ExchangeError` with one short line.
"""

from __future__ import annotations

import io
import json
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPResponse, RemoteDisconnected
from typing import Any
from urllib.parse import SplitResult, quote, urlencode, urlsplit

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from pytest_execgo.errors import ExecgoError
from pytest_execgo.models.json_text import JsonProblem, decode_json
from pytest_execgo.system import sockets
from pytest_execgo.system.clock import monotonic, now
from pytest_execgo.system.readiness import readable

MAX_BODY_BYTES = 8 * 1024 * 1024
_PIECE_BYTES = 65536
# Status line and headers, and the body with the sizes of its chunks.
_MAX_HEAD_BYTES = 1024 * 1024
_OVERHEAD = 4
_DIGITS = 10
_LONGEST_LINE = 300
_URL_CHARACTERS = "!#$%&'()*+,/:;=?@[]~"


class ExchangeError(ExecgoError):
    """A request without a usable answer; ``str(error)`` is one short line."""


class NoAnswer(ExchangeError):
    """No complete answer. ``refused``: the service did not receive the request. ``late``: the deadline
    passed. ``cut_off``: the connection ended inside the answer."""

    def __init__(
        self, message: str, *, refused: bool = False, late: bool = False, cut_off: bool = False
    ) -> None:
        super().__init__(message)
        self.refused, self.late, self.cut_off = refused, late, cut_off


class BadAnswer(ExchangeError):
    """An answer that breaks HTTP, is beyond the limits, or is not the JSON that was expected."""


@dataclass(frozen=True)
class HttpAnswer:
    """A complete answer to ``request``, such as ``GET /health``.

    ``retry_after``: the text of the header ``Retry-After``, at most 300 characters.
    """

    request: str
    status: int
    content_type: str
    body: bytes
    retry_after: str = ""

    @property
    def retry_after_seconds(self) -> float | None:
        """How long ``Retry-After`` asks to wait (RFC 9110, 10.2.3); ``None`` without a valid one."""
        text = self.retry_after.strip()
        if text.isascii() and text.isdigit():
            return float(text) if len(text) < _DIGITS else None
        try:
            moment = parsedate_to_datetime(text)
            return max(0.0, (moment - now()).total_seconds())
        except (ValueError, TypeError, OverflowError):
            return None

    def text(self) -> str:
        """The body as text, in UTF-8 whatever the service claims."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The JSON value in the body; raises :class:`BadAnswer`."""
        try:
            return decode_json(self.body)
        except JsonProblem as problem:
            message = f"{self.request}: status {self.status}: {problem}: {self.shown()}"
            raise BadAnswer(message) from None

    def object(self) -> dict[str, Any]:
        """The JSON object in the body; raises :class:`BadAnswer`."""
        found = self.json()
        if not isinstance(found, dict):
            message = f"{self.request}: status {self.status} without a JSON object: {self.shown()}"
            raise BadAnswer(message)
        return found

    def shown(self) -> str:
        """The beginning of the body for messages, in quotes and without control characters."""
        return quoted(self.body[:1000].decode("utf-8", "replace"))


def quoted(text: str) -> str:
    """The first characters of ``text`` for a message: one line, in quotes, no control characters."""
    return repr(text if len(text) <= 120 else text[:117] + "...")


class ServiceConnection:
    """Requests to one service over one connection that stays open; not for several threads.

    ``headers`` are sent with each request. A POST always uses a new connection: if something closes an
    open one at the same time, the client cannot know whether the service got the request.
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str] | None = None,
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._headers, self._max_body_bytes = dict(headers or {}), max_body_bytes
        self._socket: socket.socket | None = None

    def request(
        self, method: str, target: str, *, json: Any = None, timeout: float, last: bool = False
    ) -> HttpAnswer:
        """Send one request, and read its answer within ``timeout`` seconds.

        ``target`` is a path below the base URL, with its query. ``last`` closes the connection. Raises
        :class:`NoAnswer` and :class:`BadAnswer`; the request is not repeated.
        """
        deadline = monotonic() + timeout
        complete = False
        try:
            answer, reusable = self._exchange(method, target, json, deadline, last=last)
            complete = reusable
            return answer
        except TimeoutError as error:
            message = self._where(method, target, "no answer in time")
            raise NoAnswer(message, late=True) from error
        except OSError as error:
            reason = "the connection was closed without an answer"
            raise NoAnswer(self._where(method, target, reason)) from error
        finally:
            if not complete:
                self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.close()
            self._socket = None

    def _exchange(
        self, method: str, target: str, payload: Any, deadline: float, *, last: bool
    ) -> tuple[HttpAnswer, bool]:
        """The answer, and whether the connection can take another request."""
        try:
            parts = urlsplit(self.base_url)
            message = self._message(method, parts, target, payload, last=last)
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            raise NoAnswer(self._where(method, target, "not the URL of a service")) from None
        if self._socket is None or method == "POST" or _dropped(self._socket):
            self.close()
            try:
                self._socket = _connected(parts, port, deadline)
            except TimeoutError:
                raise
            except OSError as error:
                refused = isinstance(error, ConnectionRefusedError)
                reason = "connection refused" if refused else f"no connection ({_name(error)})"
                raise NoAnswer(self._where(method, target, reason), refused=refused) from error
        incoming = _Incoming(self._socket, deadline)
        self._socket.settimeout(_remaining(deadline))
        self._socket.sendall(message)
        request = _short(f"{method} {target}")
        try:
            return _read(incoming, method, request, self._max_body_bytes)
        except (ExchangeError, TimeoutError, RemoteDisconnected):
            raise
        except Exception as error:
            if incoming.ended or isinstance(error, OSError):
                if not incoming.received:
                    raise ConnectionError from error
                reason = "the connection was closed inside the answer"
                raise NoAnswer(self._where(method, target, reason), cut_off=True) from error
            # The standard library raises many types for broken HTTP. None of them may end a trial.
            problem = quoted(str(error)) if isinstance(error, HTTPException) else ""
            text = f"{request}: broken HTTP ({_name(error)}) {problem}".rstrip()
            raise BadAnswer(_short(text)) from None

    def _message(
        self, method: str, parts: SplitResult, target: str, payload: Any, *, last: bool
    ) -> bytes:
        """The request as bytes; raises ``ValueError`` for a URL that cannot be used."""
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(self.base_url)
        host = parts.hostname.encode("idna").decode("ascii")
        host = f"[{host}]" if ":" in host else host
        body = b"" if payload is None else json.dumps(payload).encode()
        headers = {
            "Host": host if parts.port is None else f"{host}:{parts.port}",
            "Accept": "application/json",
            # Anything else would have to be unpacked, which multiplies its size.
            "Accept-Encoding": "identity",
            "Connection": "close" if last else "keep-alive",
            **self._headers,
        }
        if payload is not None:
            headers["Content-Type"] = "application/json"
        if body or method not in ("GET", "DELETE"):
            headers["Content-Length"] = str(len(body))
        path = quote(parts.path + target, safe=_URL_CHARACTERS) or "/"
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {it}" for name, it in headers.items())]
        if any("\r" in line or "\n" in line for line in lines):
            raise ValueError("a header with a line break")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body

    def _where(self, method: str, target: str, reason: str) -> str:
        parts = urlsplit(self.base_url)
        # A URL can hold a password.
        base = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        return _short(f"{method} {base}{target}: {reason}")


def fetch(
    method: str,
    url: str,
    *,
    query: Mapping[str, str] | None = None,
    json: Any = None,
    timeout: float,
    headers: Mapping[str, str] | None = None,
    max_body_bytes: int = MAX_BODY_BYTES,
) -> HttpAnswer:
    """One request on a connection of its own, within ``timeout`` seconds.

    Raises :class:`NoAnswer` and :class:`BadAnswer`.
    """
    connection = ServiceConnection(url, headers, max_body_bytes)
    target = f"?{urlencode(query)}" if query else ""
    try:
        return connection.request(method, target, json=json, timeout=timeout, last=True)
    finally:
        connection.close()


class _Incoming(io.RawIOBase):
    """The bytes that arrive on a socket until ``deadline``, as ``http.client`` reads them.

    Ends with ``TimeoutError`` at the deadline, and with :class:`HTTPException` after ``most`` bytes.
    """

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection, self._deadline = connection, deadline
        self.most = _MAX_HEAD_BYTES
        self.received = 0
        self.ended = False

    def makefile(self, mode: str) -> io.BufferedReader:
        """What ``http.client`` reads from."""
        return io.BufferedReader(self, _PIECE_BYTES)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._connection.settimeout(_remaining(self._deadline))
        count = self._connection.recv_into(buffer)
        self.received += count
        self.ended = count == 0
        if self.received > self.most:
            raise HTTPException(f"more than {self.most} bytes")
        return count


def _read(
    incoming: _Incoming, method: str, request: str, max_body_bytes: int
) -> tuple[HttpAnswer, bool]:
    """The answer, and whether the connection can take another request."""
    reply = HTTPResponse(incoming, method=method)  # type: ignore[arg-type]
    try:
        reply.begin()
        _check_headers(reply, request, max_body_bytes)
        incoming.most += _OVERHEAD * max_body_bytes
        pieces, size = [], 0
        while piece := reply.read(_PIECE_BYTES):
            size += len(piece)
            if size > max_body_bytes:
                raise BadAnswer(f"{request}: a body of more than {max_body_bytes} bytes")
            pieces.append(piece)
        if reply.length:
            raise HTTPException(f"{reply.length} bytes of the body are missing")
        kind = _short(repr(reply.headers.get("Content-Type", ""))[1:-1])
        later = _short(reply.headers.get("Retry-After", ""))
        answer = HttpAnswer(request, reply.status, kind, b"".join(pieces), later)
        return answer, not reply.will_close
    finally:
        reply.close()


def _check_headers(reply: HTTPResponse, request: str, max_body_bytes: int) -> None:
    """Raise :class:`BadAnswer` for headers that are malformed or not supported."""
    headers = reply.headers
    encoding = headers.get("Content-Encoding", "identity").strip().lower()
    transfer = headers.get("Transfer-Encoding", "chunked").strip().lower()
    lengths = {length.strip() for length in headers.get_all("Content-Length") or ()}
    problem = None
    if headers.defects or reply.status < 200:
        problem = "malformed headers" if headers.defects else f"status {reply.status}"
    elif encoding != "identity":
        problem = f"the content encoding {quoted(encoding)}, which was not requested"
    elif transfer != "chunked":
        problem = f"the transfer encoding {quoted(transfer)}, which is not supported"
    elif len(lengths) > 1 or not all(one.isdecimal() and len(one) < 20 for one in lengths):
        problem = f"the content length {quoted(', '.join(sorted(lengths)))}"
    elif any(int(one) > max_body_bytes for one in lengths):
        problem = f"a body of more than {max_body_bytes} bytes"
    if problem is not None:
        raise BadAnswer(_short(f"{request}: {problem}"))


def _connected(parts: SplitResult, port: int, deadline: float) -> socket.socket:
    """A connection to the first address that accepts one; raises the ``OSError`` of the last."""
    failure: OSError = OSError("no address")
    for family, kind, protocol, address in sockets.addresses(parts.hostname, port):
        connection = sockets.OwnSocket(family, kind, protocol)
        try:
            connection.settimeout(_remaining(deadline))
            connection.connect(address)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if parts.scheme == "https":
                return _tls().wrap_socket(connection, server_hostname=parts.hostname)
            return connection
        except OSError as error:
            connection.close()
            failure = error
    raise failure


def _tls() -> ssl.SSLContext:
    # Not create_default_context(): it would write the keys of our connections to SSLKEYLOGFILE.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
    return context


def _dropped(connection: socket.socket) -> bool:
    """Whether an idle connection has ended, or has bytes that belong to no request."""
    return readable(connection)


def _remaining(deadline: float) -> float:
    remaining = deadline - monotonic()
    if remaining <= 0:
        raise TimeoutError
    return remaining


def _name(error: Exception) -> str:
    return type(error).__name__


def _short(text: str) -> str:
    """At most 300 printable characters of ``text``."""
    printable = "".join(one if one.isprintable() else "?" for one in text)
    return printable if len(printable) <= _LONGEST_LINE else printable[: _LONGEST_LINE - 3] + "..."
