"""HTTP connections to a runtime that is not trusted: each exchange has a total deadline and a limit."""

from __future__ import annotations

import http.client
import io
import socket
from time import monotonic
from typing import Any

MOST_BYTES = 4 * 1024 * 1024
"""Of one answer with its headers. ExecGo shows an answer three times in a task, of which its client
accepts 8 MB."""


class _BoundedReader(io.RawIOBase):
    """Reads a connection until ``deadline``, at most ``MOST_BYTES``."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection, self._deadline = connection, deadline
        # It keeps the connection open until it is closed itself, also if http.client closes its own end.
        self._raw = connection.makefile("rb", buffering=0)
        self._left = MOST_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        wait = self._deadline - monotonic()
        # The timeout of a socket starts again with each byte.
        if wait <= 0:
            raise TimeoutError("timed out")
        if self._left <= 0:
            raise http.client.HTTPException(f"the answer has more than {MOST_BYTES} bytes")
        self._connection.settimeout(wait)
        count = self._raw.readinto(buffer) or 0
        self._left -= count
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Readable:
    """What :class:`http.client.HTTPResponse` needs of a socket."""

    def __init__(self, reader: _BoundedReader) -> None:
        self._reader = reader

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._reader)


class BoundedConnection(http.client.HTTPConnection):
    """A connection for one exchange after another; ``deadline`` is that of the current one, on the clock
    of ``monotonic()``."""

    def __init__(self, host: str, deadline: float) -> None:
        super().__init__(host)
        self.expect(deadline)
        self.response_class = self._response  # type: ignore[assignment]

    def expect(self, deadline: float) -> None:
        """Begin an exchange that ends at ``deadline``."""
        self._deadline = deadline
        self.timeout = max(0.001, deadline - monotonic())
        if self.sock is not None:
            self.sock.settimeout(self.timeout)

    def _response(self, connection: socket.socket, **options: Any) -> http.client.HTTPResponse:
        readable: Any = _Readable(_BoundedReader(connection, self._deadline))
        return http.client.HTTPResponse(readable, **options)


def complete_body(reply: http.client.HTTPResponse) -> bytes:
    """The body; raises :class:`OSError` and :class:`http.client.HTTPException`."""
    if reply.length is not None and reply.length > MOST_BYTES:
        raise http.client.HTTPException(f"the answer has more than {MOST_BYTES} bytes")
    try:
        return reply.read()
    except (ValueError, OverflowError) as error:
        # A chunk of a negative or an endless size.
        raise http.client.HTTPException(f"malformed chunked encoding: {error}") from None
