"""The client of a model's endpoint. The endpoint is not trusted: it gets requests to the paths of a
model only, no other host gets the key, and its replies are limited in time and size."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlsplit

import requests
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from pytest_execgo.system import sockets
from pytest_execgo.system.clock import monotonic
from pytest_execgo.transport.client import ShieldedAdapter, session_for

MODEL_PATHS = ("/chat/completions", "/responses")
"""What is asked of a model, below its base URL. No other path is sent to an endpoint, or answered."""
MOST_REPLY_BYTES = 4 * 2**20
_PIECE_BYTES = 65536


class PathRefused(ValueError):
    """A path that is not sent to a model's endpoint."""


@dataclass(frozen=True)
class ModelReply:
    """The reply of an endpoint. ``stalled_ms`` is the longest pause in the middle of the body.
    ``too_large``: the body is cut off at the allowed size."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    stalled_ms: float
    too_large: bool = False


class ModelClient:
    """Sends POST requests to the paths of a model below ``base_url``; several threads may use it.
    ``key`` goes to the scheme, host and port of ``base_url`` only."""

    def __init__(self, base_url: str, key: str | None = None) -> None:
        self._base_url, self._key = base_url, key
        self._session = session_for(base_url)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _CuttableAdapter())
        if key:
            self._session.auth = self._authorize
        self._active: set[_OngoingRequest] = set()

    def post(
        self, path: str, seconds: float, most: int = MOST_REPLY_BYTES, **content: Any
    ) -> ModelReply:
        """The reply to one request. ``seconds`` is the limit from beginning to end, whatever the
        endpoint sends meanwhile; ``most`` is the size at which the body is cut off; ``content`` is
        ``json``, or ``data`` and ``headers``, as requests takes them.

        Raises :class:`PathRefused`, :class:`TimeoutError`, and the errors of requests and urllib3.
        """
        url = endpoint_url(self._base_url, path)
        deadline = monotonic() + seconds
        ongoing = _OngoingRequest()

        def send() -> ModelReply:
            options = {**content, "timeout": seconds, "stream": True, "allow_redirects": False}
            with ongoing.of_this_thread(), self._session.post(url, **options) as reply:
                body, stalled_ms, too_large = read(pieces(reply), deadline, most)
                return ModelReply(reply.status_code, reply.headers, body, stalled_ms, too_large)

        if seconds <= 0:
            raise TimeoutError
        self._active.add(ongoing)
        try:
            return _within(seconds, send)
        except TimeoutError:
            ongoing.cut()
            raise
        finally:
            self._active.discard(ongoing)

    def close(self) -> None:
        """End the requests that are on their way, and close the connections."""
        for ongoing in tuple(self._active):
            ongoing.cut()
        self._session.close()

    def _authorize(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        own = requests.Request("POST", self._base_url).prepare()
        if _origin(prepared) == _origin(own):
            prepared.headers["Authorization"] = f"Bearer {self._key}"
        return prepared


def endpoint_url(base_url: str, path: str) -> str:
    """The URL of ``path`` below ``base_url``; raises :class:`PathRefused`."""
    if path not in MODEL_PATHS:
        allowed = " and ".join(MODEL_PATHS)
        raise PathRefused(f"a model's endpoint is asked for {allowed} only")
    base = urlsplit(base_url)
    return base._replace(path=base.path.rstrip("/") + path, query="", fragment="").geturl()


def pieces(reply: requests.Response) -> Iterator[bytes]:
    """Pieces of the body as they arrive. ``iter_content`` would wait until a piece is full."""
    while piece := reply.raw.read1(_PIECE_BYTES, decode_content=True):
        yield piece


def read(
    parts: Iterable[bytes],
    deadline: float,
    most: int = MOST_REPLY_BYTES,
    clock: Callable[[], float] = monotonic,
) -> tuple[bytes, float, bool]:
    """The body, the longest pause in it in milliseconds, and whether it was cut off after ``most``
    bytes; raises ``TimeoutError`` for a piece that arrives after ``deadline`` (seconds of ``clock``)."""
    taken = bytearray()
    last, longest = None, 0.0
    for piece in parts:
        now = clock()
        if now > deadline:
            raise TimeoutError
        if last is not None:
            longest = max(longest, now - last)
        # Some endpoints send blanks or comments to keep the connection open while the model thinks.
        if last is not None or (piece.strip() and not piece.startswith(b":")):
            last = now
        taken += piece
        if len(taken) > most:
            break
    return bytes(taken[:most]), round(longest * 1000, 3), len(taken) > most


def _origin(prepared: requests.PreparedRequest) -> tuple[str, str]:
    parts = urlsplit(prepared.url or "")
    return parts.scheme, parts.netloc


def _within(seconds: float, work: Callable[[], ModelReply]) -> ModelReply:
    """The result of ``work``, on a thread; raises :class:`TimeoutError` after ``seconds``. A timeout of
    a socket starts again with each byte, and a look-up of a name has none."""
    result: Future[ModelReply] = Future()

    def run() -> None:
        try:
            result.set_result(work())
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return result.result(seconds)


class _OngoingRequest:
    """One request on its way. It knows its connection, so that another thread can end it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: Any = None
        self._over = False

    @contextmanager
    def of_this_thread(self) -> Iterator[None]:
        """While this lasts, connections that this thread opens belong to this request."""
        _thread.ongoing = self
        try:
            yield
        except BaseException:
            self._close()
            raise
        finally:
            _thread.ongoing = None
            with self._lock:
                self._socket = None

    def _close(self) -> None:
        """Close the connection, which urllib3 leaves open if it fails on the head of a reply. Not by
        ``close()``, which waits for the end of the reply."""
        with self._lock, suppress(OSError, AttributeError):
            os.close(self._socket.detach())

    def use(self, connection: Any) -> None:
        """Remember the connection; end it if the request was cut already."""
        with self._lock:
            self._socket = connection
            if self._over:
                _end(connection)

    def cut(self) -> None:
        """End the connection, now or when there is one."""
        with self._lock:
            self._over = True
            if self._socket is not None:
                _end(self._socket)


