"""A TCP proxy on the way to one service, which can be made to fail like a network.

It runs on a thread of its own and knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any, Literal
from urllib.parse import urlsplit

_CHUNK = 65536
_NO_LINGER = struct.pack("ii", 1, 0)


LinkFaultKind = Literal["latency", "reset", "partition"]


@dataclass(frozen=True)
class LinkFault:
    """``latency``: every piece of data comes ``latency_ms`` ± ``jitter_ms`` later, each way.
    ``reset``: connections, old and new, are reset. ``partition``: nothing comes through, and nobody is
    told."""

    kind: LinkFaultKind
    latency_ms: float = 0.0
    jitter_ms: float = 0.0
    seed: int = 0


class FaultProxy:
    """Listens on a loopback port and passes on to ``upstream`` (a base URL)."""

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        self._upstream = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._loop = asyncio.new_event_loop()
        self._connections: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = asyncio.Event()
        self._open.set()
        self._dice = Random(0)
        self.fault: LinkFault | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._serve, "127.0.0.1", 0))
        host, port = self._server.sockets[0].getsockname()[:2]
        self.url = f"http://{host}:{port}"

    def disturb(
        self, kind: LinkFaultKind, latency_ms: float = 0.0, jitter_ms: float = 0.0, seed: int = 0
    ) -> None:
        """Put a fault in place; it holds when this returns."""
        self._call(self._set(LinkFault(kind, latency_ms, jitter_ms, seed)))

    def restore(self) -> None:
        """Take it away; data that was held back goes on."""
        self._call(self._set(None))

    def close(self) -> None:
        """Stop listening and drop all connections."""
        if self._loop.is_closed():
            return
        self._call(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _set(self, fault: LinkFault | None) -> None:
        self.fault = fault
        self._dice = Random(fault.seed if fault else 0)
        if fault and fault.kind == "partition":
            self._open.clear()
        else:
            self._open.set()
        if fault and fault.kind == "reset":
            self._reset_all()

    async def _shut(self) -> None:
        self._server.close()
        self._reset_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _reset_all(self) -> None:
        for writer in list(self._connections):
            _reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._connections.add(writer)
        try:
            await self._connect(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            self._connections.discard(writer)
            writer.close()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._open.wait()
        if self.fault and self.fault.kind == "reset":
            _reset(writer)
            return
        try:
            up_reader, up_writer = await asyncio.open_connection(*self._upstream)
        except OSError:
            # As if the service itself had refused.
            _reset(writer)
            return
        self._connections.add(up_writer)
        try:
            await asyncio.gather(self._pump(reader, up_writer), self._pump(up_reader, writer))
        finally:
            self._connections.discard(up_writer)
            up_writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            await self._hold()
            writer.write(data)
            await writer.drain()
        await self._open.wait()
        with suppress(OSError):
            writer.write_eof()

    async def _hold(self) -> None:
        await self._open.wait()
        fault = self.fault
        if fault and fault.kind == "latency":
            jitter = self._dice.uniform(-fault.jitter_ms, fault.jitter_ms)
            await asyncio.sleep(max(0.0, fault.latency_ms + jitter) / 1000)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN."""
    found = writer.get_extra_info("socket")
    if found is not None:
        with suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    writer.transport.abort()
