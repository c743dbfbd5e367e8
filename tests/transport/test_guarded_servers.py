"""The servers between a framework and its model serve this framework only: the model gateway, and the
proxy in front of the model. What they refuse reaches no model."""

from __future__ import annotations

import hmac
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from pytest_execgo.adapter.base import PlanTrace
from pytest_execgo.adapter.budget import Budget
from pytest_execgo.adapter.endpoint import Endpoint
from pytest_execgo.adapter.gateway import ModelGateway
from pytest_execgo.chaos.model_proxy import ModelProxy
from pytest_execgo.emulators.httpd import Request, Response, json_response
from pytest_execgo.models.context import PlanBudget
from pytest_execgo.transport import loopback
from pytest_execgo.transport.guarded import MOST_REQUEST_BYTES, GuardedHandler
from tests.endpoints import Document, serving
from tests.ids import readable
from tests.raw import exchange, raw_request

KEY = "sk-never-to-be-seen-0123456789"
JSON = "Content-Type: application/json"
REPLY = {"choices": [{"message": {"role": "assistant", "content": "{}"}}]}


@dataclass(frozen=True)
class Guarded:
    """A server in front of a model: its base URL, and the address of a request to it."""

    base: str
    model: Document

    @property
    def url(self) -> str:
        return f"{self.base}/chat/completions"

    @property
    def secret(self) -> str:
        return urlsplit(self.base).path.split("/")[1]


@pytest.fixture
def model() -> Iterator[Document]:
    found = Document(json_response(REPLY))
    yield found
    found.close()


def gateway_to(base_url: str) -> ModelGateway:
    source, budget = Endpoint(base_url, KEY, 5), Budget(PlanBudget(), 0)
    return ModelGateway(source, PlanTrace(), budget, pause=lambda seconds: None)


@pytest.fixture(scope="module", params=["gateway", "proxy"])
def running_server(request: pytest.FixtureRequest) -> Iterator[Guarded]:
    model = Document(json_response(REPLY))
    budget = Budget(PlanBudget(requests=10_000), 0)
    with closing(model):
        if request.param == "gateway":
            with ModelGateway(Endpoint(model.url, KEY, 5), PlanTrace(), budget) as gateway:
                yield Guarded(gateway.url, model)
        else:
            with ModelProxy().before(model.url, 5) as url:
                yield Guarded(url, model)


@pytest.fixture
def guarded_server(running_server: Guarded) -> Guarded:
    """A server in front of a model that was not asked yet. It is shared, since it keeps nothing."""
    running_server.model.asked.clear()
    return running_server


def refused(server: Guarded, sent: bytes, status: int) -> str:
    """The message of the refusal; asserts that the model was not asked, and that the server closes the
    connection but serves the next one."""
    reply = exchange(server.base, sent)
    assert reply.status == status, reply
    assert server.model.asked == []
    assert "\r\nConnection: close" in reply.head
    assert server.secret not in reply.head + reply.body.decode()
    assert exchange(server.url, raw_request(server.url)).status == 200
    if not reply.body:
        return ""
    error = reply.json["error"]
    assert error["type"] == "invalid_request_error"
    return str(error["message"])


def test_the_base_url_serves_both_paths_of_a_model(guarded_server: Guarded) -> None:
    for path in ("/chat/completions", "/responses"):
        url = f"{guarded_server.base}{path}"
        assert exchange(url, raw_request(url)).status == 200
    assert [one.path for one in guarded_server.model.asked] == [
        "/v1/chat/completions",
        "/v1/responses",
    ]


def test_two_servers_have_two_long_secrets(model: Document) -> None:
    with gateway_to(model.url) as one, gateway_to(model.url) as other:
        first, second = (urlsplit(gateway.url).path.split("/")[1] for gateway in (one, other))
    assert first != second
    assert min(len(first), len(second)) >= 32


