"""The fault proxy: it passes bytes, fails as asked, and knows whether a client met the fault."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import warnings
from collections.abc import Iterator
from contextlib import suppress
from time import monotonic, sleep, time
from urllib.parse import urlsplit

import pytest

from pytest_execgo.harness.proxy import FaultProxy
from pytest_execgo.ports import LinkFaultKind

SILENCE_SECONDS = 0.1
ANSWER_SECONDS = 10.0


class Echo:
    """Sends back what it receives, on a loopback port of its own."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self._open.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    @staticmethod
    def _serve(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            while data := connection.recv(65536):
                connection.sendall(data)

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for connection in self._open:
            connection.close()


class Partition:
    """A service whose network can be cut; ``fails`` makes the cut fail."""

    def __init__(self, *, fails: bool = False) -> None:
        self.log: list[str] = []
        self._fails = fails

    def partition(self) -> None:
        self.log.append("partition")
        if self._fails:
            raise RuntimeError("the engine refuses")

    def heal_partition(self) -> None:
        self.log.append("heal_partition")


@pytest.fixture
def echo() -> Iterator[Echo]:
    found = Echo()
    yield found
    found.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[FaultProxy]:
    found = FaultProxy(echo.url)
    yield found
    found.close()


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    return socket.create_connection((parts.hostname, parts.port), timeout=ANSWER_SECONDS)


def ask(connection: socket.socket, text: bytes = b"hello") -> bytes:
    connection.sendall(text)
    return connection.recv(65536)


def stays_silent(connection: socket.socket) -> bool:
    connection.settimeout(SILENCE_SECONDS)
    try:
        return connection.recv(1) == b"never"
    except TimeoutError:
        return True
    finally:
        connection.settimeout(ANSWER_SECONDS)


def test_without_a_fault_bytes_pass_both_ways(proxy: FaultProxy) -> None:
    assert proxy.fault is None
    for url in (proxy.url, proxy.probe_url):
        with connect(url) as client:
            assert ask(client) == b"hello"
            assert ask(client, b"again") == b"again"


def test_a_client_that_ends_its_side_gets_the_end_of_the_other(proxy: FaultProxy) -> None:
    with connect(proxy.url) as client:
        ask(client)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""


def test_a_service_that_is_down_resets_its_clients(proxy: FaultProxy, echo: Echo) -> None:
    echo.close()
    with pytest.raises(ConnectionResetError), connect(proxy.url) as client:
        ask(client)


def test_latency_is_added_each_way_and_removed(proxy: FaultProxy) -> None:
    with connect(proxy.url) as client:
        ask(client)
        before = time()
        fault = proxy.inject("latency", latency_ms=30)
        began = monotonic()
        assert ask(client) == b"hello"
        assert monotonic() - began >= 0.06
        assert fault.injected_at is not None
        assert before <= fault.injected_at <= time()
        proxy.heal()
        assert proxy.fault is None
        assert ask(client) == b"hello"


def test_jitter_larger_than_the_latency_only_delays(proxy: FaultProxy) -> None:
    proxy.inject("latency", latency_ms=0, jitter_ms=1, seed=3)
    with connect(proxy.url) as client:
        assert [ask(client) for _ in range(5)] == [b"hello"] * 5


def test_a_reset_ends_new_connections_at_once(proxy: FaultProxy) -> None:
    fault = proxy.inject("reset")
    with pytest.raises(ConnectionResetError), connect(proxy.url) as client:
        ask(client)
    assert fault.injected_at is not None
    proxy.heal()
    with connect(proxy.url) as client:
        assert ask(client) == b"hello"


def test_a_reset_ends_an_idle_connection_when_it_is_used(proxy: FaultProxy) -> None:
    with connect(proxy.url) as client:
        ask(client)
        fault = proxy.inject("reset")
        assert fault.injected_at is None, "no client has used its connection"
        with pytest.raises(ConnectionResetError):
            ask(client)
        assert fault.injected_at is not None


def test_a_partition_holds_data_back_and_loses_none(proxy: FaultProxy) -> None:
    with connect(proxy.url) as old:
        ask(old)
        fault = proxy.inject("partition")
        assert fault.injected_at is None
        old.sendall(b"held")
        assert stays_silent(old)
        assert fault.injected_at is not None
        with connect(proxy.url) as new:
            new.sendall(b"new")
            assert stays_silent(new)
            proxy.heal()
            assert (old.recv(9), new.recv(9)) == (b"held", b"new")


@pytest.mark.parametrize("kind", ["reset", "partition", "latency"])
def test_a_health_check_meets_the_fault_and_does_not_count(
    proxy: FaultProxy, kind: LinkFaultKind
) -> None:
    fault = proxy.inject(kind, latency_ms=5)
    with suppress(ConnectionResetError), connect(proxy.probe_url) as probe:
        probe.sendall(b"probe")
        stays_silent(probe)
    assert fault.injected_at is None


def test_a_second_fault_is_refused_until_the_first_is_healed(proxy: FaultProxy) -> None:
    proxy.inject("partition")
    with pytest.raises(RuntimeError, match="partition already"):
        proxy.inject("reset")
    proxy.heal()
    proxy.inject("reset")


def test_a_partition_also_cuts_the_network_of_the_service(echo: Echo) -> None:
    inside = Partition()
    proxy = FaultProxy(echo.url, inside=inside)
    proxy.inject("reset")
    proxy.heal()
    assert inside.log == [], "other faults leave the network alone"
    proxy.inject("partition")
    proxy.heal()
    assert inside.log == ["partition", "heal_partition"]
    proxy.close()


class Lost(Partition):
    """Packets that are under way when the network is cut are lost, and sent again after it is healed."""

    def __init__(self) -> None:
        super().__init__()
        self.passes = threading.Event()
        self.passes.set()

    def partition(self) -> None:
        self.passes.clear()

    def heal_partition(self) -> None:
        self.passes.set()


@pytest.mark.parametrize("listener", ["url", "probe_url"])
def test_a_client_met_a_partition_if_its_request_was_lost_behind_the_proxy(listener: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as service:
        proxy = FaultProxy(f"http://127.0.0.1:{service.getsockname()[1]}", inside=Lost())
        with connect(getattr(proxy, listener)) as client:
            client.sendall(b"asked before the partition")
            upstream, _ = service.accept()
            assert upstream.recv(1) == b"a"
            before = time()
            fault = proxy.inject("partition")
            after = time()
            assert fault.injected_at is None
            proxy.heal()
            if listener == "url":
                assert fault.injected_at is not None
                assert before <= fault.injected_at <= after
            else:
                assert fault.injected_at is None
            upstream.close()
        proxy.close()


def test_a_client_met_a_partition_if_its_connection_was_lost_behind_the_proxy(
    echo: Echo, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Lost()
    proxy = FaultProxy(echo.url, inside=network)
    reached = proxy._connect_upstream
    under_way = threading.Event()

    async def slow() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        under_way.set()
        await asyncio.to_thread(network.passes.wait)
        return await reached()

    network.passes.clear()
    monkeypatch.setattr(proxy, "_connect_upstream", slow)
    with connect(proxy.url) as client:
        under_way.wait()
        fault = proxy.inject("partition")
        proxy.heal()
        assert fault.injected_at is not None
        assert ask(client) == b"hello"
    proxy.close()


def test_an_idle_client_did_not_meet_a_partition(echo: Echo) -> None:
    proxy = FaultProxy(echo.url, inside=Lost())
    with connect(proxy.url) as client:
        assert ask(client) == b"hello"
        fault = proxy.inject("partition")
        proxy.heal()
        assert fault.injected_at is None
        assert ask(client) == b"hello"
    proxy.close()


def test_a_network_that_cannot_be_cut_leaves_no_fault_in_place(echo: Echo) -> None:
    proxy = FaultProxy(echo.url, inside=Partition(fails=True))
    with pytest.raises(RuntimeError, match="refuses"):
        proxy.inject("partition")
    assert proxy.fault is None
    with connect(proxy.url) as client:
        assert ask(client) == b"hello"
    proxy.close()


def test_only_clients_of_the_subnet_and_this_machine_are_let_in(echo: Echo) -> None:
    proxy = FaultProxy(echo.url, clients="172.20.0.0/16")
    assert proxy._lets_in("172.20.3.4")
    assert proxy._lets_in("127.0.0.1")
    assert not proxy._lets_in("203.0.113.1")
    proxy.close()


def test_a_proxy_knows_that_it_was_late_itself(proxy: FaultProxy) -> None:
    proxy.take_lateness()
    late, deadline = 0.0, monotonic() + ANSWER_SECONDS
    # The loop stands still, as on a busy machine.
    proxy._loop.call_soon_threadsafe(sleep, 0.2)
    while late < 0.1 and monotonic() < deadline:
        late = max(late, proxy.take_lateness())
    assert 0.1 <= late < ANSWER_SECONDS


def test_a_closed_proxy_drops_its_connections_and_closes_once(echo: Echo) -> None:
    proxy = FaultProxy(echo.url)
    with connect(proxy.url) as client:
        ask(client)
        proxy.inject("partition")
        proxy.close()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    proxy.close()
    with pytest.raises(ConnectionRefusedError):
        connect(proxy.url)


def test_a_proxy_that_closes_while_clients_connect_leaves_no_socket_open(echo: Echo) -> None:
    gc.collect()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(20):
            proxy = FaultProxy(echo.url)
            parts = urlsplit(proxy.url)
            with socket.socket() as client:
                client.setblocking(False)
                client.connect_ex((str(parts.hostname), int(parts.port or 0)))
                proxy.close()
        del proxy
        gc.collect()
    assert not [str(one.message) for one in caught if one.category is ResourceWarning]
