"""Traffic between our own parts does not pass through what tests replace, nor through proxies."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import ClassVar

import httpretty
import pytest
import pytest_socket
import requests
import requests_mock
import responses
import urllib3
import vcr

from pytest_execgo.harness.processes.service import free_port
from pytest_execgo.harness.proxy import FaultProxy
from pytest_execgo.system.sockets import OwnSocket
from pytest_execgo.transport.bounded import fetch
from pytest_execgo.transport.client import shield
from pytest_execgo.transport.guarded import GuardedHandler
from pytest_execgo.transport.loopback import LoopbackServer
from pytest_execgo.transport.model_client import ModelClient

Double = Callable[[pytest.MonkeyPatch, ExitStack], object]


class NetworkForbidden(RuntimeError):
    """What fixtures of users raise."""


def forbid(*args: object, **options: object) -> None:
    raise NetworkForbidden


def forbidding(owner: object, *names: str) -> Double:
    def use(patch: pytest.MonkeyPatch, stack: ExitStack) -> None:
        for name in names:
            patch.setattr(owner, name, forbid)

    return use


@contextmanager
def sockets_disabled() -> Iterator[None]:
    pytest_socket.disable_socket()
    try:
        yield
    finally:
        pytest_socket.enable_socket()


@contextmanager
def hosts_allowed() -> Iterator[None]:
    pytest_socket.socket_allow_hosts(["192.0.2.1"])
    try:
        yield
    finally:
        pytest_socket._remove_restrictions()


DOUBLES: dict[str, Double] = {
    "the-recipe-of-pytest": lambda patch, stack: patch.delattr("requests.sessions.Session.request"),
    "session-methods": forbidding(requests.Session, "request", "send", "get", "post", "get_adapter"),
    "adapter": forbidding(requests.adapters.HTTPAdapter, "send"),
    "responses": lambda patch, stack: stack.enter_context(responses.RequestsMock()),
    "requests-mock": lambda patch, stack: stack.enter_context(requests_mock.Mocker()),
    "httpretty": lambda patch, stack: stack.enter_context(httpretty.enabled(allow_net_connect=False)),
    "vcrpy": lambda patch, stack: stack.enter_context(
        vcr.use_cassette("none.yaml", record_mode=vcr.mode.NONE)
    ),
    "pytest-socket": lambda patch, stack: stack.enter_context(sockets_disabled()),
    "pytest-socket-hosts": lambda patch, stack: stack.enter_context(hosts_allowed()),
    "socket-class": forbidding(socket, "socket", "create_connection", "getaddrinfo"),
    "socket-methods": forbidding(
        socket.socket, "connect", "connect_ex", "send", "sendall", "recv", "recv_into", "bind", "accept"
    ),
    "urllib3-pool": forbidding(urllib3.connectionpool.HTTPConnectionPool, "urlopen"),
    "http.client": forbidding(http.client.HTTPConnection, "request", "connect", "send"),
}  # fmt: skip


@pytest.fixture(params=DOUBLES)
def doubled(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[[], None]]:
    """Call it to put a double in force. Until then, a test can prepare its servers."""
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack, monkeypatch.context() as patch:

        def use() -> None:
            DOUBLES[request.param](patch, stack)

        yield use


class Hello(BaseHTTPRequestHandler):
    """Answers with the path; keeps the headers of each request."""

    seen: ClassVar[list[dict[str, str]]] = []

    def do_GET(self) -> None:
        self.seen.append({name.lower(): value for name, value in self.headers.items()})
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        body = json.dumps({"hello": self.path}).encode()
        self.send_response_only(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET


@contextmanager
def hello() -> Iterator[str]:
    # A server of the test would be affected by the double itself; this one has sockets of its own.
    with LoopbackServer(Hello) as server:
        yield server.url


def test_service_is_asked(doubled: Callable[[], None]) -> None:
    with hello() as url:
        doubled()
        assert fetch("GET", f"{url}/x", timeout=10).json() == {"hello": "/x"}


def test_fault_proxy_forwards(doubled: Callable[[], None]) -> None:
    with hello() as url:
        doubled()
        proxy = FaultProxy(url)
        try:
            assert fetch("GET", f"{proxy.url}/x", timeout=10).json() == {"hello": "/x"}
        finally:
            proxy.close()


class Answering(GuardedHandler):
    name = "a server of a test"

    def serve(self, path: str, body: bytes) -> None:
        self.send_response_only(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def test_loopback_server_answers(doubled: Callable[[], None]) -> None:
    doubled()
    with LoopbackServer(Answering) as server:
        answer = fetch("POST", f"{server.secret_url}/chat/completions", json={"a": 1}, timeout=10)
        assert answer.json() == {"a": 1}


# The model's endpoint is asked with requests, for its proxies and certificates: what a test replaces
# deep inside urllib3 or http.client reaches it.
BELOW_REQUESTS = ("urllib3-pool", "http.client")


def test_model_is_asked(doubled: Callable[[], None], request: pytest.FixtureRequest) -> None:
    if request.node.callspec.params["doubled"] in BELOW_REQUESTS:
        pytest.skip("not shielded: see docs/adapters.md")
    with hello() as url, closing(ModelClient(f"{url}/v1")) as client:
        doubled()
        reply = client.post("/chat/completions", 10, json={})
        assert (reply.status, reply.body) == (200, b'{"hello": "/v1/chat/completions"}')


def test_free_port_is_found(doubled: Callable[[], None]) -> None:
    doubled()
    assert free_port() > 0


OF_REQUESTS = ("the-recipe-of-pytest", "session-methods", "adapter", "responses", "requests-mock")


@pytest.mark.parametrize("name", OF_REQUESTS)
def test_session_of_another_package_can_be_shielded(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK of Docker is a session of requests."""

    class Sdk(requests.Session):
        def get_adapter(self, url: str) -> requests.adapters.BaseAdapter:
            return super().get_adapter(url)

    with hello() as url, ExitStack() as stack, Sdk() as session:
        shield(session)
        DOUBLES[name](monkeypatch, stack)
        assert session.get(url, timeout=10).status_code == 200