TARGETS = [
    "/v1/chat/completions",
    "/chat/completions",
    "/{wrong}{base}/chat/completions",
    "/{short}{base}/chat/completions",
    "/{secret}x{base}/chat/completions",
    "{secret}{base}/chat/completions",
    "//{secret}{base}/chat/completions",
    "/./{secret}{base}/chat/completions",
    "/%2f{secret}{base}/chat/completions",
    "/",
    "*",
    "/{secret}",
    "/{secret}/",
    "/{secret}{base}",
    "/{secret}{base}/",
    "/{secret}{base}/files",
    "/{secret}{base}/models",
    "/{secret}{base}/embeddings",
    "/{secret}{base}/chat/completions/",
    "/{secret}{base}/chat/completions/x",
    "/{secret}{base}//chat/completions",
    "/{secret}{base}/chat//completions",
    "/{secret}{base}/./chat/completions",
    "/{secret}{base}/../v1/chat/completions",
    "/{secret}{base}/files/../chat/completions",
    "/{secret}{base}/chat%2fcompletions",
    "/{secret}{base}/%63hat/completions",
    "/{secret}{base}/chat\\completions",
    "/{secret}{base}/CHAT/completions",
    "/{secret}{base}/chat/completions?key=1",
    "/{secret}{base}/chat/completions?",
    "/{secret}{base}/chat/completions#x",
    "/{secret}{base}/chat/completions;x",
    "/{secret}{base}/chat/completions\x00",
    "/{secret}{base}@evil/chat/completions",
    "/{secret}{base}/@evil/chat/completions",
    "/{secret}@evil/x",
    "@evil/x",
    "@evil/{secret}{base}/chat/completions",
    ":80@evil/x",
    "evil:443",
    "http://evil/x",
    "http://evil/{secret}{base}/chat/completions",
    "http://{host}/{secret}{base}/chat/completions",
    "//evil/x",
    "//evil/{secret}{base}/chat/completions",
    "///{secret}{base}/chat/completions",
    "\\\\evil/x",
]


@pytest.mark.parametrize("target", TARGETS, ids=readable)
def test_only_the_exact_addresses_are_served(guarded_server: Guarded, target: str) -> None:
    secret, parts = guarded_server.secret, urlsplit(guarded_server.base)
    wrong = secret[:-1] + ("0" if secret[-1] != "0" else "1")
    filled = target.format(
        secret=secret,
        wrong=wrong,
        short=secret[:-1],
        base=parts.path.removeprefix(f"/{secret}"),
        host=parts.netloc,
    )
    refused(guarded_server, raw_request(guarded_server.url, target=filled), 404)


def test_a_path_that_is_not_served_is_unknown_in_every_method(guarded_server: Guarded) -> None:
    sent = raw_request(guarded_server.url, method="GET", target="/v1/models")
    refused(guarded_server, sent, 404)


@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "post", "X"]
)
def test_only_post_is_served(guarded_server: Guarded, method: str) -> None:
    message = refused(guarded_server, raw_request(guarded_server.url, method=method), 405)
    assert message or method == "HEAD"


@pytest.mark.parametrize(
    "host",
    [
        "evil", "evil:{port}", "127.0.0.1", "127.0.0.1:1", "127.0.0.1:{port}0", "localhost",
        "127.0.0.1:{port}.evil", "localhost.evil:{port}", "127.0.0.1:{port}@evil", "[::1]:{port}",
        "evil@127.0.0.1:{port}", "127.0.0.1:{port}, evil", "", "2130706433:{port}",
        "127.0.0.1:{port}\r\nHost: evil", "evil\r\nHost: 127.0.0.1:{port}",
    ],
    ids=readable,
)  # fmt: skip
def test_a_request_for_another_host_is_refused(guarded_server: Guarded, host: str) -> None:
    """A page whose name is bound to 127.0.0.1 (DNS rebinding) still sends its own name."""
    filled = host.format(port=urlsplit(guarded_server.base).port)
    sent = raw_request(guarded_server.url, host=filled)
    assert "own address" in refused(guarded_server, sent, 403)


def test_a_request_without_a_host_is_refused(guarded_server: Guarded) -> None:
    sent = raw_request(guarded_server.url).replace(b"Host:", b"X-Host:")
    refused(guarded_server, sent, 403)


def test_localhost_is_the_own_address_too(guarded_server: Guarded) -> None:
    sent = raw_request(guarded_server.url, host=f"LOCALHOST:{urlsplit(guarded_server.base).port}")
    assert exchange(guarded_server.url, sent).status == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "", "http://{own}"])
def test_a_request_of_a_web_page_is_refused(guarded_server: Guarded, origin: str) -> None:
    own = urlsplit(guarded_server.base).netloc
    headers = [f"Origin: {origin.format(own=own)}", JSON, "Content-Length: 2"]
    message = refused(guarded_server, raw_request(guarded_server.url, headers=headers), 403)
    assert "web pages" in message


