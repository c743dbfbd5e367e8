"""The ``http`` tool of the embedded ExecGo behaves as Go's HTTP client."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pytest_execgo.emulators.execgo.http_tool import HttpFailure, send
from pytest_execgo.emulators.httpd import Request, Response, json_response
from tests.endpoints import serving


def echo(request: Request) -> Response:
    path, _, rest = request.path.removeprefix("/").partition("/")
    if path == "redirect":
        return Response(int(rest), headers={"Location": "/echo"})
    if path == "loop":
        return Response(302, headers={"Location": "/loop"})
    if path == "gzip":
        body = gzip.compress(b"packed")
        return Response(200, body, "text/plain", {"Content-Encoding": "gzip"})
    if path == "status":
        return Response(int(rest), b"kept")
    known = dict(sorted(request.headers.items()))
    answer = {"method": request.method, "headers": known, "body": request.body.decode()}
    return json_response(answer)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving(echo) as url:
        yield url


def asked(url: str, method: str = "GET", body: str = "", **headers: str) -> dict[str, Any]:
    status, text = send(method, url, headers, body, 10)
    assert status == 200
    found: dict[str, Any] = json.loads(text)
    found["headers"].pop("host")
    return found


def problem(url: str, method: str = "GET", *, seconds: float = 10, **headers: Any) -> str:
    with pytest.raises(HttpFailure) as error:
        send(method, url, headers, "", seconds)
    return str(error.value)


@pytest.mark.parametrize(
    ("status", "method", "then", "body"),
    [
        (301, "POST", "GET", ""),
        (302, "DELETE", "GET", ""),
        (303, "PUT", "GET", ""),
        (302, "HEAD", "HEAD", ""),
        (307, "POST", "POST", "b"),
        (308, "PUT", "PUT", "b"),
    ],
)
def test_redirects(server: str, status: int, method: str, then: str, body: str) -> None:
    if then == "HEAD":
        assert send(method, f"{server}/redirect/{status}", {}, "", 10) == (200, "")
        return
    found = asked(f"{server}/redirect/{status}", method, "b")
    assert (found["method"], found["body"]) == (then, body)
    assert found["headers"]["referer"] == f"{server}/redirect/{status}"


@pytest.mark.parametrize("status", [300, 304, 404, 503])
def test_any_other_status_is_an_answer(server: str, status: int) -> None:
    body = "" if status == 304 else "kept"
    assert send("GET", f"{server}/status/{status}", {}, "", 10) == (status, body)


def test_the_headers_are_those_of_go(server: str) -> None:
    headers = asked(f"{server}/echo")["headers"]
    assert headers == {"accept-encoding": "gzip", "user-agent": "Go-http-client/1.1"}
    headers = asked(f"{server}/echo", "POST", "abc", **{"Content-Length": "1", "Host": "x"})[
        "headers"
    ]
    assert headers["content-length"] == "3"
    assert "content-type" not in headers
    given = asked(server.replace("//", "//u:p%40@") + "/echo")["headers"]
    assert given["authorization"] == "Basic dTpwQA=="


def test_a_packed_body_is_unpacked_unless_the_task_asked_for_it(server: str) -> None:
    assert send("GET", f"{server}/gzip", {}, "", 10) == (200, "packed")
    _, text = send("GET", f"{server}/gzip", {"Accept-Encoding": "gzip"}, "", 10)
    assert text != "packed"


def test_mistakes_have_the_messages_of_go(server: str) -> None:
    assert problem(f"{server}/echo", "G T") == 'create request: net/http: invalid method "G T"'
    assert (
        problem(f"{server}/%zz")
        == f'create request: parse "{server}/%zz": invalid URL escape "%zz"'
    )
    bad: dict[str, Any] = {"X Y": "a"}
    assert problem(f"{server}/echo", **bad) == (
        f'http request failed: Get "{server}/echo": net/http: invalid header field name "X Y"'
    )
    assert problem("http://127.0.0.1:99999/").endswith("dial tcp: address 99999: invalid port")
    assert problem("ftp://x/").endswith('unsupported protocol scheme "ftp"')
    assert problem(f"{server}/loop").endswith("stopped after 10 redirects")
    assert problem("http://127.0.0.1:1/").endswith(
        "dial tcp 127.0.0.1:1: connect: connection refused"
    )


@contextmanager
def answering(reply: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """The URL of a server that answers one request with these bytes, and the requests it got."""
    got: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                got.append(connection.recv(65536))
                connection.sendall(reply)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/", got
        finally:
            thread.join()


def test_a_body_that_is_cut_off_is_a_failure() -> None:
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc") as (url, _):
        assert problem(url) == "read response: unexpected EOF"


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("ż/?q=zażółć%20", "/%C5%BC/?q=zażółć%20".encode()),
        ("?a b", b"/?a%20b"),
        ("?%zz", b"/?%zz"),
    ],
    ids=["not ASCII", "a space", "no escape"],
)
def test_the_query_is_sent_as_it_is_written(written: str, sent: bytes) -> None:
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as (url, got):
        assert send("GET", url + written, {}, "", 10) == (200, "")
    assert got[0].split(b"\r\n")[0] == b"GET " + sent + b" HTTP/1.1"


def test_the_time_is_for_the_whole_answer() -> None:
    over = threading.Event()

    def drip(request: Request) -> Response:
        over.wait(20)
        return Response(200)

    with serving(drip) as url:
        try:
            assert problem(url, seconds=0.2).endswith("context deadline exceeded")
        finally:
            over.set()


def test_a_proxy_of_the_environment_is_used_but_not_for_loopback(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    # The server refuses the name of another host, so the request has reached it.
    status, text = send("GET", "http://execgo.example/status/404", {}, "", 10)
    assert status == 403
    assert "localhost" in text
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert asked(f"{server}/echo")["method"] == "GET"
    monkeypatch.setenv("NO_PROXY", "other.example,.execgo.example")
    assert "lookup" in problem("http://execgo.example/")
