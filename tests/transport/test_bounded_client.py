"""Requests to a hostile service: each ends in time, in little memory, and as one safe line."""

from __future__ import annotations

import gzip
import itertools
import json
import tracemalloc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from pytest_execgo.harness.readiness import probe_json
from pytest_execgo.models.events import EngineProtocolError, FixtureRequest, StageFinished
from pytest_execgo.observability.access_log import collect_access_log
from pytest_execgo.observability.health import ProbeResult, ask
from pytest_execgo.observability.recorder import TimelineRecorder
from pytest_execgo.runner.client import EngineError, ExecgoClient, ProtocolError, Unreachable
from pytest_execgo.runner.clock import SystemClock
from pytest_execgo.runner.collaborators import Collaborators, TrialTasks
from pytest_execgo.runner.engine import RestartWatch
from pytest_execgo.runner.stage import StageRun
from pytest_execgo.transport.bounded import (
    MAX_BODY_BYTES,
    BadAnswer,
    NoAnswer,
    ServiceConnection,
    fetch,
)
from tests.fakes import FakeChaos, FakeFleet, graph_of, stage_of
from tests.hostile import HostileServer, http

MEGABYTE = 1024 * 1024
TASK = {
    "id": "a",
    "type": "noop",
    "status": "success",
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-01T00:00:01Z",
}
DEEP = '{"a":' * 900 + "1" + "}" * 900


@contextmanager
def serving(*pieces: bytes) -> Iterator[HostileServer]:
    with HostileServer(lambda method, path: pieces) as server:
        yield server


@contextmanager
def client_of(answer: bytes) -> Iterator[ExecgoClient]:
    with serving(answer) as server, ExecgoClient(server.url, timeout=5) as client:
        yield client


def task(**members: Any) -> bytes:
    return http(TASK | members)


def is_safe(line: str) -> bool:
    return line.isprintable() and 0 < len(line) < 500


# -- every broken answer is a protocol error

BROKEN = {
    # The last answers of a hostile ExecGo before the driver raised.
    "empty_body": http(b""),
    "cut_json": http(b'{"accepted": 1, "task_ids": ["p.render.R'),
    "byte_order_mark": http(b"\xef\xbb\xbf{}"),
    "deep_json": http(DEEP),
    "date_without_time_zone": task(updated_at="2026-01-01"),
    # Others of the same kinds.
    "naive_time": task(created_at="2026-01-01T00:00:00"),
    "naive_time_of_the_runtime": task(runtime={"started_at": "2026-01-01T00:00:00"}),
    "deep_lists": http("[" * 100_000),
    "deep_text": task(result=json.loads("[" * 250 + "]" * 250)),
    "nan": http('{"id": NaN}'),
    "infinity": http('{"id": -Infinity}'),
    "huge_integer": http('{"id": ' + "9" * 5000 + "}"),
    "huge_float": http('{"id": 1e999}'),
    "number_too_large_to_add_up": task(runtime={"duration_ms": 10**300}),
    "long_name": task(status="x" * 5000),
    "wrong_types": task(status=[], type={}),
    "null": http("null"),
    "many_values": http("[" + "[]," * 300_000 + "1]"),
    "many_texts": http("[" + '"",' * 900_000 + "1]"),
    "other_charset": http(b"\xff\xfe{\x00}\x00", "200 OK", "Content-Type: charset=utf-16"),
    "unknown_charset": http(b"{", "200 OK", "Content-Type: application/json; charset=\x7f$"),
    "gzip_bomb": http(gzip.compress(b" " * (64 * MEGABYTE)), "200 OK", "Content-Encoding: gzip"),
    "deflate": http(b"x", "200 OK", "Content-Encoding: deflate"),
    "no_http": b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
    "status_line_with_control_characters": b"HTTP/1.1 \x1b[31m2OO\r\n\r\n",
    "status_too_large": b"HTTP/1.1 99999 Huge\r\n\r\n",
    "status_below_200": b"HTTP/1.1 103 Early\r\n\r\n",
    "http_2": b"PRI * HTTP/2.0\r\n\r\n",
    "header_without_colon": b"HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 2\r\n\r\n{}",
    "header_without_end": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000,
    "many_headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n{}",
    "length_of_letters": http(b"{}", "200 OK", "Content-Length: two"),
    "negative_length": http(b"{}", "200 OK", "Content-Length: -1"),
    "length_with_underscore": http(b"{}", "200 OK", "Content-Length: 0_2"),
    "two_lengths": http(b"{}", "200 OK", "Content-Length: 2", "Content-Length: 3"),
    "huge_length": http(b"{}", "200 OK", "Content-Length: 99999999999"),
    "endless_length": http(b"{}", "200 OK", "Content-Length: " + "9" * 5000),
    "unknown_transfer_encoding": http(b"{}", "200 OK", "Transfer-Encoding: gzip, chunked"),
    "chunk_without_size": http(b"zz\r\n{}\r\n0\r\n\r\n", "200 OK", "Transfer-Encoding: chunked"),
    "chunk_of_negative_size": http(b"-2\r\n{}\r\n", "200 OK", "Transfer-Encoding: chunked"),
    "chunk_without_end": http(b"2\r\n{}xx0\r\n\r\n", "200 OK", "Transfer-Encoding: chunked"),
    "redirect": http(b"", "302 Found", "Location: http://127.0.0.1:9/"),
    "redirect_to_a_file": http(b"", "301 Moved", "Location: file:///etc/passwd"),
    "server_error": http("\x1b[2J\r\n::error::x\u202e" * 1000, "500 \x1b[2J"),
}  # fmt: skip


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
def test_broken_answer_is_a_protocol_error_with_one_safe_line(answer: bytes) -> None:
    with client_of(answer) as client, pytest.raises(ProtocolError) as error:
        client.get("a")
    assert is_safe(str(error.value))
    assert str(error.value).startswith("GET /tasks/a: ")


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
def test_broken_answer_to_a_submission_is_an_error_of_the_engine(answer: bytes) -> None:
    accepted = answer.replace(b"200 OK", b"202 Accepted", 1)
    with client_of(accepted) as client, pytest.raises(EngineError):
        client.submit(graph_of("a"))


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}",
        http(b"ff\r\n{}", "200 OK", "Transfer-Encoding: chunked"),
        b"HTT",
    ],
    ids=["length", "chunk", "status_line"],
)
def test_connection_that_ends_inside_an_answer_is_cut_off(answer: bytes) -> None:
    with client_of(answer) as client, pytest.raises(Unreachable) as error:
        client.get("a")
    assert str(error.value).endswith("the connection was closed inside the answer")
    assert error.value.cut_off