@pytest.mark.parametrize(
    "headers",
    [
        [], ["Content-Type: text/plain"], ["Content-Type:"], ["Content-Type: application"],
        ["Content-Type: text/plain;x=application/json"], ["Content-Type: application/jsonp"],
        ["Content-Type: text/plain, application/json"], ["Content-Type: application/json, text/plain"],
        ["Content-Type: multipart/form-data; boundary=application/json"],
        [JSON, "Content-Type: text/plain"], ["Content-Type: text/plain", JSON],
    ],
    ids=readable,
)  # fmt: skip
def test_a_body_that_is_not_declared_as_json_is_refused(
    guarded_server: Guarded, headers: list[str]
) -> None:
    sent = raw_request(guarded_server.url, headers=[*headers, "Content-Length: 2"])
    refused(guarded_server, sent, 415)


@pytest.mark.parametrize("kind", ["Application/JSON", "application/json; charset=utf-8"])
def test_a_media_type_is_parsed(guarded_server: Guarded, kind: str) -> None:
    headers = [f"Content-Type: {kind}", "Content-Length: 2"]
    sent = raw_request(guarded_server.url, headers=headers)
    assert exchange(guarded_server.url, sent).status == 200


CHUNKED = "Transfer-Encoding: chunked"
LENGTHS: list[tuple[list[str], bytes, int]] = [
    (["Content-Length: x"], b"{}", 400),
    (["Content-Length: -1"], b"{}", 400),
    (["Content-Length: +2"], b"{}", 400),
    (["Content-Length: 0x2"], b"{}", 400),
    (["Content-Length: 1_0"], b"{}", 400),
    (["Content-Length: 2, 2"], b"{}", 400),
    (["Content-Length: \xb2"], b"{}", 400),
    (["Content-Length:"], b"{}", 400),
    (["Content-Length: 2", "Content-Length: 3"], b"{}", 400),
    (["Content-Length: 2", "Content-Length: 2"], b"{}", 400),
    ([], b"", 411),
    (["Content-Length: 2", CHUNKED], b"2\r\n{}\r\n0\r\n\r\n", 400),
    (["Transfer-Encoding: gzip, chunked"], b"2\r\n{}\r\n0\r\n\r\n", 400),
    (["Transfer-Encoding: xchunked"], b"2\r\n{}\r\n0\r\n\r\n", 400),
    ([CHUNKED, CHUNKED], b"2\r\n{}\r\n0\r\n\r\n", 400),
    ([CHUNKED], b"x\r\n{}\r\n0\r\n\r\n", 400),
    ([CHUNKED], b"-2\r\n{}\r\n0\r\n\r\n", 400),
    ([CHUNKED], b"0x2\r\n{}\r\n0\r\n\r\n", 400),
    ([CHUNKED], b"2_0\r\n{}\r\n0\r\n\r\n", 400),
    ([CHUNKED], b"\r\n{}\r\n0\r\n\r\n", 400),
    ([CHUNKED], b"1\r\n{}\r\n0\r\n\r\n", 400),
    ([CHUNKED], b"2\n{}\r\n0\r\n\r\n", 400),
    ([CHUNKED], b"2;" + b"x" * 2000 + b"\r\n{}\r\n0\r\n\r\n", 400),
    ([CHUNKED], b"f" * 16 + b"\r\n{}", 400),
    ([CHUNKED], b"2\r\n{}\r\n0\r\n" + b"a: b\r\n" * 1000 + b"\r\n", 400),
    ([CHUNKED], b"f" * 15 + b"\r\n{}", 413),
    ([CHUNKED], b"1400001\r\n{}", 413),
    ([f"Content-Length: {MOST_REQUEST_BYTES + 1}"], b"{}", 413),
    (["Content-Length: " + "9" * 5000], b"{}", 413),
]  # fmt: skip


@pytest.mark.parametrize(("headers", "body", "status"), LENGTHS, ids=readable)
def test_a_wrong_length_gets_an_answer(
    guarded_server: Guarded,
    headers: list[str],
    body: bytes,
    status: int,
    capfd: pytest.CaptureFixture[str],
) -> None:
    sent = raw_request(guarded_server.url, headers=[JSON, *headers], body=body)
    assert refused(guarded_server, sent, status)
    assert capfd.readouterr().err == ""