def _end(connection: Any) -> None:
    # TLS through a proxy with TLS is not a socket, but has one. The method of the plain socket: that of
    # a TLS socket takes the state away from the thread that reads.
    plain = getattr(connection, "socket", connection)
    with suppress(OSError, TypeError):
        socket.socket.shutdown(plain, socket.SHUT_RDWR)


_thread = threading.local()


def _note(connection: HTTPConnection) -> None:
    ongoing: _OngoingRequest | None = getattr(_thread, "ongoing", None)
    if ongoing is not None and connection.sock is not None:
        ongoing.use(connection.sock)


def _connected(connection: HTTPConnection) -> socket.socket:
    """As urllib3 connects, but with a socket that no test can forbid."""
    seconds = connection.timeout if isinstance(connection.timeout, (int, float)) else None
    try:
        return sockets.connect(connection._dns_host, connection.port, seconds)
    except socket.gaierror as error:
        raise NameResolutionError(connection.host, connection, error) from error
    except TimeoutError as error:
        raise ConnectTimeoutError(connection, f"no connection to {connection.host}") from error
    except OSError as error:
        raise NewConnectionError(connection, f"no connection: {error}") from error


class _PlainConnection(HTTPConnection):
    _new_conn = _connected

    def connect(self) -> None:
        super().connect()
        _note(self)

    def request(self, *args: Any, **options: Any) -> None:
        _note(self)
        super().request(*args, **options)


class _TlsConnection(HTTPSConnection):
    _new_conn = _connected

    def connect(self) -> None:
        super().connect()
        _note(self)

    def request(self, *args: Any, **options: Any) -> None:
        _note(self)
        super().request(*args, **options)


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _CuttableAdapter(ShieldedAdapter):
    """Uses connections that the request of their thread can end."""

    _POOLS: ClassVar[dict[str, type[HTTPConnectionPool]]] = {"http": _PlainPool, "https": _TlsPool}

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = self._POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        # A SOCKS proxy has connections of its own.
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = self._POOLS
        return manager
