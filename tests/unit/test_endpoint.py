"""A real endpoint: its answers, their timing, `Retry-After`, and the key."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_execgo.adapter.answer import Answer
from pytest_execgo.adapter.endpoint import Endpoint, retry_after
from pytest_execgo.emulators.httpd import Request, Response, json_response
from pytest_execgo.transport import model_client
from pytest_execgo.transport.client import session_for
from pytest_execgo.transport.model_client import read
from tests.endpoints import serving
from tests.ids import readable

REPLY = {"choices": [{"message": {"role": "assistant", "content": "{}"}}]}


@contextmanager
def raw(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """An endpoint whose connection is handed to ``talk``, for replies that are not HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                # The whole request: unread bytes would reset the connection.
                read_so_far = b""
                while not read_so_far.endswith(b"}"):
                    read_so_far += connection.recv(65536)
                talk(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def ask(url: str, seconds: float = 10, key: str | None = None, left: float = 60) -> Answer:
    return Endpoint(f"{url}/v1", key, seconds).answer(0, "/chat/completions", {"model": "m"}, left)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def test_an_answer_is_complete_in_every_encoding() -> None:
    text = "".join(str(number) for number in range(200_000))

    def zipped(request: Request) -> Response:
        head = {"Content-Encoding": "gzip"}
        return Response(200, gzip.compress(text.encode()), "application/json", head)

    def chunked(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        for at in range(0, len(text), 5000):
            part = text[at : at + 5000].encode()
            connection.sendall(b"%x\r\n%b\r\n" % (len(part), part))
        connection.sendall(b"0\r\n\r\n")

    def until_closed(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"Connection: close\r\n\r\n" + text.encode())

    with serving(zipped) as url:
        assert ask(url).text == text
    for talk in (chunked, until_closed):
        with raw(talk) as url:
            assert ask(url).text == text


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        HEAD + b"Content-Length: 900\r\n\r\n{",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"no HTTP at all",
    ],
    ids=["nothing", "half a body", "half a chunk", "no HTTP"],
)
def test_a_broken_connection_is_not_a_timeout(sent: bytes) -> None:
    with raw(lambda connection: connection.sendall(sent)) as url:
        answer = ask(url)
    assert (answer.status, answer.late) == (0, False)
    assert answer.text


@pytest.mark.parametrize(
    "sent",
    [b"", HEAD, HEAD + b"Content-Length: 9\r\n\r\n{"],
    ids=["nothing", "head", "half a body"],
)
@pytest.mark.parametrize(("seconds", "left"), [(0.1, 60), (10, 0.1)], ids=["answer", "plan"])
def test_a_silent_endpoint_times_out(sent: bytes, seconds: float, left: float) -> None:
    over = threading.Event()

    def talk(connection: socket.socket) -> None:
        connection.sendall(sent)
        over.wait(10)

    with raw(talk) as url:
        answer = ask(url, seconds=seconds, left=left)
    over.set()
    assert (answer.status, answer.late, answer.text) == (0, True, "no answer within 0.1 s")


def test_an_answer_that_never_ends_times_out() -> None:
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"Content-Length: 1000000\r\n\r\n")
        with suppress(OSError):  # The client goes away in the middle.
            while not over.wait(0.01):
                connection.sendall(b" ")

    with raw(drip) as url:
        answer = ask(url, 0.2)
    over.set()
    assert (answer.status, answer.late) == (0, True)


