"""The wire between a framework and its model: what passes is kept, replayed, and told in one line."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from pytest_execgo.adapter.base import PlanTrace
from pytest_execgo.adapter.budget import Budget
from pytest_execgo.adapter.endpoint import Endpoint
from pytest_execgo.adapter.gateway import ModelAttempt, ModelGateway
from pytest_execgo.adapter.recorded import DIVERGENCE, Recorded
from pytest_execgo.emulators.httpd import Response, json_response
from pytest_execgo.models.context import PlanBudget
from tests.endpoints import Document
from tests.ids import readable

ASKED = {"model": "m", "messages": [{"role": "user", "content": "plan"}]}
SAID = {
    "choices": [{"message": {"role": "assistant", "content": "{}"}}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2},
}
STREAMED = {**ASKED, "stream": True}
KEY = "sk-very-secret"


def events(*bodies: Any) -> Response:
    """A stream."""
    lines = "".join(f"data: {json.dumps(body)}\n\n" for body in bodies)
    return Response(200, lines.encode(), "text/event-stream")


@pytest.fixture
def model() -> Iterator[Document]:
    found = Document(json_response(SAID))
    yield found
    found.close()


def ask(gateway: ModelGateway, body: Any = ASKED) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.post(f"{gateway.url}/chat/completions", json=body, timeout=10)


def live(
    model: Document,
    trace: PlanTrace | None = None,
    on_attempt: Callable[[ModelAttempt], None] = lambda one: None,
    *,
    seconds: float = 5,
    pause: Callable[[float], object] | None = lambda seconds: None,
    budget_seconds: float = 600,
    **limits: Any,
) -> ModelGateway:
    """A wire that does not really wait between two tries."""
    budget = Budget(PlanBudget(seconds=budget_seconds, **limits), 0)
    source = Endpoint(model.url, KEY, seconds)
    return ModelGateway(source, trace or PlanTrace(), budget, on_attempt, pause)


def test_a_request_goes_on_with_the_key_and_both_are_kept_without_it(model: Document) -> None:
    trace = PlanTrace()
    with live(model, trace) as gateway:
        assert ask(gateway).json() == SAID
    (sent,) = model.asked
    assert (sent.path, json.loads(sent.body)) == ("/v1/chat/completions", ASKED)
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    (kept,) = gateway.exchanges
    assert (kept.path, kept.asked, kept.status) == ("/chat/completions", ASKED, 200)
    assert (gateway.tokens, gateway.answers) == ((3, 2), 1)
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
        (
            Response(308, headers={"Location": "https://other/v1/chat"}),
            "model_not_openai",
            "redirects (308) to https://other/v1/chat; give",
        ),
        (Response(200, b'{"choi', "application/json"), "model_malformed", "6 characters"),
        (json_response({"status": "ok"}), "model_not_openai", "application/json"),
        (json_response({"choices": []}), "model_malformed", "without a message in it"),
        (json_response({"choices": [None]}), "model_malformed", "without a message in it"),
        (json_response({"choices": "x"}), "model_malformed", "without a message in it"),
        (
            json_response({"detail": "no\x1b[31m such\nthing"}, 422),
            "model_error",
            "no [31m such thing",
        ),
        (json_response({"object": "error", "message": "too long"}, 400), "model_error", "too long"),
        (json_response([{"error": {"message": "listed"}}], 400), "model_error", "400: listed"),
        (Response(502, b"<html><title>Bad\nGateway</title>"), "model_error", "502: Bad Gateway"),
        (events({"error": {"message": "overloaded"}}), "model_error", "overloaded"),
        (
            events({"choices": [{"delta": {"content": "{"}}]}),
            "model_malformed",
            "before the answer",
        ),
        (events(), "model_malformed", "ends its stream"),
        (json_response({"error": {"message": "overloaded"}}), "model_error", "overloaded"),
        (
            json_response({"error": {"message": f"no: {KEY}"}}, 401),
            "model_key_refused",
            "no: [key]",
        ),
    ],
    ids=readable,
)
def test_an_answer_that_is_none_is_told_in_one_line(
    model: Document, answer: Response, code: str, said: str
) -> None:
    model.answers = [answer]
    with live(model) as gateway:
        ask(gateway, STREAMED if answer.content_type == "text/event-stream" else ASKED)
    assert gateway.problem is not None
    assert (gateway.problem.code, said in str(gateway.problem)) == (code, True)
    assert "\n" not in str(gateway.problem)


def test_an_endpoint_that_is_not_there(model: Document) -> None:
    model.url = "http://127.0.0.1:9/v1"
    with live(model) as gateway:
        assert ask(gateway).status_code == 400
    assert gateway.problem is not None
    assert gateway.problem.code == "model_unreachable"


def test_a_later_answer_clears_trouble(model: Document) -> None:
    model.answers = [json_response({}, 400), json_response(SAID)]
    with live(model) as gateway:
        ask(gateway)
        ask(gateway)
    assert gateway.problem is None


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503, 529])
def test_what_passes_is_asked_again_and_the_framework_hears_only_the_answer(
    model: Document, status: int
) -> None:
    model.answers = [json_response({}, status), json_response({}, status), json_response(SAID)]
    tries: list[ModelAttempt] = []
    waits: list[float] = []
    with live(model, on_attempt=tries.append, pause=waits.append) as gateway:
        assert ask(gateway).json() == SAID
    assert waits == [0.5, 1]
    assert [(one.number, one.attempt, one.answer.status) for one in tries] == [
        (1, 1, status),
        (1, 2, status),
        (1, 3, 200),
    ]
    assert [one.problem is None for one in tries] == [False, False, True]
    assert [exchange.status for exchange in gateway.exchanges] == [200]


@pytest.mark.parametrize("status", [400, 401, 404, 422])
def test_what_does_not_pass_is_asked_once_and_told_as_it_came(model: Document, status: int) -> None:
    model.answers = [json_response({"error": "no"}, status)]
    with live(model) as gateway:
        assert ask(gateway).status_code == status
    assert len(model.asked) == 1


@pytest.mark.parametrize(
    "answer", [json_response({}, 503), Response(200, b"{", "text/html")], ids=readable
)
def test_what_is_left_of_trouble_tempts_no_sdk_to_ask_again(
    model: Document, answer: Response
) -> None:
    model.answers = [answer]
    with live(model) as gateway:
        assert ask(gateway).status_code == 400
    # The record has what really came.
    assert gateway.exchanges[0].status == answer.status


def limited(retry_after: str) -> Response:
    return Response(429, b"{}", "application/json", {"Retry-After": retry_after})


@pytest.mark.parametrize(
    ("retry_after", "waits"),
    [("0", [0]), ("30", [30]), ("31", []), ("3600", []), ("-3", [0.5])],
    ids=readable,
)
def test_retry_after_is_honoured_within_reason(
    model: Document, retry_after: str, waits: list[float]
) -> None:
    model.answers = [limited(retry_after), json_response(SAID)]
    waited: list[float] = []
    with live(model, pause=waited.append) as gateway:
        assert ask(gateway).status_code == (200 if waits else 400)
    assert waited == waits
    assert len(model.asked) == 1 + len(waits)
    if not waits:
        said = f"the model's endpoint answers 429 (wait {retry_after} s): no reason"
        assert str(gateway.problem) == said


def test_a_wait_is_a_real_one(model: Document) -> None:
    model.answers = [limited("0.2"), json_response(SAID)]
    trace = PlanTrace()
    with live(model, trace, pause=None) as gateway:
        assert ask(gateway).status_code == 200
    first, second = [step["at_ms"] for step in trace.steps if step["step"] == "model_answer"]
    assert second - first >= 200


@pytest.mark.parametrize("how", ["stop", "leave"])
def test_nothing_is_asked_after_the_planning_has_ended(model: Document, how: str) -> None:
    """Who waits for the next try learns that there is none, and the try is not made."""
    model.answers = [limited("20"), json_response(SAID)]
    waiting, trace = threading.Event(), PlanTrace()
    told: list[object] = []

    def wait_for_it(gateway: ModelGateway) -> None:
        try:
            told.append(ask(gateway))
        except requests.ConnectionError as error:
            told.append(error)

    with live(model, trace, lambda one: waiting.set(), pause=None) as gateway:
        asking = threading.Thread(target=wait_for_it, args=(gateway,))
        asking.start()
        assert waiting.wait(10)
        if how == "stop":
            gateway.stop()
            asking.join(10)
            assert ask(gateway).status_code == 400
    asking.join(10)
    (last,) = told
    refused = isinstance(last, requests.Response) and last.status_code == 400
    assert refused or isinstance(last, requests.ConnectionError)
    assert len(model.asked) == 1


def test_trouble_that_was_recorded_replays_as_the_same(model: Document) -> None:
    model.answers = [limited("60"), json_response(SAID)]
    with live(model) as gateway:
        ask(gateway)
        live_trouble = str(gateway.problem)
    tries: list[ModelAttempt] = []
    budget = Budget(PlanBudget(), 0)
    with ModelGateway(Recorded(gateway.exchanges), PlanTrace(), budget, tries.append) as replay:
        ask(replay)
    assert str(replay.problem) == live_trouble
    assert len(tries) == 1, "a recording says the same however often it is asked"


def test_a_silence_that_was_recorded_replays_as_one(model: Document) -> None:
    release = threading.Event()
    model.before = release.wait
    with live(model, seconds=0.1) as gateway:
        ask(gateway)
    release.set()
    with ModelGateway(Recorded(gateway.exchanges), PlanTrace(), Budget(PlanBudget(), 0)) as replay:
        ask(replay)
    for one in (gateway, replay):
        assert one.problem is not None
        assert one.problem.code == "model_timeout"


def over(gateway: ModelGateway, what: str) -> str:
    assert gateway.problem is not None
    assert gateway.problem.code == f"budget_{what}"
    return str(gateway.problem)


def test_tokens_that_are_used_up_buy_no_further_request(model: Document) -> None:
    with live(model, tokens=6) as gateway:
        assert [ask(gateway).status_code for _ in range(3)] == [200, 200, 400]
    assert over(gateway, "tokens") == "10 tokens are used up (allowed: 6)"
    assert len(model.asked) == 2


def test_a_budget_of_tokens_that_nobody_counts_is_none(model: Document) -> None:
    model.answers = [json_response({"choices": SAID["choices"]})]
    with live(model, tokens=6) as gateway:
        assert [ask(gateway).status_code for _ in range(2)] == [200, 400]
    assert "does not say how many tokens it used" in over(gateway, "tokens")
    assert gateway.tokens is None


def test_time_that_is_up_ends_the_waiting_for_an_answer(model: Document) -> None:
    release = threading.Event()
    model.before = release.wait
    with live(model, PlanTrace(), budget_seconds=0.1) as gateway:
        ask(gateway)
    release.set()
    assert over(gateway, "time") == "planning took more than 0.1 s"


def test_nobody_waits_longer_than_the_time_of_a_plan(model: Document) -> None:
    model.answers = [Response(429, b"{}", "application/json", {"Retry-After": "20"})]
    with live(model, budget_seconds=10) as gateway:
        ask(gateway)
    assert len(model.asked) == 1


def test_every_try_counts_as_a_request(model: Document) -> None:
    model.answers = [json_response({}, 503)]
    with live(model, requests=2) as gateway:
        ask(gateway)
    assert len(model.asked) == 2
    assert "more than 2 times" in over(gateway, "requests")
    assert (gateway.requests, gateway.answers) == (1, 0), "it asked, and nothing came of it"


def test_a_framework_that_asks_for_ever_is_stopped(model: Document) -> None:
    with live(model, requests=2) as gateway:
        assert [ask(gateway).status_code for _ in range(3)] == [200, 200, 400]
    over(gateway, "requests")
    assert (len(model.asked), gateway.requests) == (2, 2)


def test_a_divergence_stays_whatever_comes_after(model: Document) -> None:
    with recorded(model) as gateway:
        ask(gateway, {**ASKED, "messages": []})
        assert ask(gateway).status_code == 200
    assert gateway.problem is None
    assert gateway.divergence is not None


@pytest.mark.parametrize("count", ["many", -5, True, None])
def test_odd_counts_of_tokens_are_no_trouble(model: Document, count: Any) -> None:
    usage = {"prompt_tokens": count, "completion_tokens": 1}
    model.answers = [json_response({**SAID, "usage": usage})]
    with live(model) as gateway:
        assert ask(gateway).status_code == 200
    assert gateway.tokens is None


STREAMS = [
    events(
        {"choices": [{"delta": {"content": "{}"}, "finish_reason": "stop"}]},
        {"choices": [], "usage": SAID["usage"]},
    ),
    events(
        {"type": "response.output_text.delta", "delta": "{}"},
        {
            "type": "response.completed",
            "response": {"usage": {"input_tokens": 3, "output_tokens": 2}},
        },
    ),
]


@pytest.mark.parametrize("stream", STREAMS, ids=["chat", "responses"])
def test_a_stream_that_comes_to_its_end_is_well_and_its_tokens_count(
    model: Document, stream: Response
) -> None:
    model.answers = [stream]
    with live(model) as gateway:
        assert ask(gateway, STREAMED).content == stream.body
    assert (gateway.problem, gateway.tokens) == (None, (3, 2))


def test_a_stream_that_was_not_asked_for_is_no_answer(model: Document) -> None:
    model.answers = [STREAMS[0]]
    with live(model) as gateway:
        assert ask(gateway).status_code == 400
    assert (
        str(gateway.problem)
        == "the model's endpoint answers with a stream, which was not asked for"
    )


@pytest.mark.parametrize("error", [None, {}, {"message": None}, ""], ids=readable)
def test_an_error_that_says_nothing_is_none(model: Document, error: Any) -> None:
    model.answers = [json_response({**SAID, "error": error})]
    with live(model) as gateway:
        assert ask(gateway).status_code == 200
    assert gateway.problem is None


def test_an_endpoint_that_echoes_the_key_does_not_get_it_into_the_record(model: Document) -> None:
    model.answers = [json_response({**SAID, "echo": f"Bearer {KEY}"})]
    trace = PlanTrace()
    with live(model, trace) as gateway:
        ask(gateway)
    assert KEY not in json.dumps(trace.steps) + gateway.exchanges[0].model_dump_json()


def recorded(model: Document, *bodies: Any) -> ModelGateway:
    with live(model) as gateway:
        for body in bodies or (ASKED,):
            ask(gateway, body)
    return ModelGateway(Recorded(gateway.exchanges), PlanTrace(), Budget(PlanBudget(), 0))


def test_a_replay_answers_as_recorded_with_no_endpoint(model: Document) -> None:
    replay = recorded(model)
    model.close()
    with replay as gateway:
        # Another model's name and temperature are no difference.
        assert ask(gateway, {**ASKED, "model": "other", "temperature": 1}).json() == SAID
    assert gateway.problem is None


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda body: body["messages"][0].update(content="other"), "messages[0].content"),
        (lambda body: body["messages"].append({}), "messages"),
        (lambda body: body.update(tools=[]), "tools"),
    ],
    ids=["other text", "one message more", "no tools"],
)
def test_a_request_that_was_not_recorded_so_is_a_divergence_that_names_the_place(
    model: Document, change: Callable[[dict[str, Any]], object], where: str
) -> None:
    body = json.loads(json.dumps(ASKED))
    change(body)
    with recorded(model) as gateway:
        assert ask(gateway, body).status_code == 400
    assert gateway.problem is not None
    assert gateway.problem.code == DIVERGENCE
    assert f"at request 1: {where} is not as recorded" in str(gateway.problem)


def test_one_request_too_many_is_a_divergence(model: Document) -> None:
    with recorded(model) as gateway:
        ask(gateway)
        ask(gateway)
    assert "at request 2: the recording has 1" in str(gateway.problem)
