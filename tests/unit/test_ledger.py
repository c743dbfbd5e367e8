"""What the two ends of a link saw of its connections: over real sockets, and the events of it."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from pytest_execgo.harness.proxy import FaultProxy
from pytest_execgo.models.events import LinkUsed
from pytest_execgo.observability.link_use import LinkUse
from pytest_execgo.observability.recorder import TimelineRecorder
from pytest_execgo.system.clock import monotonic
from pytest_execgo.transport import ledger
from pytest_execgo.transport.ledger import Connection, Ledger, Traffic
from tests.processes import await_

Serve = Callable[[socket.socket], None]
_NO_LINGER = struct.pack("ii", 1, 0)


@contextmanager
def service(serve: Serve) -> Iterator[str]:
    """A server that hands each connection to ``serve`` and closes it afterwards; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection, suppress(OSError):
                        serve(connection)

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


@contextmanager
def link(upstream: str) -> Iterator[FaultProxy]:
    proxy = FaultProxy(upstream)
    proxy.begin_ledger()
    try:
        yield proxy
    finally:
        proxy.close()


def connect(proxy: FaultProxy, url: str | None = None) -> socket.socket:
    host, port = (url or proxy.url).removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=5)


def ask(proxy: FaultProxy, request: bytes = b"ask") -> bytes:
    """Send a request, and read until the connection ends."""
    answer = b""
    with suppress(ConnectionError), connect(proxy) as client:
        client.sendall(request)
        while piece := client.recv(100):
            answer += piece
    return answer


def settled(proxy: FaultProxy, connections: int = 1) -> Traffic:
    """The traffic, once the proxy has noticed the end of the connections."""
    await_(lambda: proxy.traffic().connections == connections)
    await_(lambda: not proxy._ledger._open)
    return proxy.traffic()


def answer(connection: socket.socket) -> None:
    connection.recv(100)
    connection.sendall(b"answer")


def close_without_answer(connection: socket.socket) -> None:
    connection.recv(100)


def reset(connection: socket.socket) -> None:
    connection.recv(100)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)


def test_bytes_are_counted_at_both_ends() -> None:
    with service(answer) as url, link(url) as proxy:
        assert ask(proxy) == b"answer"
        found = settled(proxy)
    assert (found.asked, found.passed_on) == (3, 3)
    assert (found.answered, found.delivered) == (6, 6)
    assert found.problems == ()
    assert 0 < found.first_byte <= found.longest


@pytest.mark.parametrize(
    ("serve", "how"),
    [(close_without_answer, "unanswered"), (reset, "reset")],
    ids=["close", "reset"],
)
def test_a_service_that_ends_a_connection_without_an_answer_is_noted(
    serve: Serve, how: str
) -> None:
    with service(serve) as url, link(url) as proxy:
        assert ask(proxy) == b""
        (problem,) = settled(proxy).problems
    assert problem.how == how
    assert problem.waited >= 0


def test_a_service_that_accepts_no_connection_is_noted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    with link(url) as proxy:
        assert ask(proxy) == b""
        assert [one.how for one in settled(proxy).problems] == ["refused"]


def test_a_client_that_gives_up_is_noted_with_the_time_it_waited() -> None:
    gone = threading.Event()

    def say_nothing(connection: socket.socket) -> None:
        gone.wait(5)

    with service(say_nothing) as url, link(url) as proxy:
        with connect(proxy) as client:
            client.sendall(b"ask")
            await_(lambda: proxy.traffic().passed_on == 3)
        await_(lambda: proxy.traffic().problems)
        (problem,) = proxy.traffic().problems
        gone.set()
    assert problem.how == "abandoned"
    assert problem.waited > 0


@pytest.mark.parametrize("idle", [True, False], ids=["new", "open"])
def test_a_fault_of_the_link_looks_like_any_other_end(idle: bool) -> None:
    """What was injected is not evidence: only that no answer came."""
    with service(answer) as url, link(url) as proxy:
        client = connect(proxy)
        if not idle:
            await_(lambda: bool(proxy._ledger._open))
        proxy.inject("reset")
        with client, suppress(ConnectionError):
            client.sendall(b"ask")
            client.recv(100)
        await_(lambda: not proxy._ledger._open)
        assert {one.how for one in proxy.traffic().problems} <= {"unanswered"}


def test_an_address_that_cannot_be_reached_is_no_refusal() -> None:
    with link("http://no-such-host.invalid:80") as proxy:
        assert ask(proxy) == b""
        await_(lambda: not proxy._ledger._open)
        assert proxy.traffic().problems == ()


def test_health_checks_do_not_count() -> None:
    with service(answer) as url, link(url) as proxy:
        with connect(proxy, proxy.probe_url) as client:
            client.sendall(b"ask")
            assert client.recv(100) == b"answer"
        assert proxy.traffic() == Traffic()