def test_a_client_that_sends_too_much_still_gets_its_answer(guarded_server: Guarded) -> None:
    size = MOST_REQUEST_BYTES + 1
    headers = [JSON, f"Content-Length: {size}"]
    sent = raw_request(guarded_server.url, headers=headers, body=b" " * size)
    assert "larger than" in refused(guarded_server, sent, 413)


def test_chunks_that_are_too_large_together_are_refused(guarded_server: Guarded) -> None:
    chunk = b"%x\r\n%b\r\n" % (2**20, b" " * 2**20)
    sent = raw_request(guarded_server.url, headers=[JSON, CHUNKED], body=chunk * 21)
    refused(guarded_server, sent, 413)


def test_chunks_with_extensions_and_trailers_are_one_body(guarded_server: Guarded) -> None:
    body = b'3;a="b"\r\n{"a\r\n4 \r\n":1}\r\n000\r\nx: y\r\n\r\n'
    sent = raw_request(guarded_server.url, headers=[JSON, CHUNKED], body=body)
    assert exchange(guarded_server.url, sent).status == 200
    assert json.loads(guarded_server.model.asked[0].body) == {"a": 1}


@pytest.mark.parametrize(
    "sent",
    [
        b"no HTTP at all\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"POST /x\r\n\r\n",
        b"GET /x\r\n\r\n",
        b"POST /x HTTP/9.9\r\n\r\n",
        b"POST /x HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n",
        b"POST /" + b"x" * 70000 + b" HTTP/1.1\r\n\r\n",
        b"POST /x HTTP/1.1\r\na: " + b"x" * 70000 + b"\r\n\r\n",
    ],
    ids=readable,
)
def test_what_is_not_http_gets_an_error_and_no_traceback(
    guarded_server: Guarded, sent: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    reply = exchange(guarded_server.base, sent)
    assert 400 <= reply.status < 600
    assert reply.json["error"]["message"]
    assert (guarded_server.model.asked, capfd.readouterr().err) == ([], "")


@pytest.mark.parametrize(
    "sent", [b"", b"POST /x HT", b"POST /x HTTP/1.1\r\nHost: x\r\n"], ids=readable
)
def test_half_a_head_is_no_request(
    guarded_server: Guarded, sent: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    parts = urlsplit(guarded_server.base)
    with socket.create_connection((parts.hostname, parts.port), 20) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass
    assert (guarded_server.model.asked, capfd.readouterr().err) == ([], "")


@pytest.mark.parametrize(
    ("length", "body"),
    [("Content-Length: 3", b"{}"), (CHUNKED, b"2\r\n{}\r\n"), (CHUNKED, b"5\r\n{}")],
    ids=readable,
)
def test_half_a_body_is_no_request(
    guarded_server: Guarded, length: str, body: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    parts = urlsplit(guarded_server.base)
    with socket.create_connection((parts.hostname, parts.port), 20) as connection:
        connection.sendall(raw_request(guarded_server.url, headers=[JSON, length], body=body))
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(65536) == b""
    assert (guarded_server.model.asked, capfd.readouterr().err) == ([], "")


@pytest.mark.parametrize("sent", ["nothing", "half a head", "half a body", "drops of a head"])
def test_a_client_that_does_not_send_its_request_is_left(
    guarded_server: Guarded, sent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GuardedHandler, "idle_seconds", 0.05)
    monkeypatch.setattr(GuardedHandler, "request_seconds", 0.1)
    whole = raw_request(guarded_server.url)
    parts, over = urlsplit(guarded_server.base), threading.Event()
    with socket.create_connection((parts.hostname, parts.port), 20) as connection:
        connection.sendall({"half a head": whole[:20], "half a body": whole[:-1]}.get(sent, b""))

        def drip() -> None:
            # Each byte comes in time, the whole never does.
            while not over.wait(0.01):
                try:
                    connection.sendall(b"P")
                except OSError:
                    return

        if sent == "drops of a head":
            threading.Thread(target=drip, daemon=True).start()
        try:
            assert connection.recv(65536) == b""
        except ConnectionError:
            pass
        finally:
            over.set()
    assert guarded_server.model.asked == []


def test_a_connection_serves_several_requests(guarded_server: Guarded) -> None:
    one = raw_request(guarded_server.url).replace(b"Connection: close\r\n", b"")
    reply = exchange(guarded_server.url, one + one + raw_request(guarded_server.url))
    assert reply.body.count(b"HTTP/1.1 200") == 2
    assert len(guarded_server.model.asked) == 3


def test_the_rest_of_a_refused_request_is_not_a_request(guarded_server: Guarded) -> None:
    """Otherwise a web page could hide a whole request in the body of one that browsers allow."""
    hidden = raw_request(guarded_server.url)
    headers = ["Content-Type: text/plain", f"Content-Length: {len(hidden)}"]
    sent = raw_request(guarded_server.url, headers=headers, body=hidden)
    sent = sent.replace(b"Connection: close\r\n", b"Connection: keep-alive\r\n", 1)
    reply = exchange(guarded_server.url, sent)
    assert (reply.status, reply.body.count(b"HTTP/1.1")) == (415, 0)
    assert guarded_server.model.asked == []


def connect(server: Guarded) -> socket.socket:
    parts = urlsplit(server.base)
    return socket.create_connection((parts.hostname, parts.port), 20)


def served_connection(server: Guarded) -> socket.socket:
    """An open connection that the server accepted. Connections of earlier tests count for a moment."""
    one = raw_request(server.url).replace(b"Connection: close\r\n", b"")
    while True:
        connection = connect(server)
        with suppress(ConnectionError):
            connection.sendall(one)
            if connection.recv(12) == b"HTTP/1.1 200":
                return connection
        connection.close()


def test_more_connections_than_allowed_are_closed(
    guarded_server: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loopback, "MOST_CONNECTIONS", 1)
    with served_connection(guarded_server), connect(guarded_server) as second:
        assert second.recv(1) == b""


def test_secrets_are_compared_in_constant_time(
    guarded_server: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", compare)
    exchange(guarded_server.base, raw_request(guarded_server.url, target="/guess/v1/x"))
    assert compared == [(b"guess", guarded_server.secret.encode())]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"null", b"[]", b'"x"', b"1", b"[" * 100_000, b'{"a":' * 5000], ids=readable
)
def test_the_gateway_passes_on_json_objects_only(model: Document, body: bytes) -> None:
    with gateway_to(model.url) as gateway:
        url = f"{gateway.url}/chat/completions"
        headers = [JSON, f"Content-Length: {len(body)}"]
        reply = exchange(url, raw_request(url, headers=headers, body=body))
    assert (reply.status, model.asked, gateway.exchanges) == (400, [], [])
    assert "must be a JSON object" in reply.json["error"]["message"]


def test_the_key_reaches_no_host_that_a_request_names(model: Document) -> None:
    """The base URL has no path, so a target that is appended to it could become another host."""
    seen: list[Any] = []

    def evil(request: Request) -> Response:
        seen.append(request)
        return json_response(REPLY)

    with serving(evil) as evil_url, gateway_to(f"http://{urlsplit(model.url).netloc}") as gateway:
        evil_host = urlsplit(evil_url).netloc
        for target in (
            f"@{evil_host}/x",
            f"/v1@{evil_host}/x",
            f"//{evil_host}/x",
            f"{evil_url}/x",
        ):
            for host in (evil_host, urlsplit(gateway.url).netloc):
                sent = raw_request(gateway.url, target=target, host=host)
                assert exchange(gateway.url, sent).status in (403, 404)
    assert (seen, model.asked) == ([], [])


def test_a_recording_has_the_path_below_the_base_url(model: Document) -> None:
    with gateway_to(model.url) as gateway:
        for path in ("/chat/completions", "/responses"):
            url = f"{gateway.url}{path}"
            exchange(url, raw_request(url))
    assert [one.path for one in gateway.exchanges] == ["/chat/completions", "/responses"]


def test_an_error_of_a_framework_is_recorded_without_the_secret(model: Document) -> None:
    with gateway_to(model.url) as gateway:
        text = gateway.without_secret(f"400 Client Error for url: {gateway.url}/responses")
    assert text.endswith("/[secret]/v1/responses")


def test_an_answer_that_is_not_text_does_not_break_the_gateway(model: Document) -> None:
    model.answers = [Response(200, b"\xff\xfe\x00", "application/json; charset=utf-7")]
    with gateway_to(model.url) as gateway:
        url = f"{gateway.url}/chat/completions"
        assert exchange(url, raw_request(url)).status == 400
    assert isinstance(gateway.exchanges[0].answer, str)
