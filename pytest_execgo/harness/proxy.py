"""A TCP proxy in front of one service, which can fail like a network.

It forwards bytes, without knowledge of HTTP, on its own thread.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address, ip_network
from random import Random
from typing import Any, Literal, Protocol, runtime_checkable
from urllib.parse import urlsplit

from pytest_execgo.system import clock, sockets
from pytest_execgo.transport.ledger import Connection, Ledger, Traffic

_CHUNK = 65536
_BEAT_SECONDS = 0.05
_TURNS = 10
_NO_LINGER = struct.pack("ii", 1, 0)


LinkFaultKind = Literal["latency", "reset", "partition"]


@dataclass(frozen=True)
class LinkFault:
    """A fault of the connection.

    ``latency``: data arrives ``latency_ms`` ± ``jitter_ms`` later, in both directions.
    ``reset``: new connections are reset at once, existing ones at their next use.
    ``partition``: no data passes, and no error reaches the client.
    """

    kind: LinkFaultKind
    latency_ms: float = 0.0
    jitter_ms: float = 0.0
    seed: int = 0


@dataclass
class InjectedLinkFault:
    """A fault in force since ``began``. ``injected_at``: when it affected the first client, or ``None``
    before. Both are seconds since the epoch."""

    fault: LinkFault
    injected_at: float | None = None
    began: float = field(default_factory=clock.wall)

    def mark_injected(self, *, probe: bool, at: float | None = None) -> None:
        """Note the time (now, or ``at``) of the first affected client; health checks (``probe``) do not
        count."""
        if not probe and self.injected_at is None:
            self.injected_at = clock.wall() if at is None else at


@dataclass
class _Line:
    """One client's connection. ``asking``: the client waits for an answer. ``connecting``: the proxy
    waits for the service to accept the connection. ``seen``: what both ends did; health checks do not
    count."""

    probe: bool
    seen: Connection
    asking: bool = False
    connecting: bool = False


@runtime_checkable
class Partitionable(Protocol):
    """A service that can be cut off from its network."""

    def partition(self) -> None:
        """Cut it off: it keeps running, and no client reaches it."""

    def heal_partition(self) -> None:
        """Connect it again, under the same address."""


class FaultProxy:
    """Listens on its own port and forwards to ``upstream`` (a base URL).

    ``probe_url`` is for health checks. Faults affect them too, but a fault counts as injected only when
    it affects a client of ``url``. ``listen_on`` is the address of this machine that clients use, and
    ``clients`` is their subnet. Connections from other machines are refused, because the service may run
    commands for any client. If ``inside`` is given, a partition also cuts that service off its network.
    """

    def __init__(
        self,
        upstream: str,
        listen_on: str = "127.0.0.1",
        *,
        clients: str | None = None,
        inside: Partitionable | None = None,
    ) -> None:
        parts = urlsplit(upstream)
        self._listen_on, self._inside = listen_on, inside
        self._clients = ip_network(clients) if clients else None
        self._upstream = (parts.hostname or "127.0.0.1", parts.port or 80)
        with sockets.unguarded():
            self._loop = asyncio.new_event_loop()
        # A test that freezes the time would also freeze the delays of this loop.
        self._loop.time = clock.monotonic  # type: ignore[method-assign]
        self._connections: dict[asyncio.StreamWriter, _Line] = {}
        self._open = asyncio.Event()
        self._open.set()
        self._rng = Random(0)
        self._current: InjectedLinkFault | None = None
        self._late = 0.0
        self._ledger = Ledger()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._servers: list[asyncio.Server] = []
        try:
            asyncio.run_coroutine_threadsafe(self._beat(), self._loop)
            self.url = self._listen(probe=False)
            self.probe_url = self._listen(probe=True)
        except OSError:
            self.close()
            raise

    @property
    def fault(self) -> LinkFault | None:
        """The fault in force, if any."""
        return self._current.fault if self._current else None

    def take_lateness(self) -> float:
        """By how many seconds the proxy itself was late at most, since the last call: on a busy machine,
        its thread does not run all the time, and so delays what it forwards."""
        late, self._late = self._late, 0.0
        return late

    def begin_ledger(self) -> None:
        """Count connections and bytes of clients from now on."""
        self._call(self._begin_ledger())

    def traffic(self) -> Traffic:
        """What clients and the service sent each other since :meth:`begin_ledger`."""
        found: Traffic = self._call(self._traffic())
        return found

    async def _begin_ledger(self) -> None:
        self._ledger.begin()

    async def _traffic(self) -> Traffic:
        return self._ledger.traffic()

    async def _beat(self) -> None:
        while True:
            before = clock.monotonic()
            await asyncio.sleep(_BEAT_SECONDS)
            self._late = max(self._late, clock.monotonic() - before - _BEAT_SECONDS)

    def inject(
        self, kind: LinkFaultKind, latency_ms: float = 0.0, jitter_ms: float = 0.0, seed: int = 0
    ) -> InjectedLinkFault:
        """Put a fault in force before returning; raises :class:`RuntimeError` if one is in force
        already."""
        if self.fault is not None:
            raise RuntimeError(f"the link is under {self.fault.kind} already")
        injected = InjectedLinkFault(LinkFault(kind, latency_ms, jitter_ms, seed))
        self._call(self._set(injected))
        if kind == "partition" and self._inside is not None:
            try:
                self._inside.partition()
            except BaseException:
                self._call(self._set(None))
                raise
        return injected

    def heal(self) -> None:
        """End the fault, and forward the data that it held back."""
        if self.fault and self.fault.kind == "partition" and self._inside is not None:
            self._call(self._mark_waiting())
            self._inside.heal_partition()
        self._call(self._set(None))

    def close(self) -> None:
        """Stop listening and drop all connections."""
        if self._loop.is_closed():
            return
        self._call(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _listen(self, *, probe: bool) -> str:
        serve = partial(self._serve, probe=probe)
        server = self._call(asyncio.start_server(serve, sock=sockets.listening(self._listen_on)))
        self._servers.append(server)
        host, port = server.sockets[0].getsockname()[:2]
        return f"http://{host}:{port}"

    def _call(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _set(self, injected: InjectedLinkFault | None) -> None:
        self._current = injected
        fault = self.fault
        self._rng = Random(fault.seed if fault else 0)
        if fault and fault.kind == "partition":
            self._open.clear()
        else:
            self._open.set()
        if injected and injected.fault.kind == "reset":
            # Reset idle connections only at their next use. If one were reset now, a request that its
            # client sends at the same moment would fail without being counted as affected.
            for line in {id(line): line for line in self._connections.values()}.values():
                if line.asking:
                    self._reset_line(line, injected)

    async def _mark_waiting(self) -> None:
        """Note that a partition affected the clients that still wait at its end.

        What the proxy sent just before the partition can be lost outside of it. TCP sends that again
        after the partition, so the proxy itself holds nothing back.
        """
        injected = self._current
        for line in self._connections.values():
            if injected and (line.connecting or line.asking):
                injected.mark_injected(probe=line.probe, at=injected.began)

    async def _shut(self) -> None:
        # Server.close() leaks a connection that is accepted at the same moment (python/cpython#109564).
        # So first stop accepting, and let accepted connections reach _serve, which closes them.
        for listening in [one for server in self._servers for one in server.sockets]:
            # The event loop of Windows has no readers.
            with suppress(NotImplementedError):
                self._loop.remove_reader(listening.fileno())
        await _turns()
        for server in self._servers:
            server.close()
        self._reset_all()
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
        # Transports close their sockets in the next turns.
        await _turns()

    def _reset_line(self, line: _Line, injected: InjectedLinkFault) -> None:
        """Reset a client's connection on both sides, and note that the client was affected."""
        injected.mark_injected(probe=line.probe)
        for writer in [writer for writer, own in self._connections.items() if own is line]:
            _reset(writer)

    def _reset_all(self) -> None:
        for writer in list(self._connections):
            _reset(writer)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, probe: bool
    ) -> None:
        if not self._lets_in(writer.get_extra_info("peername")[0]):
            _reset(writer)
            return
        seen = Connection() if probe else self._ledger.opened()
        line = self._connections[writer] = _Line(probe, seen)
        try:
            await self._connect(reader, writer, line)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._connections.pop(writer, None)
            writer.close()
            if not probe:
                self._ledger.closed(seen)

    def _lets_in(self, peer: str) -> bool:
        """Whether the address belongs to the clients' subnet or to this machine."""
        if self._clients is not None and ip_address(peer) in self._clients:
            return True
        with sockets.OwnSocket() as probe:
            # Only an address of this machine can be bound.
            try:
                probe.bind((peer, 0))
            except OSError:
                return False
            return True

    async def _connect(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: _Line
    ) -> None:
        await self._passable(line.probe)
        if self._current and self._current.fault.kind == "reset":
            self._current.mark_injected(probe=line.probe)
            _reset(writer)
            return
        try:
            line.connecting = True
            up_reader, up_writer = await self._connect_upstream()
        except OSError as error:
            if self._current and self._current.fault.kind == "partition":
                self._current.mark_injected(probe=line.probe)
            if isinstance(error, ConnectionRefusedError):
                line.seen.close("refused")
            # The client sees what it would see without a proxy: a refused connection.
            _reset(writer)
            return
        finally:
            line.connecting = False
        self._connections[up_writer] = line
        pumps = [
            asyncio.ensure_future(self._pump(reader, up_writer, line, asks=True)),
            asyncio.ensure_future(self._pump(up_reader, writer, line, asks=False)),
        ]
        try:
            await asyncio.gather(*pumps)
        finally:
            for pump in pumps:
                pump.cancel()
            self._connections.pop(up_writer, None)
            up_writer.close()

    async def _connect_upstream(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        family, kind, protocol, address = sockets.addresses(*self._upstream)[0]
        upstream = sockets.OwnSocket(family, kind, protocol)
        try:
            upstream.setblocking(False)
            await self._loop.sock_connect(upstream, address)
            return await asyncio.open_connection(sock=upstream)
        except BaseException:
            upstream.close()
            raise

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        line: _Line,
        *,
        asks: bool,
    ) -> None:
        while data := await _read(reader, line.seen, asks=asks):
            line.asking = line.asking or asks
            await self._hold(line.probe)
            if self._current and self._current.fault.kind == "reset":
                self._reset_line(line, self._current)
                return
            await _write(writer, data, line.seen, asks=asks)
            line.asking = line.asking and asks
        await self._open.wait()
        with suppress(OSError):
            writer.write_eof()

    async def _passable(self, probe: bool) -> None:
        if self._current and not self._open.is_set():
            self._current.mark_injected(probe=probe)
        await self._open.wait()

    async def _hold(self, probe: bool) -> None:
        await self._passable(probe)
        current = self._current
        if current and current.fault.kind == "latency":
            current.mark_injected(probe=probe)
            fault = current.fault
            jitter = self._rng.uniform(-fault.jitter_ms, fault.jitter_ms)
            await asyncio.sleep(max(0.0, fault.latency_ms + jitter) / 1000)


async def _read(reader: asyncio.StreamReader, seen: Connection, *, asks: bool) -> bytes:
    """The next bytes of one end; none at its end."""
    try:
        data = await reader.read(_CHUNK)
    except OSError:
        seen.close("client" if asks else "service_reset")
        raise
    if not data:
        seen.close("client" if asks else "service")
    elif asks:
        seen.ask(len(data))
    else:
        seen.answer(len(data))
    return data


async def _write(
    writer: asyncio.StreamWriter, data: bytes, seen: Connection, *, asks: bool
) -> None:
    try:
        writer.write(data)
        await writer.drain()
    except OSError:
        seen.close("service_reset" if asks else "client")
        raise
    if asks:
        seen.passed_on += len(data)
    else:
        seen.delivered += len(data)


async def _turns() -> None:
    """Let the loop run all callbacks that are due, and those that they schedule."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN."""
    found = writer.get_extra_info("socket")
    if found is not None:
        with suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    writer.transport.abort()