def test_answer_is_utf_8_whatever_the_service_claims() -> None:
    answer = http('{"a": "é\\ud800", "a": "é"}', "200 OK", "Content-Type: x; charset=utf-7")
    with serving(answer) as server:
        assert fetch("GET", server.url, timeout=5).object() == {"a": "é"}


def test_invalid_utf_8_is_replaced() -> None:
    with serving(http(b'{"a": "\xff"}')) as server:
        assert fetch("GET", server.url, timeout=5).object() == {"a": "\ufffd"}


def test_redirect_is_not_followed() -> None:
    with serving(http({"b": 1})) as target:
        with serving(http(b"", "307 Temporary", f"Location: {target.url}/x")) as server:
            assert fetch("GET", server.url, timeout=5).status == 307
        assert target.requests == []


def test_proxies_and_passwords_of_the_environment_are_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving(http({"a": 1})) as server:
        assert fetch("GET", server.url, timeout=5).object() == {"a": 1}


def test_line_breaks_in_a_path_do_not_reach_the_service() -> None:
    with serving(http({"a": 1})) as server:
        fetch("GET", server.url + "/x\r\nEvil: 1", timeout=5)
        with pytest.raises(NoAnswer):
            fetch("GET", server.url, headers={"A": "b\r\nEvil: 1"}, timeout=5)
    assert server.requests in ([("GET", "/xEvil:%201")], [("GET", "/x%0D%0AEvil:%201")])


def test_connection_that_the_service_closes_is_opened_again() -> None:
    with serving(http({"a": 1}, "200 OK", "Connection: close")) as server:
        connection = ServiceConnection(server.url)
        for _ in range(3):
            assert connection.request("GET", "/x", timeout=5).object() == {"a": 1}
        connection.close()
    assert server.requests == [("GET", "/x")] * 3


def test_password_in_a_url_is_not_part_of_a_message() -> None:
    with pytest.raises(NoAnswer) as error:
        fetch("GET", "http://user:secret@127.0.0.1:9/x", timeout=5)
    assert "secret" not in str(error.value)


# -- deadlines: these are the promise itself

