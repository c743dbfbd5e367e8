"""The client of a model's endpoint: one deadline for all of a reply, a bounded body, and a key that goes
to one address only."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
import requests

from pytest_execgo.adapter.answer import Answer
from pytest_execgo.adapter.answer_problem import problem
from pytest_execgo.adapter.endpoint import Endpoint
from pytest_execgo.chaos.model_proxy import ModelProxy
from pytest_execgo.emulators.httpd import Request, Response, json_response
from pytest_execgo.transport import model_client
from pytest_execgo.transport.model_client import (
    MOST_REPLY_BYTES,
    ModelClient,
    PathRefused,
    endpoint_url,
)
from tests.endpoints import serving
from tests.ids import readable

KEY = "sk-never-to-be-seen-0123456789"
ASKED = {"model": "m"}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
REPLY = {"choices": [{"message": {"role": "assistant", "content": "{}"}}]}


@dataclass(frozen=True)
class Hostile:
    """An endpoint that sends what a test wants; ``left`` is set when its client closes a connection."""

    url: str
    left: threading.Event


@contextmanager
def hostile(first: bytes, then: bytes = b"", pause: float = 0.0) -> Iterator[Hostile]:
    """Send ``first``, then ``then`` again and again until the client has gone."""
    left, over = threading.Event(), threading.Event()

    def talk(connection: socket.socket) -> None:
        try:
            received = b""
            while not received.endswith(b"}"):
                received += connection.recv(65536)
            connection.sendall(first)
            while then and not over.wait(pause):
                connection.sendall(then)
            # Until the client closes.
            connection.recv(1)
        except OSError:
            pass
        left.set()
        connection.close()

    def serve() -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        try:
            yield Hostile(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", left)
        finally:
            over.set()


def ask(url: str, seconds: float = 20.0) -> Answer:
    with closing(Endpoint(url, KEY, seconds)) as endpoint:
        return endpoint.answer(0, "/chat/completions", ASKED, 60)


def ask_through_proxy(url: str, seconds: float = 20.0) -> Answer:
    with ModelProxy().before(url, seconds) as proxied:
        return ask(proxied, seconds)


DRIPS = [
    pytest.param(b"", b"H", id="status line"),
    pytest.param(b"HTTP/1.1 200 OK\r\na: ", b"x", id="header"),
    pytest.param(b"HTTP/1.1 200 OK\r\n", b"a: b\r\n", id="headers"),
    pytest.param(b"", b"HTTP/1.1 100 Continue\r\n\r\n", id="interim replies"),
    pytest.param(HEAD + b"Content-Length: 1000000\r\n\r\n", b" ", id="body"),
    pytest.param(HEAD + b"\r\n", b" ", id="body until closed"),
    pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x", id="chunk extension"),
    pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", id="chunks"),
    pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"a: b\r\n", id="trailers"),
    pytest.param(
        HEAD + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(b""), id="gzip of nothing"
    ),
    pytest.param(
        b"HTTP/1.1 307 Moved\r\nLocation: /x\r\nContent-Length: 1000000\r\n\r\n",
        b" ",
        id="redirect",
    ),
]


@pytest.mark.parametrize(("first", "then"), DRIPS)
@pytest.mark.parametrize("way", [ask, ask_through_proxy], ids=["direct", "proxied"])
def test_slow_bytes_do_not_extend_the_deadline(
    first: bytes, then: bytes, way: Callable[[str, float], Answer]
) -> None:
    with hostile(first, then, pause=0.01) as endpoint:
        answer = way(endpoint.url, 0.1)
        # The connection does not outlive the request.
        assert endpoint.left.wait(20)
    assert (answer.status, answer.late, answer.text) == (0, True, "no answer within 0.1 s")


ENDLESS = [
    pytest.param(HEAD + b"\r\n", b" " * 65536, id="until closed"),
    pytest.param(HEAD + b"Content-Length: 9999999999\r\n\r\n", b" " * 65536, id="long"),
    pytest.param(
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
        b"10000\r\n" + b" " * 65536 + b"\r\n",
        id="chunks",
    ),
    pytest.param(HEAD + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(b" " * 2**20), id="gzip"),
    pytest.param(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n",
        b": x\n\n" * 9999,
        id="stream",
    ),
]


@pytest.mark.parametrize(("first", "then"), ENDLESS)
@pytest.mark.parametrize("way", [ask, ask_through_proxy], ids=["direct", "proxied"])
def test_a_body_without_end_is_cut_off(
    first: bytes, then: bytes, way: Callable[[str], Answer]
) -> None:
    with hostile(first, then) as endpoint:
        answer = way(endpoint.url)
        assert endpoint.left.wait(20)
    assert (answer.status, answer.text, answer.too_large) == (200, "", True)
    found = problem(answer, {**ASKED, "stream": True})
    assert found is not None
    assert found.code == "model_malformed"
    assert str(found) == "the model's endpoint answers with more than 4194304 bytes"


def test_a_bomb_of_two_encodings_is_cut_off() -> None:
    bomb = gzip.compress(gzip.compress(b" " * 2**26))
    head = HEAD + b"Content-Encoding: gzip, gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    with hostile(head + bomb) as endpoint:
        assert ask(endpoint.url).too_large


def test_a_body_of_the_allowed_size_is_whole() -> None:
    body = (
        json.dumps({**REPLY, "x": " " * (MOST_REPLY_BYTES - 100)}).encode().ljust(MOST_REPLY_BYTES)
    )
    with serving(lambda request: Response(200, body, "application/json")) as url:
        assert len(ask(f"{url}/v1").text) == MOST_REPLY_BYTES
        assert len(ask_through_proxy(f"{url}/v1").text) == MOST_REPLY_BYTES


@pytest.mark.parametrize(
    "location",
    [
        b"http://evil.invalid/v1", b"//evil.invalid", b"http://[", b"\xff\xfe", b"/elsewhere",
        b"http://a:b:c@d:e/", b"file:///etc/passwd", b"",
    ],
    ids=readable,
)  # fmt: skip
@pytest.mark.parametrize("body", ["none", "endless"])
@pytest.mark.parametrize("way", [ask, ask_through_proxy], ids=["direct", "proxied"])
def test_a_redirect_is_neither_followed_nor_read_to_its_end(
    location: bytes, body: str, way: Callable[[str], Answer]
) -> None:
    head = b"HTTP/1.1 307 Moved\r\nLocation: " + location + b"\r\n"
    first = head + (b"\r\n" if body == "endless" else b"Content-Length: 0\r\n\r\n")
    with hostile(first, b"x" * 65536 if body == "endless" else b"") as endpoint:
        answer = way(endpoint.url)
    assert (answer.status, answer.text) == (307, location.decode("latin-1"))
    found = problem(answer, ASKED)
    assert found is not None
    assert found.code == "model_not_openai"


ODD = [
    b"HTTP/1.1 999 What\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 101 Switching Protocols\r\n\r\n{}",
    b"HTTP/1.1 -1 x\r\n\r\n",
    b"HTTP/1.1 2\xb20 x\r\n\r\n",
    b"HTTP/9.9 200 x\r\nContent-Length: 2\r\n\r\n{}",
    b"ICY 200 OK\r\n\r\n{}",
    HEAD + b"Content-Length: x\r\n\r\n{}",
    HEAD + b"Content-Length: -5\r\n\r\n{}",
    HEAD + b"Content-Length: 2, 3\r\n\r\n{}",
    HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n{}",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n{}",
    HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
    HEAD + b"Content-Encoding: br, zstd, x\r\nContent-Length: 2\r\n\r\n{}",
    HEAD + b"a: b\r\n" * 200 + b"\r\n{}",
    HEAD + b"a: " + b"x" * 70000 + b"\r\n\r\n{}",
    HEAD + b"no colon\r\n: x\r\n\x00: y\r\n\r\n{}",
    HEAD + b"Retry-After: " + b"9" * 5000 + b"\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=hex\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nContent-Type: a\r\n b\r\n\tc\r\nContent-Length: 2\r\n\r\n{}",
    HEAD + b"Set-Cookie: a=" + b"x" * 5000 + b"; expires=x\r\nContent-Length: 2\r\n\r\n{}",
    HEAD + b"\r\n" + b"[" * 100_000,
    HEAD + b"\r\n" + b'{"error":' * 900 + b"1" + b"}" * 900,
    HEAD + b"\r\n" + b'{"choices": [{"message": {"content": ' + b"9" * 5000 + b"}}]}",
    HEAD + b'\r\n{"choices": [{"message": {"content": "\\ud800"}}], "usage": NaN}',
    HEAD + b"\r\n\xff\xfe{\x00}\x00",
]  # fmt: skip


@pytest.mark.parametrize("sent", ODD, ids=readable)
@pytest.mark.parametrize("way", [ask, ask_through_proxy], ids=["direct", "proxied"])
def test_an_odd_reply_is_an_answer_and_never_an_exception(
    sent: bytes, way: Callable[[str, float], Answer], capfd: pytest.CaptureFixture[str]
) -> None:
    with hostile(sent) as endpoint:
        answer = way(endpoint.url, 0.1)
    problem(answer, ASKED)
    assert "\n" not in answer.content_type
    assert KEY not in repr(answer)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("status", [101, 199])
def test_an_interim_status_is_no_usable_answer(status: int) -> None:
    found = problem(Answer(status, "application/json", json.dumps(REPLY)), ASKED)
    assert found is not None
    assert found.code == "model_error"


PATHS = [
    "@{evil}/x", "@{evil}", ":80@{evil}/chat/completions", "//{evil}/x", "http://{evil}/x", ".{evil}/x",
    "/files", "/models", "", "/", "/chat/completions/", "/chat/completions?x", "/chat/completions#x",
    "/../chat/completions", "/./responses", "/%72esponses", "chat/completions", "/Responses",
    "\\responses", "/responses\r\nX: y",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS, ids=readable)
@pytest.mark.parametrize("base", ["http://{real}", "http://{real}/", "http://{real}/v1"])
def test_no_other_path_is_sent_to_an_endpoint(path: str, base: str) -> None:
    asked: list[Request] = []

    def note(request: Request) -> Response:
        asked.append(request)
        return json_response(REPLY)

    with serving(note) as evil, serving(note) as real:
        endpoint = Endpoint(base.format(real=urlsplit(real).netloc), KEY, 5)
        answer = endpoint.answer(0, path.format(evil=urlsplit(evil).netloc), ASKED, 5)
        endpoint.close()
    assert (answer.status, answer.permanent, asked) == (0, True, [])
    assert (
        answer.text
        == "PathRefused: a model's endpoint is asked for /chat/completions and /responses only"
    )


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("http://h", "http://h/responses"),
        ("http://h/", "http://h/responses"),
        ("https://h:8/a/v1", "https://h:8/a/v1/responses"),
        ("https://h/v1//", "https://h/v1/responses"),
        ("http://[::1]:8/v1/", "http://[::1]:8/v1/responses"),
    ],
)
def test_a_path_is_below_the_base_url(base: str, url: str) -> None:
    assert endpoint_url(base, "/responses") == url
    with pytest.raises(PathRefused):
        endpoint_url(base, "/files")


def authorization_for(client: ModelClient, url: str) -> str | None:
    prepared = client._session.prepare_request(requests.Request("POST", url, json={}))
    found = prepared.headers.get("Authorization")
    return None if found is None else str(found)


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://model.example/v1/responses", True),
        ("https://MODEL.example/v1/responses", True),
        ("http://model.example/v1/responses", False),
        ("https://model.example:444/v1/responses", False),
        ("https://evil.example/v1/responses", False),
        ("https://model.example.evil/v1/responses", False),
        ("https://model.example@evil.example/v1/responses", False),
    ],
)
def test_the_key_goes_to_scheme_host_and_port_of_the_base_url_only(url: str, sent: bool) -> None:
    with closing(ModelClient("https://Model.example/v1", KEY)) as client:
        assert authorization_for(client, url) == (f"Bearer {KEY}" if sent else None)


def test_the_key_goes_to_a_host_with_letters_outside_of_ascii() -> None:
    with closing(ModelClient("https://bücher.example/v1", KEY)) as client:
        url = endpoint_url("https://bücher.example/v1", "/responses")
        assert authorization_for(client, url) == f"Bearer {KEY}"


def test_a_deadline_ends_only_its_own_request() -> None:
    """Two requests share a client, as in the proxy after the framework gave up on one of them."""
    slow, go_on, results = threading.Event(), threading.Event(), []

    def answer(request: Request) -> Response:
        if request.path.endswith("/responses"):
            slow.set()
            go_on.wait(20)
        return json_response(REPLY)

    with serving(answer) as url, closing(ModelClient(f"{url}/v1")) as client:

        def ask_slowly() -> None:
            results.append(client.post("/responses", 20, json={}).status)

        asking = threading.Thread(target=ask_slowly)
        asking.start()
        assert slow.wait(20)
        with pytest.raises((TimeoutError, requests.Timeout)):
            client.post("/responses", 0.1, json={})
        go_on.set()
        asking.join(20)
        assert client.post("/chat/completions", 20, json={}).status == 200
    assert results == [200]


def test_closing_ends_the_requests_that_are_on_their_way() -> None:
    failed: list[BaseException] = []
    asked, over = threading.Event(), threading.Event()

    def hang(request: Request) -> Response:
        asked.set()
        over.wait(20)
        return Response(drop=True)

    with serving(hang) as url:
        client = ModelClient(f"{url}/v1")

        def ask_for_ever() -> None:
            try:
                client.post("/responses", 600, json={})
            except requests.ConnectionError as error:
                failed.append(error)

        asking = threading.Thread(target=ask_for_ever)
        asking.start()
        assert asked.wait(20)
        client.close()
        asking.join(20)
        over.set()
    assert len(failed) == 1


def test_a_connection_is_used_for_several_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []
    original = model_client._PlainConnection.connect

    def connect(self: model_client._PlainConnection) -> None:
        opened.append(self)
        original(self)

    monkeypatch.setattr(model_client._PlainConnection, "connect", connect)
    with (
        serving(lambda _: json_response(REPLY)) as url,
        closing(ModelClient(f"{url}/v1")) as client,
    ):
        for _ in range(3):
            assert client.post("/responses", 20, json={}).status == 200
    assert len(opened) == 1


def test_no_time_left_is_a_timeout() -> None:
    with closing(Endpoint("http://127.0.0.1:9/v1", KEY, 5)) as endpoint:
        assert endpoint.answer(0, "/responses", ASKED, -1).late
