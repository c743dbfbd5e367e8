"""The HTTP server of the embedded services against requests that no client of a fleet sends."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator

import pytest

from pytest_execgo.emulators import guard, httpd
from pytest_execgo.emulators.guard import is_json, refusal
from pytest_execgo.harness.processes import embedded
from tests.ids import readable


@pytest.fixture
def seen() -> list[httpd.Request]:
    return []


@pytest.fixture
def server(seen: list[httpd.Request]) -> Iterator[httpd.Server]:
    def handle(request: httpd.Request) -> httpd.Response:
        seen.append(request)
        if request.path == "/broken":
            raise KeyError("no such key")
        return httpd.json_response({"length": len(request.body)})

    server = httpd.Server("127.0.0.1", 0, handle)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def connect(server: httpd.Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.server_port), timeout=10)


def exchange(server: httpd.Server, data: bytes, *, end: bool = True) -> bytes:
    """What the server sends until it closes; ``end``: the client sends nothing more after ``data``."""
    with connect(server) as client:
        client.sendall(data)
        if end:
            client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


def attempt(server: httpd.Server) -> bytes:
    """The answer to one request; empty if the server closed the connection."""
    try:
        return exchange(server, request("Connection: close", method="GET"), end=False)
    except ConnectionError:
        return b""


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def request(*headers: str, body: str = "", target: str = "/x", method: str = "POST") -> bytes:
    lines = [f"{method} {target} HTTP/1.1", *headers, "", body]
    return "\r\n".join(lines).encode("latin-1")


@pytest.mark.parametrize(
    ("headers", "part"),
    [
        ({"host": "127.0.0.1:80", "origin": "http://evil.example"}, "Origin"),
        ({"host": "127.0.0.1:80", "origin": "null"}, "Origin"),
        ({"host": "127.0.0.1:80", "origin": ""}, "Origin"),
        ({"host": "127.0.0.1:80", "sec-fetch-site": "cross-site"}, "Sec-Fetch-Site"),
        ({"host": "127.0.0.1:80", "sec-fetch-site": "same-site"}, "Sec-Fetch-Site"),
        ({"host": "evil.example"}, "evil.example"),
        ({"host": "evil.example:8080"}, "evil.example"),
        ({"host": "127.0.0.1.evil.example:80"}, "evil.example"),
        ({"host": "127.0.0.1@evil.example"}, "evil.example"),
        ({"host": "localhost.evil.example"}, "evil.example"),
        ({"host": "localhost."}, "localhost."),
        ({"host": "[::1"}, "[::1"),
        ({"host": "a/b"}, "a/b"),
    ],
    ids=readable,
)
def test_requests_that_a_web_page_can_send_are_refused(headers: dict[str, str], part: str) -> None:
    assert part in (refusal(headers) or "")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"host": "127.0.0.1:8080"},
        {"host": "localhost:8080"},
        {"host": "LOCALHOST"},
        {"host": "[::1]:8080"},
        {"host": "172.18.0.3:8080"},
        {"host": "execgo:8080"},
        {"host": "127.0.0.1", "sec-fetch-site": "none"},
    ],
    ids=readable,
)
def test_requests_of_the_clients_of_a_fleet_are_served(headers: dict[str, str]) -> None:
    assert refusal(headers) is None


@pytest.mark.parametrize(
    ("media_type", "expected"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/problem+json", True),
        ("text/plain;x=json", False),
        ("text/plain; application/json", False),
        ("application/jsonp", False),
        ("text/json", False),
        ("", False),
    ],
    ids=readable,
)
def test_media_types_are_parsed(media_type: str, expected: bool) -> None:
    assert is_json(media_type) is expected


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request("Host: evil.example", method="GET"), 403),
        (request("Host: x", "Origin: http://x", method="OPTIONS"), 403),
        (request("Content-Length: x"), 400),
        (request("Content-Length: -1"), 400),
        (request("Content-Length: +1", body="a"), 400),
        (request("Content-Length: 1_0", body="0123456789"), 400),
        (request("Content-Length: 1", "Content-Length: 2", body="ab"), 400),
        (request("Content-Length: 10", body="short"), 400),
        (request(f"Content-Length: {httpd.MAX_BODY_BYTES + 1}"), 413),
        (request(f"Content-Length: {'9' * 5000}"), 413),
        (request("Transfer-Encoding: gzip, chunked"), 400),
        (request("Transfer-Encoding: xchunked"), 400),
        (request("Transfer-Encoding: chunked", "Content-Length: 3", body="0\r\n\r\n"), 400),
        (request("Transfer-Encoding: chunked", body="zz\r\n"), 400),
        (request("Transfer-Encoding: chunked", body="-1\r\n"), 400),
        (request("Transfer-Encoding: chunked", body="\r\n"), 400),
        (request("Transfer-Encoding: chunked", body="3\r\nabcdef\r\n0\r\n\r\n"), 400),
        (request("Transfer-Encoding: chunked", body="ffffffff\r\n"), 413),
        (request("Transfer-Encoding: chunked", body="5\r\nab"), 400),
        (request(target="http://[", method="GET"), 400),
        (request(target="@evil.example/x", method="GET"), 400),
    ],
    ids=readable,
)
def test_malformed_requests_get_an_answer(
    server: httpd.Server, seen: list[httpd.Request], data: bytes, status: int
) -> None:
    answer = exchange(server, data)
    assert status_of(answer) == status
    head, body = answer.split(b"\r\n\r\n", 1)
    assert b"Connection: close" in head
    assert json.loads(body)["error"]
    assert not seen


def test_a_refused_body_is_not_read(server: httpd.Server, seen: list[httpd.Request]) -> None:
    data = request("Host: evil.example", "Content-Length: 1000000")
    assert status_of(exchange(server, data, end=False)) == 403
    assert not seen


def test_bodies_with_a_length_and_in_chunks_are_read(server: httpd.Server) -> None:
    plain = exchange(server, request("Content-Length: 3", body="abc"))
    chunked = request(
        "Transfer-Encoding: chunked", body="3;note=x\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n"
    )
    assert b'{"length":3}' in plain
    assert b'{"length":5}' in exchange(server, chunked)


def test_a_client_that_sends_nothing_more_gets_408(
    server: httpd.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(httpd._Exchange, "timeout", 0.05)
    data = request("Content-Length: 10", body="a")
    assert status_of(exchange(server, data, end=False)) == 408


def test_an_error_of_the_service_is_an_answer(
    server: httpd.Server, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = exchange(server, request(target="/broken", method="GET"))
    assert status_of(answer) == 500
    logged = json.loads(capsys.readouterr().err)
    assert logged["event"] == "request_failed"
    assert logged["path"] == "/broken"


def test_connections_beyond_the_limit_are_closed_and_later_ones_are_served(
    server: httpd.Server,
) -> None:
    server._free_connections = threading.BoundedSemaphore(1)
    with connect(server) as first:
        # One exchange: only then is it sure that the server has accepted the connection.
        first.sendall(request(method="GET"))
        assert status_of(first.recv(65536)) == 200
        assert exchange(server, b"", end=False) == b""
        first.shutdown(socket.SHUT_WR)
        assert first.recv(65536) == b""
    # The place becomes free a moment after the first connection is closed.
    while not (answer := attempt(server)):
        pass
    assert status_of(answer) == 200


@pytest.mark.parametrize("headers", [(), ("X-Execgo-Token: wrong",), ("X-Execgo-Token: toke",)])
def test_without_the_token_only_open_paths_are_served(
    server: httpd.Server, seen: list[httpd.Request], headers: tuple[str, ...]
) -> None:
    server.token, server.is_open = "token", lambda path: path == "/health"
    assert status_of(exchange(server, request(*headers))) == 401
    assert not seen
    assert status_of(exchange(server, request(*headers, target="/health", method="GET"))) == 200


def test_with_the_token_every_path_is_served(server: httpd.Server) -> None:
    server.token = "token"
    assert status_of(exchange(server, request("X-Execgo-Token: token"))) == 200


def test_a_token_is_removed_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(guard.OWN_TOKEN, "token")
    assert guard.take_token(guard.OWN_TOKEN) == "token"
    assert guard.take_token(guard.OWN_TOKEN) == ""


def test_launcher_and_services_agree_on_the_names() -> None:
    names = (embedded.ACCESS_HEADER, embedded.OWN_TOKEN, embedded.RUNTIME_TOKEN)
    assert names == (guard.ACCESS_HEADER, guard.OWN_TOKEN, guard.RUNTIME_TOKEN)


@pytest.mark.parametrize(
    "line",
    [
        b"GET /x",
        b"GET",
        b"\x16\x03\x01",
        b"GET /x HTTP/9.9.9",
        b"GET /x HTTP/1.1 x",
        b"BREW /x HTTP/1.1",
    ],
    ids=readable,
)
def test_a_malformed_request_line_gets_a_status_and_json(server: httpd.Server, line: bytes) -> None:
    answer = exchange(server, line + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 ")
    assert 400 <= status_of(answer) < 600
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]


@pytest.mark.parametrize("value", ["a\x1b[2J", "a\x00", "a\x7f"], ids=readable)
def test_a_control_character_in_a_header_is_refused(
    server: httpd.Server, seen: list[httpd.Request], value: str
) -> None:
    assert status_of(exchange(server, request(f"X-Trace-Id: {value}", method="GET"))) == 400
    assert seen == []


def test_a_folded_header_is_one_line(server: httpd.Server, seen: list[httpd.Request]) -> None:
    assert status_of(exchange(server, request("X-Trace-Id: a", " b", "\tc", method="GET"))) == 200
    assert seen[0].headers["x-trace-id"] == "a b c"