SLOW = {
    "status_line": b"HTTP/1.1 200 ",
    "header": b"HTTP/1.1 200 OK\r\nX: ",
    "body_with_length": b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{ ",
    "body_without_length": b"HTTP/1.1 200 OK\r\n\r\n{ ",
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1",
}


@contextmanager
def dripping(content: bytes) -> Iterator[HostileServer]:
    """A server that sends all of ``content`` at once, and then its last byte again and again."""

    def script(method: str, path: str) -> Iterable[bytes]:
        return itertools.chain([content], server.drip(content[-1:]))

    server = HostileServer(script)
    with server:
        yield server


@pytest.mark.parametrize("content", SLOW.values(), ids=SLOW)
def test_deadline_holds_for_bytes_that_arrive_slowly(content: bytes) -> None:
    with dripping(content) as server:
        began = monotonic()
        with pytest.raises(NoAnswer, match="no answer in time") as error:
            fetch("GET", server.url, timeout=0.2)
        assert monotonic() - began < 2
    assert error.value.late


@pytest.mark.parametrize("kind", ["header", "chunks"])
def test_stage_ends_within_two_seconds_of_its_deadline(kind: str, tmp_path: Path) -> None:
    recorder, clock, fleet = TimelineRecorder(tmp_path), SystemClock(), FakeFleet()
    with dripping(SLOW[kind]) as server, ExecgoClient(server.url) as client:
        tools = Collaborators(client, recorder, fleet, FakeChaos(), clock)
        stage = stage_of("a", "b", "c", deadline_ms=200)
        began = monotonic()
        StageRun(stage, tools, TrialTasks("run"), RestartWatch(fleet, clock)).run(stage.task_graph)
        assert monotonic() - began < 0.2 + 2
    (finished,) = [one for one in recorder.events() if isinstance(one, StageFinished)]
    assert finished.outcome == "unreachable"
    recorder.close()


def test_health_check_ends_at_its_deadline() -> None:
    with dripping(SLOW["body_without_length"]) as server:
        began = monotonic()
        assert ask(server.url, 0.2).timed_out
        assert probe_json(server.url, 0.2) is None
        assert monotonic() - began < 2


# -- memory


def endless(head: bytes, piece: bytes) -> HostileServer:
    return HostileServer(lambda method, path: itertools.chain([head], itertools.repeat(piece)))


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", b" " * 65536),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"100\r\n" + b" " * 256 + b"\r\n"),
        (b"HTTP/1.1 200 OK\r\n", b"X: " + b"x" * 60000 + b"\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    ],
    ids=["body", "chunks", "headers", "continue"],
)  # fmt: skip
def test_endless_answer_takes_little_memory(head: bytes, piece: bytes) -> None:
    tracemalloc.start()
    try:
        with endless(head, piece) as server, pytest.raises(BadAnswer) as error:
            fetch("GET", server.url, timeout=30)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert is_safe(str(error.value))
    assert peak < 4 * MAX_BODY_BYTES


def test_largest_body_is_read() -> None:
    content = json.dumps({"a": "x" * (MAX_BODY_BYTES - 100)})
    with serving(http(content)) as server:
        assert len(fetch("GET", server.url, timeout=30).object()["a"]) == MAX_BODY_BYTES - 100


# -- a stage, its record, and the other readers


def test_every_broken_answer_is_on_record(tmp_path: Path) -> None:
    recorder, clock, fleet = TimelineRecorder(tmp_path), SystemClock(), FakeFleet()
    accepted = http({"task_ids": ["run.s.a"]}, "202 Accepted")

    def script(method: str, path: str) -> list[bytes]:
        return [accepted if method == "POST" else task(updated_at="2026-01-01")]

    with HostileServer(script) as server, ExecgoClient(server.url) as client:
        tools = Collaborators(client, recorder, fleet, FakeChaos(), clock)
        stage = stage_of("a")
        StageRun(stage, tools, TrialTasks("run"), RestartWatch(fleet, clock)).run(stage.task_graph)
    (problem,) = [one for one in recorder.events() if isinstance(one, EngineProtocolError)]
    recorder.close()
    text = "GET /tasks/run.s.a: updated_at: needs a time zone, got '2026-01-01'"
    assert problem.message == text


ENTRY = {"at": 1.0, "method": "GET", "path": "/x", "status": 200, "duration_ms": 1}


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"requests": None},
        {"requests": [1]},
        {"requests": [ENTRY | {"at": "soon"}]},
        {"requests": [ENTRY | {"at": None}]},
        {"requests": [ENTRY | {"status": {}}]},
        {"requests": [ENTRY, ENTRY | {"more": 1}]},
    ],
    ids=["empty", "list", "null", "number", "time_text", "no_time", "status", "unknown_member"],
)
def test_broken_access_log_is_left_out_as_a_whole(tmp_path: Path, body: Any) -> None:
    recorder = TimelineRecorder(tmp_path)
    with serving(http(body)) as server:
        assert not collect_access_log(server.url, {}, "t", recorder)
    assert recorder.events() == []
    recorder.close()


def test_access_log_is_recorded(tmp_path: Path) -> None:
    recorder = TimelineRecorder(tmp_path)
    with serving(http({"requests": [ENTRY]})) as server:
        assert collect_access_log(server.url, {}, "t/1", recorder)
    (event,) = recorder.events()
    recorder.close()
    assert isinstance(event, FixtureRequest)
    assert server.requests == [
        ("GET", "/__control/access?scope=t%2F1"),
        ("DELETE", "/__control/access?scope=t%2F1"),
    ]


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
def test_health_checks_survive_a_broken_answer(answer: bytes) -> None:
    with serving(answer) as server:
        assert isinstance(probe_json(server.url, 5), dict | None)
        assert isinstance(ask(server.url, 5), ProbeResult)
