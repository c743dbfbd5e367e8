"""The wire between a framework and its model: what passes is kept, replayed, and told in one line."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from pytest_execgo.adapter.base import PlanTrace
from pytest_execgo.adapter.wire import DIVERGENCE, Endpoint, ModelWire, Recorded
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
        self._server = Server("127.0.0.1", 0, self._handle)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"{self._server.url}/v1"

    def _handle(self, request: Request) -> Response:
        self.asked.append(request)
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


def live(model: Model, trace: PlanTrace | None = None, most: int = 5) -> ModelWire:
    return ModelWire(Endpoint(model.url, KEY, 5), trace or PlanTrace(), max_requests=most)


def test_a_request_goes_on_with_the_key_and_both_are_kept_without_it(model: Model) -> None:
    trace = PlanTrace()
    with live(model, trace) as wire:
        assert ask(wire).json() == SAID
    (sent,) = model.asked
    assert (sent.path, json.loads(sent.body)) == ("/v1/chat/completions", ASKED)
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    (kept,) = wire.exchanges
    assert (kept.path, kept.asked, kept.status) == ("/chat/completions", ASKED, 200)
    assert (wire.prompt_tokens, wire.completion_tokens) == (3, 2)
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
    with ModelWire(Endpoint("http://127.0.0.1:9/v1", None, 5), PlanTrace(), max_requests=5) as wire:
        assert ask(wire).status_code == 400
    assert wire.trouble is not None
    assert wire.trouble.code == "model_unreachable"


def test_a_later_answer_clears_trouble(model: Model) -> None:
    model.answers = [json_response({}, 500), json_response(SAID)]
    with live(model) as wire:
        ask(wire)
        ask(wire)
    assert wire.trouble is None


def test_retry_after_is_honoured(model: Model) -> None:
    wait = Response(429, b"{}", "application/json", {"Retry-After": "0"})
    model.answers = [wait, json_response(SAID)]
    with live(model) as wire:
        assert ask(wire).status_code == 200
    assert len(model.asked) == 2
    assert len(wire.exchanges) == 1


def test_a_framework_that_asks_for_ever_is_stopped(model: Model) -> None:
    with live(model, most=2) as wire:
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
    assert wire.prompt_tokens == 0


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
    return ModelWire(Recorded(wire.exchanges), PlanTrace(), max_requests=5)


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
