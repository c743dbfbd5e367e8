"""The wire between a framework and its model: what passes is kept, replayed, and told in one line."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any

import pytest
import requests

from pytest_execgo.adapter.base import PlanTrace
from pytest_execgo.adapter.budget import Budget
from pytest_execgo.adapter.endpoint import Endpoint
from pytest_execgo.adapter.recorded import DIVERGENCE, Recorded
from pytest_execgo.adapter.wire import Heard, ModelWire
from pytest_execgo.models.context import PlanBudget
from pytest_execgo.services.httpd import Request, Response, Server, json_response

ASKED = {"model": "m", "messages": [{"role": "user", "content": "plan"}]}
SAID = {
    "choices": [{"message": {"role": "assistant", "content": "{}"}}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2},
}
KEY = "sk-very-secret"


class Model:
    """An endpoint that answers from a list; the last answer repeats."""

    def __init__(self) -> None:
        self.answers: list[Response] = [json_response(SAID)]
        self.asked: list[Request] = []
        self.before: Callable[[], object] = lambda: None
        self._server = Server("127.0.0.1", 0, self._handle)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"{self._server.url}/v1"

    def _handle(self, request: Request) -> Response:
        self.asked.append(request)
        self.before()
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def model() -> Iterator[Model]:
    found = Model()
    yield found
    found.close()


def ask(wire: ModelWire, body: Any = ASKED) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.post(f"{wire.url}/chat/completions", json=body, timeout=10)


def live(
    model: Model,
    trace: PlanTrace | None = None,
    heard: Callable[[Heard], None] = lambda one: None,
    *,
    seconds: float = 5,
    budget_seconds: float = 600,
    **limits: Any,
) -> ModelWire:
    """A wire that waits no time of its own before it asks again."""
    budget = Budget(PlanBudget(seconds=budget_seconds, **limits), 0)
    source = Endpoint(model.url, KEY, seconds)
    return ModelWire(source, trace or PlanTrace(), budget, heard, first_wait_seconds=0)


def test_a_request_goes_on_with_the_key_and_both_are_kept_without_it(model: Model) -> None:
    trace = PlanTrace()
    with live(model, trace) as wire:
        assert ask(wire).json() == SAID
    (sent,) = model.asked
    assert (sent.path, json.loads(sent.body)) == ("/v1/chat/completions", ASKED)
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    (kept,) = wire.exchanges
    assert (kept.path, kept.asked, kept.status) == ("/chat/completions", ASKED, 200)
    assert (wire.tokens, wire.answers) == ((3, 2), 1)
    assert [step["step"] for step in trace.steps] == ["model_request", "model_answer"]
    assert KEY not in json.dumps(trace.steps) + kept.model_dump_json()


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (json_response({"error": {"message": "bad key"}}, 401), "model_key_refused", "bad key"),
        (json_response({"error": {"message": "no m"}}, 404), "model_unknown", "no m"),
        (json_response({"error": {"message": "slow down"}}, 429), "model_rate_limit", "slow down"),
        (json_response({"error": "boom"}, 500), "model_error", "500: boom"),
        (Response(200, b"<html>hello", "text/html"), "model_not_openai", "text/html"),
        (Response(200, b'{"choi', "application/json"), "model_malformed", "6 characters"),
        (json_response({"status": "ok"}), "model_not_openai", "application/json"),
        (json_response({"error": {"message": "overloaded"}}), "model_error", "overloaded"),
        (
            json_response({"error": {"message": f"no: {KEY}"}}, 401),
            "model_key_refused",
            "no: [key]",
        ),
    ],
)
def test_an_answer_that_is_none_is_told_in_one_line(
    model: Model, answer: Response, code: str, said: str
) -> None:
    model.answers = [answer]
    with live(model) as wire:
        ask(wire)
    assert wire.trouble is not None
    assert (wire.trouble.code, said in str(wire.trouble)) == (code, True)
    assert "\n" not in str(wire.trouble)


def test_an_endpoint_that_is_not_there(model: Model) -> None:
    model.url = "http://127.0.0.1:9/v1"
    with live(model) as wire:
        assert ask(wire).status_code == 400
    assert wire.trouble is not None
    assert wire.trouble.code == "model_unreachable"


def test_a_later_answer_clears_trouble(model: Model) -> None:
    model.answers = [json_response({}, 400), json_response(SAID)]
    with live(model) as wire:
        ask(wire)
        ask(wire)
    assert wire.trouble is None


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503, 529])
def test_what_passes_is_asked_again_and_the_framework_hears_only_the_answer(
    model: Model, status: int
) -> None:
    model.answers = [json_response({}, status), json_response({}, status), json_response(SAID)]
    heard: list[Heard] = []
    with live(model, heard=heard.append) as wire:
        assert ask(wire).json() == SAID
    assert [(one.number, one.attempt, one.answer.status) for one in heard] == [
        (1, 1, status),
        (1, 2, status),
        (1, 3, 200),
    ]
    assert [one.trouble is None for one in heard] == [False, False, True]
    assert [exchange.status for exchange in wire.exchanges] == [200]


@pytest.mark.parametrize("status", [400, 401, 404, 422])
def test_what_does_not_pass_is_asked_once_and_told_as_it_came(model: Model, status: int) -> None:
    model.answers = [json_response({"error": "no"}, status)]
    with live(model) as wire:
        assert ask(wire).status_code == status
    assert len(model.asked) == 1


@pytest.mark.parametrize("answer", [json_response({}, 503), Response(200, b"{", "text/html")])
def test_what_is_left_of_trouble_tempts_no_sdk_to_ask_again(model: Model, answer: Response) -> None:
    model.answers = [answer]
    with live(model) as wire:
        assert ask(wire).status_code == 400
    # The record has what really came.
    assert wire.exchanges[0].status == answer.status


def in_a_second() -> str:
    return formatdate(datetime.now(UTC).timestamp() + 2, usegmt=True)


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"Retry-After": "0"}, 0, 0),
        ({"Retry-After": "0.25"}, 0.25, 0.25),
        ({"retry-after-ms": "120", "Retry-After": "9"}, 0.12, 0.12),
        ({"Retry-After": in_a_second}, 0, 2),
        ({"Retry-After": "soon"}, 0, 0),
        ({"Retry-After": "-3"}, 0, 0),
        ({"Retry-After": "nan"}, 0, 0),
    ],
)
def test_retry_after_is_honoured(
    model: Model, headers: dict[str, Any], least: float, most: float
) -> None:
    said = {name: value() if callable(value) else value for name, value in headers.items()}
    model.answers = [Response(429, b"{}", "application/json", said), json_response(SAID)]
    trace = PlanTrace()
    with live(model, trace) as wire:
        assert ask(wire).status_code == 200
    (wait,) = [step for step in trace.steps if step["step"] == "wait"]
    assert least <= wait["seconds"] <= most
    first, second = [step["at_ms"] for step in trace.steps if step["step"] == "model_answer"]
    assert second - first >= wait["seconds"] * 1000
    assert len(wire.exchanges) == 1


def test_nobody_waits_for_an_hour(model: Model) -> None:
    model.answers = [Response(429, b"{}", "application/json", {"Retry-After": "3600"})]
    with live(model) as wire:
        ask(wire)
    assert str(wire.trouble) == "the model's endpoint answers 429 (wait 3600 s): no reason"
    assert len(model.asked) == 1


def test_a_model_that_says_nothing_in_time_is_told_so(model: Model) -> None:
    release = threading.Event()
    model.before = release.wait
    with live(model, seconds=0.1) as wire:
        ask(wire)
    release.set()
    assert wire.trouble is not None
    assert wire.trouble.code == "model_timeout"
    assert str(wire.trouble) == "the model gave no answer: none within 0.1 s"


def dribbling(*pieces: bytes) -> tuple[str, threading.Event]:
    """An endpoint that sends one piece after another, each but the first once it is told to."""
    listener, more = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with listener, connection:
            connection.recv(65536)
            size = sum(map(len, pieces))
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
            connection.sendall(head.encode() + pieces[0])
            for piece in pieces[1:]:
                if not more.wait(5):
                    return
                connection.sendall(piece)

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}/v1", more


def test_an_answer_that_stands_still_in_its_middle_is_seen_to() -> None:
    # Whole pieces of the size that the body is read in.
    text = json.dumps(SAID | {"padding": " " * 1000}).encode()
    url, more = dribbling(text[:512], text[512:])
    threading.Timer(0.3, more.set).start()
    answer = Endpoint(url, None, 5).answer(0, "/chat/completions", ASKED, 5)
    assert (answer.status, answer.text) == (200, text.decode())
    assert answer.stalled_ms >= 200


def test_a_model_that_thinks_before_it_answers_does_not_stand_still() -> None:
    text = json.dumps(SAID).encode()
    url, more = dribbling(b" " * 256, text)
    threading.Timer(0.3, more.set).start()
    answer = Endpoint(url, None, 5).answer(0, "/chat/completions", ASKED, 5)
    assert answer.status == 200
    assert answer.stalled_ms == 0


def test_an_answer_of_which_the_end_never_comes_is_late() -> None:
    url, _ = dribbling(b"{" + b" " * 600, b"}")
    answer = Endpoint(url, None, 0.2).answer(0, "/chat/completions", ASKED, 5)
    assert (answer.status, answer.late) == (0, True)


def test_an_answer_that_breaks_off_is_no_timeout() -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with listener, connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{")

    threading.Thread(target=serve, daemon=True).start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    answer = Endpoint(url, None, 5).answer(0, "/chat/completions", ASKED, 5)
    assert (answer.status, answer.late) == (0, False)


def over(wire: ModelWire) -> str:
    assert wire.trouble is not None
    assert wire.trouble.code == "model_budget"
    return str(wire.trouble)


def test_tokens_that_are_used_up_buy_no_further_request(model: Model) -> None:
    with live(model, tokens=6) as wire:
        assert [ask(wire).status_code for _ in range(3)] == [200, 200, 400]
    assert over(wire) == "10 tokens are used up (allowed: 6)"
    assert len(model.asked) == 2


def test_a_budget_of_tokens_that_nobody_counts_is_none(model: Model) -> None:
    model.answers = [json_response({"choices": SAID["choices"]})]
    with live(model, tokens=6) as wire:
        assert [ask(wire).status_code for _ in range(2)] == [200, 400]
    assert "does not say how many tokens it used" in over(wire)
    assert wire.tokens is None


def test_time_that_is_up_ends_the_waiting_for_an_answer(model: Model) -> None:
    release = threading.Event()
    model.before = release.wait
    with live(model, PlanTrace(), budget_seconds=0.1) as wire:
        ask(wire)
    release.set()
    assert over(wire) == "planning took more than 0.1 s"


def test_nobody_waits_longer_than_the_time_of_a_plan(model: Model) -> None:
    model.answers = [Response(429, b"{}", "application/json", {"Retry-After": "20"})]
    with live(model, budget_seconds=10) as wire:
        ask(wire)
    assert len(model.asked) == 1


def test_every_try_counts_as_a_request(model: Model) -> None:
    model.answers = [json_response({}, 503)]
    with live(model, requests=2) as wire:
        ask(wire)
    assert len(model.asked) == 2
    assert "more than 2 times" in over(wire)


def test_a_framework_that_asks_for_ever_is_stopped(model: Model) -> None:
    with live(model, requests=2) as wire:
        assert [ask(wire).status_code for _ in range(3)] == [200, 200, 400]
    assert wire.trouble is not None
    assert wire.trouble.code == "model_budget"
    assert len(model.asked) == 2


def test_a_divergence_stays_whatever_comes_after(model: Model) -> None:
    with recorded(model) as wire:
        ask(wire, {**ASKED, "messages": []})
        assert ask(wire).status_code == 200
    assert wire.trouble is None
    assert wire.divergence is not None


def test_odd_counts_of_tokens_are_no_trouble(model: Model) -> None:
    model.answers = [json_response({**SAID, "usage": {"prompt_tokens": "many"}})]
    with live(model) as wire:
        assert ask(wire).status_code == 200
    assert wire.tokens is None


def test_tokens_of_a_stream_are_counted(model: Model) -> None:
    events = [{"choices": [{"delta": {"content": "{}"}}]}, {"choices": [], "usage": SAID["usage"]}]
    text = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
    model.answers = [Response(200, text.encode(), "text/event-stream")]
    with live(model) as wire:
        assert ask(wire).text == text
    assert wire.tokens == (3, 2)


def test_an_endpoint_that_echoes_the_key_does_not_get_it_into_the_record(model: Model) -> None:
    model.answers = [json_response({**SAID, "echo": f"Bearer {KEY}"})]
    trace = PlanTrace()
    with live(model, trace) as wire:
        ask(wire)
    assert KEY not in json.dumps(trace.steps) + wire.exchanges[0].model_dump_json()


def recorded(model: Model, *bodies: Any) -> ModelWire:
    with live(model) as wire:
        for body in bodies or (ASKED,):
            ask(wire, body)
    return ModelWire(Recorded(wire.exchanges), PlanTrace(), Budget(PlanBudget(), 0))


def test_a_replay_answers_as_recorded_with_no_endpoint(model: Model) -> None:
    replay = recorded(model)
    model.close()
    with replay as wire:
        # Another model's name and temperature are no difference.
        assert ask(wire, {**ASKED, "model": "other", "temperature": 1}).json() == SAID
    assert wire.trouble is None


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda body: body["messages"][0].update(content="other"), "messages[0].content"),
        (lambda body: body["messages"].append({}), "messages"),
        (lambda body: body.update(tools=[]), "tools"),
    ],
)
def test_a_request_that_was_not_recorded_so_is_a_divergence_that_names_the_place(
    model: Model, change: Callable[[Any], object], where: str
) -> None:
    body = json.loads(json.dumps(ASKED))
    change(body)
    with recorded(model) as wire:
        assert ask(wire, body).status_code == 400
    assert wire.trouble is not None
    assert wire.trouble.code == DIVERGENCE
    assert f"at request 1: {where} is not as recorded" in str(wire.trouble)


def test_one_request_too_many_is_a_divergence(model: Model) -> None:
    with recorded(model) as wire:
        ask(wire)
        ask(wire)
    assert "at request 2: the recording has 1" in str(wire.trouble)