# -- the user's environment

PROXIES = {
    "HTTP_PROXY": "http://127.0.0.1:1", "http_proxy": "http://127.0.0.1:1",
    "HTTPS_PROXY": "http://127.0.0.1:1", "ALL_PROXY": "socks5://127.0.0.1:1", "NO_PROXY": "",
    "REQUESTS_CA_BUNDLE": "/none", "CURL_CA_BUNDLE": "/none", "SSL_CERT_FILE": "/none",
    "SSLKEYLOGFILE": "/none/keys",
}  # fmt: skip


def test_proxies_and_credentials_of_the_user_are_not_used_between_our_parts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login x password y\n")
    (tmp_path / ".netrc").chmod(0o600)
    for name, value in {**PROXIES, "HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    Hello.seen.clear()
    with hello() as url, closing(ModelClient(f"{url}/v1")) as client:
        assert fetch("GET", url, timeout=10).status == 200
        assert client.post("/chat/completions", 10, json={}).status == 200
    assert len(Hello.seen) == 2
    assert not [one for one in Hello.seen if "authorization" in one]


def test_own_socket_is_found_where_the_class_is_replaced_already() -> None:
    assert OwnSocket.__mro__[1].__module__ == "socket"
    assert OwnSocket.__mro__[1].__name__ == "socket"


def test_connection_that_is_accepted_blocks_as_usual() -> None:
    from pytest_execgo.system import sockets

    with sockets.listening("127.0.0.1") as listener:
        listener.settimeout(10)
        port = listener.getsockname()[1]
        accepted: list[OwnSocket] = []
        thread = threading.Thread(target=lambda: accepted.append(listener.accept()[0]))
        thread.start()
        with sockets.connect("127.0.0.1", port, 10):
            thread.join()
            assert isinstance(accepted[0], OwnSocket)
            assert accepted[0].gettimeout() is None
            accepted[0].close()
