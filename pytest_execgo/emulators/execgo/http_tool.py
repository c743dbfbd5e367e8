"""The ``http`` tool, with the behaviour of Go's HTTP client: redirects, headers, errors, proxies."""

from __future__ import annotations

import base64
import gzip
import http.client
import os
import re
import socket
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any
from urllib.parse import quote, unquote, urljoin, urlsplit

MAX_BODY = 1 << 20
MAX_REDIRECTS = 10
DEFAULT_SECONDS = 300.0

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2}).{0,2}", re.DOTALL)
# What Go takes from the request itself, not from its headers.
_OWN_HEADERS = {"host", "content-length", "transfer-encoding", "trailer"}
_SAFE = "!#$%&'()*+,/:;=?@[]~"


class HttpFailure(Exception):
    """A request that failed; the text is the error of the task. ``late``: the time was up."""

    def __init__(self, text: str, *, late: bool = False) -> None:
        super().__init__(text)
        self.late = late


@dataclass(frozen=True)
class Call:
    """One request. ``deadline`` is a monotonic time in seconds."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    deadline: float
    followed: tuple[str, ...] = field(default=())

    @property
    def shown(self) -> str:
        """The request as Go's errors name it."""
        return f'{self.method.capitalize()} "{self.url}"'


def send(
    method: str, url: str, headers: Mapping[str, str], body: str, seconds: float
) -> tuple[int, str]:
    """Status and text of the answer, at most 1 MiB; raises :class:`HttpFailure`."""
    if not _TOKEN.fullmatch(method):
        raise HttpFailure(f'create request: net/http: invalid method "{method}"')
    bad = _BAD_ESCAPE.search(url.partition("?")[0])
    if bad:
        raise HttpFailure(f'create request: parse "{url}": invalid URL escape "{bad[0]}"')
    call = Call(method, url, headers, body.encode(), monotonic() + seconds)
    while True:
        status, found, text = _exchange(call)
        following = _redirected(call, status, found)
        if following is None:
            return status, text
        call = following


def _redirected(call: Call, status: int, headers: http.client.HTTPMessage) -> Call | None:
    """The next request, as Go follows redirects; ``None`` if the answer is final."""
    location = headers.get("Location")
    if status not in (301, 302, 303, 307, 308) or not location:
        return None
    if len(call.followed) >= MAX_REDIRECTS - 1:
        first = replace(call, url=(*call.followed, call.url)[0])
        raise HttpFailure(f"http request failed: {first.shown}: stopped after 10 redirects")
    following = replace(call, url=urljoin(call.url, location), followed=(*call.followed, call.url))
    if status in (307, 308):
        return following
    method = call.method if call.method in ("GET", "HEAD") else "GET"
    kept = {k: v for k, v in call.headers.items() if k.lower() != "content-type"}
    return replace(following, method=method, body=b"", headers=kept)


def _exchange(call: Call) -> tuple[int, http.client.HTTPMessage, str]:
    parts = urlsplit(call.url)
    if parts.scheme not in ("http", "https"):
        raise _failure(call, f'unsupported protocol scheme "{parts.scheme}"')
    for name in call.headers:
        if not _TOKEN.fullmatch(name):
            raise _failure(call, f'net/http: invalid header field name "{name}"')
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        port_text = parts.netloc.rpartition(":")[2]
        raise _failure(call, f"dial tcp: address {port_text}: invalid port") from None
    address = f"{parts.hostname}:{port}"
    connection, target = _connection(call, parts, port)
    # http.client would refuse a target that is not ASCII.
    connection._encode_request = str.encode  # type: ignore[attr-defined]
    try:
        connection.putrequest(call.method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in _fields(call, parts):
            connection.putheader(name, value.encode())
        connection.endheaders(call.body or None)
        reply = connection.getresponse()
        return reply.status, reply.msg, _text(call, connection, reply)
    except TimeoutError:
        raise _failure(call, "context deadline exceeded", late=True) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _failure(call, net_reason(error, address)) from None
    finally:
        connection.close()


def _failure(call: Call, reason: str, *, late: bool = False) -> HttpFailure:
    return HttpFailure(f"http request failed: {call.shown}: {reason}", late=late)


def _query(text: str) -> str:
    """Go sends the query as it is, also if it is not ASCII. Others than printable characters would end
    the request line."""
    return "".join(c if c > "\x7f" or c in _SAFE or c.isalnum() else quote(c) for c in text)


def _connection(call: Call, parts: Any, port: int) -> tuple[http.client.HTTPConnection, str]:
    """The connection, perhaps to a proxy of the environment, and the target of the request line."""
    path = quote(parts.path or "/", safe=_SAFE) + (f"?{_query(parts.query)}" if parts.query else "")
    left = max(0.001, call.deadline - monotonic())
    host = parts.hostname or ""
    proxy = _proxy(parts.scheme, host)
    if proxy is not None and parts.scheme == "http":
        return http.client.HTTPConnection(*proxy, timeout=left), f"http://{host}:{port}{path}"
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=left), path
    if proxy is None:
        return http.client.HTTPSConnection(host, port, timeout=left), path
    tunnel = http.client.HTTPSConnection(*proxy, timeout=left)
    tunnel.set_tunnel(host, port)
    return tunnel, path