def test_a_piece_is_read_when_it_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that waits for a full buffer would see no pause in an answer this small."""
    taken: list[bytes] = []
    first = threading.Event()
    original = model_client.pieces

    def watched(reply: Any) -> Iterator[bytes]:
        for piece in original(reply):
            taken.append(piece)
            first.set()
            yield piece

    def talk(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n{")
        first.wait(10)
        connection.sendall(b"}")

    monkeypatch.setattr(model_client, "pieces", watched)
    with raw(talk) as url:
        answer = ask(url)
    assert (answer.text, taken) == ("{}", [b"{", b"}"])
    assert answer.stalled_ms > 0


class Clock:
    """A clock that advances by the delay of each piece."""

    def __init__(self) -> None:
        self.now = 0.0

    def pieces(self, *pieces: tuple[float, bytes]) -> Iterator[bytes]:
        for seconds, piece in pieces:
            self.now += seconds
            yield piece


@pytest.mark.parametrize(
    ("pieces", "longest"),
    [
        ([], 0),
        ([(5, b"{}")], 0),
        ([(5, b"{"), (0.1, b"a"), (2, b"b"), (0.3, b"}")], 2000),
        # Blanks and comments only keep the connection open: the answer has not begun.
        ([(1, b" "), (3, b"\n\n"), (4, b": thinking\n\n"), (5, b"{"), (0.2, b"}")], 200),
        ([(1, b"{"), (3, b" "), (1, b"}")], 3000),
    ],
    ids=readable,
)
def test_only_a_pause_in_the_middle_of_an_answer_counts_as_stalled(
    pieces: list[tuple[float, bytes]], longest: float
) -> None:
    clock = Clock()
    whole, stalled_ms, _ = read(clock.pieces(*pieces), 100, clock=lambda: clock.now)
    assert whole == b"".join(piece for _, piece in pieces)
    assert stalled_ms == longest


def test_a_piece_after_the_deadline_is_a_timeout() -> None:
    clock = Clock()
    with pytest.raises(TimeoutError):
        read(clock.pieces((5, b"{"), (6, b"}")), 10, clock=lambda: clock.now)


NOW = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "0.25"}, 0.25),
        ({"retry-after-ms": "120", "Retry-After": "9"}, 0.12),
        ({"retry-after-ms": "soon", "Retry-After": "9"}, 9),
        ({"Retry-After": "Wed, 25 Nov 2026 12:00:20 GMT"}, 20),
        ({"Retry-After": "Wed, 25 Nov 2026 12:00:20"}, 20),
        ({"Retry-After": "Wed, 25 Nov 2026 11:00:00 GMT"}, 0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "inf"}, None),
        # An impossible time zone must not raise.
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 +99999999999999"}, 0),
    ],
    ids=readable,
)
def test_retry_after_is_seconds_or_a_date(
    monkeypatch: pytest.MonkeyPatch, headers: dict[str, str], seconds: float | None
) -> None:
    monkeypatch.setattr("urllib3.util.retry.time", SimpleNamespace(time=NOW.timestamp))
    assert retry_after(headers) == seconds


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"a": "Bearer sk-a/real-secret"}', "application/json"),
        (b'{"a": ["\\u0073k-a/real-secret"]}', "application/json"),
        (b'{"sk-a\\/real-secret": 1}', "application/json"),
        (b"data: Bearer sk-a/real-secret", "text/event-stream; key=sk-a/real-secret"),
    ],
)
def test_an_echoed_key_is_removed_in_every_spelling(body: bytes, kind: str) -> None:
    with serving(lambda request: Response(200, body, kind)) as url:
        answer = ask(url, key="sk-a/real-secret")
    text = answer.text if "stream" in kind else str(json.loads(answer.text))
    assert "real-secret" not in text + answer.content_type
    assert "[key]" in text


def test_netrc_does_not_replace_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login bob password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setattr("pytest_execgo.transport.client.is_local", lambda url: False)
    seen: list[str | None] = []

    def look(request: Request) -> Response:
        seen.append(request.headers.get("authorization"))
        return json_response(REPLY)

    with serving(look) as url:
        ask(url, key="sk-a-real-secret")
        ask(url)
    assert seen == ["Bearer sk-a-real-secret", None]


def test_the_certificates_of_the_user_apply_to_a_local_endpoint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/some/bundle.pem")
    assert session_for("https://localhost:1/v1").verify == "/some/bundle.pem"
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    assert session_for("https://localhost:1/v1").verify is True


def test_a_redirect_is_not_followed() -> None:
    asked = []

    def redirect(request: Request) -> Response:
        asked.append(request.path)
        return Response(307, headers={"Location": "/elsewhere"})

    with serving(redirect) as url:
        answer = ask(url)
    assert (answer.status, answer.text, len(asked)) == (307, "/elsewhere", 1)


@pytest.mark.parametrize(
    ("key", "status", "kept"),
    [
        ("sk-a-real-secret", 200, False),
        ("sk-a-real-secret", 400, False),
        # A word that people set where no key is needed, and that may occur in a plan.
        ("test", 200, True),
        # Short, but with a digit: not a word.
        ("sk-short1", 200, False),
        ("test", 400, False),
    ],
)
def test_an_echoed_key_is_removed_unless_it_is_a_word_in_a_good_answer(
    key: str, status: int, kept: bool
) -> None:
    def echo(request: Request) -> Response:
        body: dict[str, Any] = {**REPLY, "echo": f"run {key} now"}
        return json_response(body, status)

    with serving(echo) as url:
        assert (key in ask(url, key=key).text) is kept
