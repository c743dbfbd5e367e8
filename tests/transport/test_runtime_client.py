"""The embedded ExecGo's client of a runtime, against a runtime that is broken or hostile."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import chain, repeat
from time import monotonic

import pytest

from pytest_execgo.emulators.execgo import bounded_http, runtime_client
from pytest_execgo.emulators.execgo.graph import TaskSpec
from pytest_execgo.emulators.execgo.outcome import Outcome, TaskAttempt
from pytest_execgo.emulators.execgo.runtime_client import RuntimeExecutor, RuntimeSettings
from tests.hostile import HostileServer, http

OK = b"HTTP/1.1 200 OK\r\n"
ACCEPTED = http({"task_id": "a", "handle_id": "h", "status": "accepted"})
ENDLESS = {
    "body": chain([OK + b"\r\n"], repeat(b" " * 65536)),
    "chunks": chain([OK + b"Transfer-Encoding: chunked\r\n\r\n"], repeat(b"1\r\n \r\n" * 9000)),
    "headers": chain([OK], repeat(b"X: y\r\n" * 5000)),
    "length": iter([OK + b"Content-Length: 99999999999999999999\r\n\r\n{"]),
}
ODD = {
    "deep": http("[" * 100_000),
    "deep object": http('{"status": ' + '{"a":' * 100_000),
    "digits": http('{"status": "success", "n": ' + "9" * 5000 + "}"),
    "status is a list": http({"task_id": "a", "status": ["success"]}),
    "handle is an object": http({"task_id": {}, "handle_id": {"a": 1}, "status": "success"}),
    "code is a list": http({"error": {"code": ["x"], "message": {"m": 1}}}, "500 Bad"),
    "code is an object": http({"status": "failed", "error": {"code": {}, "message": 1}}),
    "error text deep": http("[" * 100_000, "500 Bad"),
    "negative chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
    "huge chunk": OK + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}",
    "no chunk": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "location": http("", "302 Found", "Location: http://[::1/x"),
    "location not ASCII": http("", "302 Found", "Location: /ü\u2028"),
    "location to itself": http("", "302 Found", "Location: /x"),
    "location elsewhere": http("", "307 Temporary", "Location: http://127.0.0.1:9/x"),
    "status line": b"HTTP/1.1 1000 X\r\n\r\n",
    "no HTTP": b"\x16\x03\x01" * 100,
    "handle is a surrogate": http('{"handle_id": "\\ud800", "status": "accepted"}'),
    "surrogate": http('{"task_id": "a", "status": "\\ud800"}'),
}


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with HostileServer(lambda method, path: ()) as running:
        yield running


def run(server: HostileServer, timeout_ms: int = 5000) -> Outcome:
    spec = TaskSpec(id="a", type="runtime", input={}, timeout=timeout_ms)
    attempt = TaskAttempt(spec, "", threading.Event(), lambda facts, status: None)
    executor = RuntimeExecutor(RuntimeSettings(server.url))
    with closing(executor):
        return executor.run(attempt)


@pytest.mark.parametrize("when", ["submitted", "polled"])
@pytest.mark.parametrize("name", ODD)
def test_an_odd_answer_ends_the_task(server: HostileServer, name: str, when: str) -> None:
    def script(method: str, path: str) -> Iterable[bytes]:
        return [ODD[name] if when == "submitted" or method == "GET" else ACCEPTED]

    server.script = script
    outcome = run(server)
    assert isinstance(outcome, Outcome)
    assert outcome.ok or outcome.error is not None


@pytest.mark.parametrize("name", ENDLESS)
def test_an_endless_answer_is_not_read_to_its_end(server: HostileServer, name: str) -> None:
    server.script = lambda method, path: ENDLESS[name]
    outcome = run(server, 60_000)
    assert not outcome.ok
    assert outcome.error is not None
    assert outcome.error["code"] == "external_failure"


@pytest.mark.parametrize("content", [ACCEPTED, OK + b"X: " + b"y" * 1000], ids=["body", "header"])
def test_an_answer_byte_by_byte_ends_with_the_timeout_of_the_task(
    server: HostileServer, content: bytes
) -> None:
    server.script = lambda method, path: server.drip(content)
    began = monotonic()
    outcome = run(server, 300)
    assert outcome.error is not None
    assert "context deadline exceeded" in outcome.error["message"]
    # The deadline is the promise: byte by byte, the whole answer takes longer than this.
    assert monotonic() - began < 2


def test_redirects_have_one_deadline_together(
    server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime_client, "MAX_REDIRECTS", 10_000)
    server.script = lambda method, path: [http("", "307 Temporary", "Location: /x")]
    outcome = run(server, 300)
    assert outcome.error is not None
    assert "context deadline exceeded" in outcome.error["message"]


def test_an_answer_within_the_limit_is_complete(
    server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_http, "MOST_BYTES", 1000)
    answer = {"task_id": "a", "status": "success", "stdout": "x" * 500}
    server.script = lambda method, path: [http(answer)]
    assert run(server).output == answer
    server.script = lambda method, path: [http(answer, "200 OK", "Connection: close")]
    assert run(server).output == answer
    answer["stdout"] = "x" * 2000
    assert not run(server).ok