def _proxy(scheme: str, host: str) -> tuple[str, int] | None:
    """The proxy of ``HTTP_PROXY`` or ``HTTPS_PROXY``. As in Go, the loopback interface has none."""
    env = os.environ
    text = env.get(f"{scheme.upper()}_PROXY") or env.get(f"{scheme}_proxy") or ""
    if not text or host == "localhost" or host.startswith("127.") or host == "::1":
        return None
    excluded = (env.get("NO_PROXY") or env.get("no_proxy") or "").split(",")
    names = [name.strip().lstrip(".") for name in excluded if name.strip()]
    if any(name in ("*", host) or host.endswith(f".{name}") for name in names):
        return None
    parts = urlsplit(text if "://" in text else f"http://{text}")
    return (parts.hostname or "", parts.port or 80)


def _fields(call: Call, parts: Any) -> list[tuple[str, str]]:
    given = {k: v for k, v in call.headers.items() if k.lower() not in _OWN_HEADERS}
    names = {name.lower() for name in given}
    host = parts.netloc.rpartition("@")[2]
    fields = [("Host", host)]
    if "user-agent" not in names:
        fields.append(("User-Agent", "Go-http-client/1.1"))
    if call.body or call.method in ("POST", "PUT", "PATCH"):
        fields.append(("Content-Length", str(len(call.body))))
    if "authorization" not in names and parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        fields.append(("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}"))
    if "accept-encoding" not in names:
        fields.append(("Accept-Encoding", "gzip"))
    if call.followed and "referer" not in names:
        before = urlsplit(call.followed[-1])
        if not (before.scheme == "https" and parts.scheme == "http"):
            bare = before._replace(netloc=before.netloc.rpartition("@")[2])
            fields.append(("Referer", bare.geturl()))
    return [*fields, *given.items()]


def _text(call: Call, connection: Any, reply: http.client.HTTPResponse) -> str:
    """The body. The deadline is for the whole of it, not for each read."""
    chunks: list[bytes] = []
    size = 0
    try:
        while size <= MAX_BODY:
            left = call.deadline - monotonic()
            if left <= 0:
                raise TimeoutError
            if connection.sock is not None:
                connection.sock.settimeout(left)
            chunk = reply.read1(65536)
            if not chunk:
                break
            chunks.append(chunk)
            size += len(chunk)
        if reply.length:
            raise HttpFailure("read response: unexpected EOF")
    except TimeoutError:
        raise HttpFailure("read response: context deadline exceeded", late=True) from None
    except http.client.IncompleteRead:
        raise HttpFailure("read response: unexpected EOF") from None
    except (OSError, http.client.HTTPException) as error:
        raise HttpFailure(f"read response: {error}") from None
    body = b"".join(chunks)
    asked = "accept-encoding" not in {name.lower() for name in call.headers}
    if asked and reply.getheader("Content-Encoding", "") == "gzip":
        try:
            body = gzip.decompress(body)
        except (OSError, EOFError, zlib.error):
            raise HttpFailure("read response: gzip: invalid header") from None
    return body[:MAX_BODY].decode("utf-8", "replace")


def net_reason(error: Any, address: str) -> str:
    """The reason why a connection failed, in the words of Go."""
    if isinstance(error, ConnectionRefusedError):
        return f"dial tcp {address}: connect: connection refused"
    if isinstance(error, socket.gaierror):
        return f"dial tcp: lookup {address.rpartition(':')[0]}: no such host"
    if isinstance(error, (http.client.RemoteDisconnected, http.client.BadStatusLine)):
        return "EOF"
    if isinstance(error, ConnectionResetError):
        return "read: connection reset by peer"
    return str(error)
