"""The proxy in front of a model is invisible except for the faults that were injected."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from pytest_execgo.chaos.model_proxy import Ask, ModelFault, ModelProxy, Reply
from pytest_execgo.emulators.httpd import Response, json_response
from tests.endpoints import Document

PATH = "/v1/chat/completions"


@pytest.fixture
def model() -> Iterator[Document]:
    found = Document(json_response({"choices": []}))
    yield found
    found.close()


@contextmanager
def proxied(model: Document, *faults: ModelFault) -> Iterator[tuple[ModelProxy, str]]:
    proxy = ModelProxy()
    for fault in faults:
        proxy.inject(fault)
    with proxy.before(model.url, 5) as url:
        yield proxy, f"{url}/chat/completions"


def ask(url: str, timeout: float = 5) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        headers = {"Authorization": "Bearer key"}
        return session.post(
            url, json={"model": "m"}, headers=headers, timeout=timeout, allow_redirects=False
        )


@pytest.mark.parametrize(
    "response",
    [
        json_response({"choices": [1]}),
        json_response({"error": {"message": "no"}}, 401),
        Response(429, b"{}", "application/json", {"Retry-After": "7", "x-request-id": "a"}),
        Response(308, headers={"Location": "http://127.0.0.1:9/"}),
        Response(200, b"data: {}\n\n", "text/event-stream"),
    ],
)
def test_without_a_fault_requests_and_replies_pass_unchanged(
    model: Document, response: Response
) -> None:
    model.answers = [response]
    with proxied(model) as (_, url):
        reply = ask(url)
    direct = ask(f"{model.url}/chat/completions")
    assert (reply.status_code, reply.content) == (direct.status_code, direct.content)
    assert dict(reply.headers) == dict(direct.headers)
    through, straight = model.asked
    assert (through.path, through.body) == (straight.path, straight.body) == (PATH, straight.body)
    same = ("authorization", "content-type", "user-agent", "accept")
    assert [through.headers.get(n) for n in same] == [straight.headers.get(n) for n in same]


def test_an_unreachable_model_stays_unreachable(model: Document) -> None:
    model.close()
    with proxied(model) as (_, url), pytest.raises(requests.ConnectionError):
        ask(url)


def test_a_silent_model_stays_silent(model: Document) -> None:
    proxy = ModelProxy()
    over = threading.Event()
    model.before = lambda: over.wait(10)
    with proxy.before(model.url, 0.1) as url, pytest.raises(requests.ReadTimeout):
        ask(f"{url}/chat/completions", timeout=0.4)
    over.set()


def fault(status: int, *, after: int = 0, times: int = 1) -> ModelFault:
    return ModelFault(lambda ask: Reply(status), after, times)


def statuses(url: str, count: int) -> list[int]:
    return [ask(url).status_code for _ in range(count)]


def test_a_fault_skips_some_requests_and_affects_the_next_ones(model: Document) -> None:
    waiting = fault(503, after=2, times=2)
    with proxied(model, waiting) as (_, url):
        assert statuses(url, 6) == [200, 200, 503, 503, 200, 200]
    assert len(model.asked) == 4
    assert waiting.injected_at is not None


def test_each_of_two_faults_counts_all_requests(model: Document) -> None:
    with proxied(model, fault(429), fault(503, after=1)) as (_, url):
        assert statuses(url, 3) == [429, 503, 200]


def test_zero_times_affects_all_requests(model: Document) -> None:
    with proxied(model, fault(503, times=0)) as (_, url):
        assert statuses(url, 4) == [503] * 4
    assert model.asked == []


def test_a_healed_fault_affects_no_request(model: Document) -> None:
    waiting = fault(503, times=0)
    with proxied(model, waiting) as (proxy, url):
        assert statuses(url, 1) == [503]
        proxy.heal(waiting)
        assert statuses(url, 1) == [200]


def test_a_request_that_cannot_be_affected_is_not_counted_and_asks_the_model_once(
    model: Document,
) -> None:
    replies = iter([None, Reply(503)])

    def faulty_reply(ask: Ask) -> Reply | None:
        ask()
        return next(replies)

    waiting = ModelFault(faulty_reply, after=0, times=1)
    with proxied(model, waiting) as (_, url):
        assert ask(url).status_code == 200
        assert (waiting.injected_at, len(model.asked)) == (None, 1)
        assert statuses(url, 2) == [503, 200]
    assert waiting.injected_at is not None


def test_a_single_fault_affects_one_of_two_concurrent_requests(model: Document) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def faulty_reply(ask: Ask) -> Reply | None:
        begun.set()
        go_on.wait(10)
        return Reply(503)

    found: list[int] = []
    with proxied(model, ModelFault(faulty_reply, 0, 1)) as (_, url):
        asking = threading.Thread(target=lambda: found.append(ask(url, 20).status_code))
        asking.start()
        assert begun.wait(10)
        go_on.set()
        found += statuses(url, 1)
        asking.join(10)
    assert sorted(found) == [200, 503]


def test_a_client_that_closed_its_connection_is_not_affected(model: Document) -> None:
    """The client gives up while the model thinks: the fault waits for the next request."""
    thinking, go_on = threading.Event(), threading.Event()
    first = iter([True])

    def faulty_reply(ask: Ask) -> Reply | None:
        if next(first, False):
            thinking.set()
            go_on.wait(10)
        return Reply(503)

    waiting = ModelFault(faulty_reply, 0, 1)
    with proxied(model, waiting) as (_, url):
        with pytest.raises(requests.ReadTimeout):
            ask(url, timeout=0.2)
        assert thinking.is_set()
        go_on.set()
        assert statuses(url, 2) == [503, 200]


def test_a_silence_ends_with_the_proxy(model: Document) -> None:
    asked = threading.Event()
    found: list[object] = []

    def keep_silent(ask: Ask) -> Reply:
        asked.set()
        return Reply(0, silent=True)

    def wait_for_it(url: str) -> None:
        try:
            ask(url, timeout=60)
        except requests.ConnectionError as error:
            found.append(error)

    with proxied(model, ModelFault(keep_silent, 0, 0)) as (_, url):
        asking = threading.Thread(target=wait_for_it, args=(url,))
        asking.start()
        assert asked.wait(10)
    asking.join(10)
    assert len(found) == 1


def test_a_client_that_times_out_is_released(
    model: Document, capfd: pytest.CaptureFixture[str]
) -> None:
    waiting = ModelFault(lambda ask: Reply(0, silent=True), 0, 1)
    with proxied(model, waiting) as (_, url):
        with pytest.raises(requests.ReadTimeout):
            ask(url, timeout=0.1)
        assert ask(url).status_code == 200
    assert capfd.readouterr().err == ""