def test_only_what_follows_counts_of_a_connection_that_is_open() -> None:
    def serve(connection: socket.socket) -> None:
        while connection.recv(100):
            connection.sendall(b"answer")

    with service(serve) as url, link(url) as proxy, connect(proxy) as client:
        client.sendall(b"first")
        assert client.recv(100) == b"answer"
        await_(lambda: proxy.traffic().delivered == 6)
        proxy.begin_ledger()
        assert proxy.traffic() == Traffic(), "an idle connection is not used"
        client.sendall(b"2nd")
        assert client.recv(100) == b"answer"
        await_(lambda: proxy.traffic().delivered == 6)
        found = proxy.traffic()
    assert (found.connections, found.asked) == (1, 3)


# -- the ledger alone, with a fake clock


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    times = [100.0]
    monkeypatch.setattr(ledger, "monotonic", lambda: times[0])
    return times


def test_the_longest_wait_for_a_first_byte_counts(now: list[float]) -> None:
    one = Connection(opened=100)
    for wait in (1, 4, 2):
        one.ask(1)
        now[0] += wait
        one.answer(1)
        one.answer(1)
        now[0] += 10
    assert one.first_byte == 4


@pytest.mark.parametrize(("pause", "waits"), [(0.049, False), (0.051, True)])
def test_bytes_soon_after_an_answer_are_the_rest_of_its_request(
    pause: float, waits: bool, now: list[float]
) -> None:
    one = Connection(opened=100)
    one.ask(1)
    one.answer(1)
    now[0] += pause
    one.ask(1)
    one.close("service_reset")
    assert (one.problem() is not None) is waits


def test_the_wait_begins_with_the_first_byte_of_the_request(now: list[float]) -> None:
    one = Connection(opened=100)
    one.ask(1)
    now[0] += 1
    one.ask(1)
    now[0] += 1
    one.close("client")
    found = one.problem()
    assert found is not None
    assert (found.how, found.waited, found.at) == ("abandoned", 2, 102)


def test_the_first_end_counts(now: list[float]) -> None:
    one = Connection(opened=100)
    one.close("service")
    now[0] += 1
    one.close("client")
    assert (one.end, one.ended_at) == ("service", 100)


def test_a_request_on_a_connection_that_has_ended_does_not_wait(now: list[float]) -> None:
    one = Connection(opened=100)
    one.close("service")
    now[0] += 3
    one.ask(1)
    assert one.problem() is None


def test_what_began_before_does_not_count(now: list[float]) -> None:
    book = Ledger()
    waiting, idle = book.opened(), book.opened()
    waiting.ask(1)
    book.begin()
    now[0] += 1
    for one in (waiting, idle):
        one.close("client")
        book.closed(one)
    assert book.traffic() == Traffic()


def test_a_ledger_keeps_twenty_problems(now: list[float]) -> None:
    book = Ledger()
    for _ in range(25):
        one = book.opened()
        one.close("refused")
        book.closed(one)
    assert book.traffic().connections == 25
    assert len(book.traffic().problems) == 20


def test_an_end_that_neither_end_noted_has_no_author(now: list[float]) -> None:
    book = Ledger()
    one = book.opened()
    one.ask(1)
    now[0] += 2
    book.closed(one)
    assert [(t.how, t.at) for t in book.traffic().problems] == [("unanswered", 102)]
    assert book.traffic().longest == 2


# -- events


class _Link:
    def __init__(self, found: Traffic) -> None:
        self.found, self.began = found, False

    def begin_ledger(self) -> None:
        self.began = True

    def traffic(self) -> Traffic:
        return self.found


def test_each_link_that_was_used_is_an_event(tmp_path: Path) -> None:
    recorder = TimelineRecorder(tmp_path)
    problem = ledger.Unanswered("reset", at=monotonic(), waited=0.25)
    used = _Link(Traffic(2, 10, 9, 8, 7, first_byte=0.5, longest=1.5, problems=(problem,)))
    unused = _Link(Traffic())
    watch = LinkUse({"runtime": used, "fixtures": unused}, recorder)
    assert used.began
    assert unused.began
    watch.record()
    (event,) = recorder.events()
    recorder.close()
    assert isinstance(event, LinkUsed)
    assert event.model_dump(exclude={"event_id", "at_ms", "wall_time", "problems"}) == {
        "event_type": "link_used", "service": "runtime", "connections": 2, "request_bytes": 10,
        "request_bytes_passed_on": 9, "answer_bytes": 8, "answer_bytes_passed_on": 7,
        "slowest_first_byte_ms": 500, "longest_ms": 1500,
    }  # fmt: skip
    (noted,) = event.problems
    assert (noted.how, noted.waited_ms) == ("reset", 250)
    assert 0 <= noted.at_ms <= event.at_ms
