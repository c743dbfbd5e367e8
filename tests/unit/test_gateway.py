"""The model gateway: it records and replays answers, retries, and reports a problem in one line."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from pytest_execgo.adapter.answer import Answer
from pytest_execgo.adapter.base import PlanTrace
from pytest_execgo.adapter.budget import Budget
from pytest_execgo.adapter.endpoint import Endpoint
from pytest_execgo.adapter.gateway import ModelAttempt, ModelGateway
from pytest_execgo.adapter.recorded import DIVERGENCE, Recorded
from pytest_execgo.adapter.retries import retry_wait
from pytest_execgo.emulators.httpd import Response, json_response
from pytest_execgo.models.context import PlanBudget
from tests.endpoints import Document
from tests.ids import readable

ASKED = {"model": "m", "messages": [{"role": "user", "content": "plan"}]}
REPLY = {
    "choices": [{"message": {"role": "assistant", "content": "{}"}}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2},
}
STREAMED = {**ASKED, "stream": True}
KEY = "sk-very-secret"


def events(*bodies: Any) -> Response:
    """A stream with one event per body."""
    lines = "".join(f"data: {json.dumps(body)}\n\n" for body in bodies)
    return Response(200, lines.encode(), "text/event-stream")


@pytest.fixture
def model() -> Iterator[Document]:
    found = Document(json_response(REPLY))
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
    """A gateway that does not really wait between two tries."""
    budget = Budget(PlanBudget(seconds=budget_seconds, **limits), 0)
    source = Endpoint(model.url, KEY, seconds)
    return ModelGateway(source, trace or PlanTrace(), budget, on_attempt, pause)


def test_a_request_is_sent_with_the_key_and_recorded_without_it(model: Document) -> None:
    trace = PlanTrace()
    with live(model, trace) as gateway:
        assert ask(gateway).json() == REPLY
    (sent,) = model.asked
    assert (sent.path, json.loads(sent.body)) == ("/v1/chat/completions", ASKED)
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    (kept,) = gateway.exchanges
    assert (kept.path, kept.asked, kept.status) == ("/chat/completions", ASKED, 200)
    assert (gateway.tokens, gateway.answers) == ((3, 2), 1)
    assert [step["step"] for step in trace.steps] == ["model_request", "model_answer"]
    assert KEY not in json.dumps(trace.steps) + kept.model_dump_json()


@pytest.mark.parametrize(
    ("answer", "code", "expected"),
    [
        (json_response({"error": {"message": "bad key"}}, 401), "model_key_refused", "bad key"),
        (json_response({"error": {"message": "no m"}}, 404), "model_unknown", "no m"),
        (json_response({"error": {"message": "slow down"}}, 429), "model_rate_limit", "slow down"),
        (json_response({"error": "boom"}, 500), "model_error", "500: boom"),
        (Response(200, b"<html>hello", "text/html"), "model_not_openai", "text/html"),
        (
            Response(308, headers={"Location": "https://other/v1/chat"}),
            "model_not_openai",
            "redirects (308) to https://other/v1/chat; set --execgo-base-url",
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
def test_an_unusable_answer_is_explained_in_one_line(
    model: Document, answer: Response, code: str, expected: str
) -> None:
    model.answers = [answer]
    with live(model) as gateway:
        ask(gateway, STREAMED if answer.content_type == "text/event-stream" else ASKED)
    assert gateway.problem is not None
    assert (gateway.problem.code, expected in str(gateway.problem)) == (code, True)
    assert "\n" not in str(gateway.problem)


def test_an_endpoint_that_does_not_listen_is_unreachable(model: Document) -> None:
    model.url = "http://127.0.0.1:9/v1"
    with live(model) as gateway:
        assert ask(gateway).status_code == 400
    assert gateway.problem is not None
    assert gateway.problem.code == "model_unreachable"


def test_a_later_usable_answer_clears_the_problem(model: Document) -> None:
    model.answers = [json_response({}, 400), json_response(REPLY)]
    with live(model) as gateway:
        ask(gateway)
        ask(gateway)
    assert gateway.problem is None


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503, 529])
def test_a_transient_error_is_retried_and_the_framework_gets_only_the_answer(
    model: Document, status: int
) -> None:
    model.answers = [json_response({}, status), json_response({}, status), json_response(REPLY)]
    tries: list[ModelAttempt] = []
    waits: list[float] = []
    with live(model, on_attempt=tries.append, pause=waits.append) as gateway:
        assert ask(gateway).json() == REPLY
    assert waits == [0.5, 1]
    assert [(one.number, one.attempt, one.answer.status) for one in tries] == [
        (1, 1, status),
        (1, 2, status),
        (1, 3, 200),
    ]
    assert [one.problem is None for one in tries] == [False, False, True]
    assert [exchange.status for exchange in gateway.exchanges] == [200]


@pytest.mark.parametrize("status", [400, 401, 404, 422])
def test_a_permanent_error_is_not_retried_and_reaches_the_framework_unchanged(
    model: Document, status: int
) -> None:
    model.answers = [json_response({"error": "no"}, status)]
    with live(model) as gateway:
        assert ask(gateway).status_code == status
    assert len(model.asked) == 1


@pytest.mark.parametrize(
    "answer", [json_response({}, 503), Response(200, b"{", "text/html")], ids=readable
)
def test_an_unusable_answer_reaches_the_framework_with_a_status_that_no_sdk_retries(
    model: Document, answer: Response
) -> None:
    model.answers = [answer]
    with live(model) as gateway:
        assert ask(gateway).status_code == 400
    # The recording has the real status.
    assert gateway.exchanges[0].status == answer.status


@pytest.mark.parametrize(
    ("answer", "attempt", "left", "wait"),
    [
        (Answer(503, "", ""), 1, 60, 0.5),
        (Answer(503, "", ""), 2, 60, 1),
        (Answer(503, "", ""), 3, 60, None),
        (Answer(0, "", "", late=True), 1, 60, 0.5),
        (Answer(0, "", "", permanent=True), 1, 60, None),
        (Answer(401, "", ""), 1, 60, None),
        (Answer(429, "", "", retry_after=30), 1, 60, 30),
        (Answer(429, "", "", retry_after=30.1), 1, 60, None),
        (Answer(429, "", "", retry_after=5), 1, 5, None),
    ],
    ids=[
        "first retry", "second retry", "no third retry", "timeout", "permanent", "refused key",
        "longest wait", "wait too long", "no time left",
    ],
)  # fmt: skip
def test_only_a_transient_error_is_retried_twice_at_most_and_in_time(
    answer: Answer, attempt: int, left: float, wait: float | None
) -> None:
    assert retry_wait(answer, attempt, left) == wait


def limited(retry_after: str) -> Response:
    return Response(429, b"{}", "application/json", {"Retry-After": retry_after})


@pytest.mark.parametrize(
    ("retry_after", "waits"),
    [("0", [0]), ("30", [30]), ("31", []), ("3600", []), ("-3", [0.5])],
    ids=readable,
)
def test_retry_after_is_honoured_up_to_thirty_seconds(
    model: Document, retry_after: str, waits: list[float]
) -> None:
    model.answers = [limited(retry_after), json_response(REPLY)]
    waited: list[float] = []
    with live(model, pause=waited.append) as gateway:
        assert ask(gateway).status_code == (200 if waits else 400)
    assert waited == waits
    assert len(model.asked) == 1 + len(waits)
    if not waits:
        expected = f"the model's endpoint answers 429 (wait {retry_after} s): no reason given"
        assert str(gateway.problem) == expected


def test_the_gateway_really_waits_before_a_retry(model: Document) -> None:
    model.answers = [limited("0.2"), json_response(REPLY)]
    trace = PlanTrace()
    with live(model, trace, pause=None) as gateway:
        assert ask(gateway).status_code == 200
    first, second = [step["at_ms"] for step in trace.steps if step["step"] == "model_answer"]
    assert second - first >= 200


@pytest.mark.parametrize("how", ["stop", "leave"])
def test_no_request_is_sent_after_planning_has_ended(model: Document, how: str) -> None:
    """A framework that waits for the next try gets an error, and the try is not made."""
    model.answers = [limited("20"), json_response(REPLY)]
    waiting, trace = threading.Event(), PlanTrace()
    results: list[object] = []

    def ask_and_keep_result(gateway: ModelGateway) -> None:
        try:
            results.append(ask(gateway))
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            # The connection may end before the answer, or inside of it.
            results.append(error)

    with live(model, trace, lambda one: waiting.set(), pause=None) as gateway:
        asking = threading.Thread(target=ask_and_keep_result, args=(gateway,))
        asking.start()
        assert waiting.wait(10)
        if how == "stop":
            gateway.stop()
            asking.join(10)
            assert ask(gateway).status_code == 400
    asking.join(10)
    (last,) = results
    refused = isinstance(last, requests.Response) and last.status_code == 400
    assert refused or isinstance(last, requests.RequestException)
    assert len(model.asked) == 1


def test_a_recorded_problem_replays_as_the_same_problem(model: Document) -> None:
    model.answers = [limited("60"), json_response(REPLY)]
    with live(model) as gateway:
        ask(gateway)
        live_problem = str(gateway.problem)
    tries: list[ModelAttempt] = []
    budget = Budget(PlanBudget(), 0)
    with ModelGateway(Recorded(gateway.exchanges), PlanTrace(), budget, tries.append) as replay:
        ask(replay)
    assert str(replay.problem) == live_problem
    assert len(tries) == 1, "a recording gives the same answer each time, so it is not retried"


def test_a_recorded_timeout_replays_as_a_timeout(model: Document) -> None:
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


def test_no_request_is_sent_once_the_tokens_are_used_up(model: Document) -> None:
    with live(model, tokens=6) as gateway:
        assert [ask(gateway).status_code for _ in range(3)] == [200, 200, 400]
    assert over(gateway, "tokens") == "10 tokens are used up (allowed: 6)"
    assert len(model.asked) == 2


def test_a_token_budget_is_refused_if_the_endpoint_does_not_count_tokens(model: Document) -> None:
    model.answers = [json_response({"choices": REPLY["choices"]})]
    with live(model, tokens=6) as gateway:
        assert [ask(gateway).status_code for _ in range(2)] == [200, 400]
    assert "does not report how many tokens it used" in over(gateway, "tokens")
    assert gateway.tokens is None


def test_the_time_budget_ends_the_wait_for_an_answer(model: Document) -> None:
    release = threading.Event()
    model.before = release.wait
    with live(model, PlanTrace(), budget_seconds=0.1) as gateway:
        ask(gateway)
    release.set()
    assert over(gateway, "time") == "planning took more than 0.1 s"


def test_a_wait_that_exceeds_the_time_budget_is_not_started(model: Document) -> None:
    model.answers = [Response(429, b"{}", "application/json", {"Retry-After": "20"})]
    with live(model, budget_seconds=10) as gateway:
        ask(gateway)
    assert len(model.asked) == 1


def test_every_try_counts_against_the_budget_of_requests(model: Document) -> None:
    model.answers = [json_response({}, 503)]
    with live(model, requests=2) as gateway:
        ask(gateway)
    assert len(model.asked) == 2
    assert "more than 2 times" in over(gateway, "requests")
    assert (gateway.requests, gateway.answers) == (1, 0), (
        "one request of the framework, without a usable answer"
    )


def test_answers_that_are_too_large_together_end_the_plan_and_are_short_in_the_trace(
    model: Document,
) -> None:
    model.answers = [json_response({**REPLY, "extra": "😀" * 1_000_000})]
    trace = PlanTrace()
    with live(model, trace) as gateway:
        statuses = [ask(gateway).status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 200, 400]
    assert gateway.problem is not None
    assert gateway.problem.code == "budget_bytes"
    assert str(gateway.problem) == "the answers to one plan have more than 12 MB"
    assert len(json.dumps(trace.steps)) < 100_000
    assert "998000 characters left out" in json.dumps(trace.steps)


def test_a_framework_that_never_stops_asking_is_stopped_by_the_budget(model: Document) -> None:
    with live(model, requests=2) as gateway:
        assert [ask(gateway).status_code for _ in range(3)] == [200, 200, 400]
    over(gateway, "requests")
    assert (len(model.asked), gateway.requests) == (2, 2)


def test_a_later_matching_request_does_not_clear_a_divergence(model: Document) -> None:
    with recorded(model) as gateway:
        ask(gateway, {**ASKED, "messages": []})
        assert ask(gateway).status_code == 200
    assert gateway.problem is None
    assert gateway.divergence is not None


@pytest.mark.parametrize("count", ["many", -5, True, None])
def test_invalid_token_counts_are_ignored(model: Document, count: Any) -> None:
    usage = {"prompt_tokens": count, "completion_tokens": 1}
    model.answers = [json_response({**REPLY, "usage": usage})]
    with live(model) as gateway:
        assert ask(gateway).status_code == 200
    assert gateway.tokens is None


STREAMS = [
    events(
        {"choices": [{"delta": {"content": "{}"}, "finish_reason": "stop"}]},
        {"choices": [], "usage": REPLY["usage"]},
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
def test_a_complete_stream_is_usable_and_its_tokens_are_counted(
    model: Document, stream: Response
) -> None:
    model.answers = [stream]
    with live(model) as gateway:
        assert ask(gateway, STREAMED).content == stream.body
    assert (gateway.problem, gateway.tokens) == (None, (3, 2))


def test_a_stream_that_was_not_requested_is_unusable(model: Document) -> None:
    model.answers = [STREAMS[0]]
    with live(model) as gateway:
        assert ask(gateway).status_code == 400
    assert (
        str(gateway.problem)
        == "the model's endpoint answers with a stream, but the request asked for none"
    )


@pytest.mark.parametrize("error", [None, {}, {"message": None}, ""], ids=readable)
def test_an_empty_error_is_ignored(model: Document, error: Any) -> None:
    model.answers = [json_response({**REPLY, "error": error})]
    with live(model) as gateway:
        assert ask(gateway).status_code == 200
    assert gateway.problem is None


def test_a_key_that_the_endpoint_echoes_is_not_recorded(model: Document) -> None:
    model.answers = [json_response({**REPLY, "echo": f"Bearer {KEY}"})]
    trace = PlanTrace()
    with live(model, trace) as gateway:
        ask(gateway)
    assert KEY not in json.dumps(trace.steps) + gateway.exchanges[0].model_dump_json()


def recorded(model: Document, *bodies: Any) -> ModelGateway:
    with live(model) as gateway:
        for body in bodies or (ASKED,):
            ask(gateway, body)
    return ModelGateway(Recorded(gateway.exchanges), PlanTrace(), Budget(PlanBudget(), 0))


def test_a_replay_needs_no_endpoint(model: Document) -> None:
    replay = recorded(model)
    model.close()
    with replay as gateway:
        # Another model name or temperature is not a divergence.
        assert ask(gateway, {**ASKED, "model": "other", "temperature": 1}).json() == REPLY
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
def test_a_request_that_differs_from_the_recording_is_a_divergence_at_a_key_path(
    model: Document, change: Callable[[dict[str, Any]], object], where: str
) -> None:
    body = json.loads(json.dumps(ASKED))
    change(body)
    with recorded(model) as gateway:
        assert ask(gateway, body).status_code == 400
    assert gateway.problem is not None
    assert gateway.problem.code == DIVERGENCE
    assert f"at request 1: {where} differs from the recording" in str(gateway.problem)


def test_one_request_more_than_recorded_is_a_divergence(model: Document) -> None:
    with recorded(model) as gateway:
        ask(gateway)
        ask(gateway)
    assert "at request 2: the recording has 1" in str(gateway.problem)


@pytest.mark.parametrize(
    ("text", "passed_on"),
    [
        ("\ud800x", "\ufffdx"),
        ("x\udfff", "x\ufffd"),
        ("\ud800\ud83d\ude00\udc00", "\ufffd\U0001f600\ufffd"),
        ("\\\ud800", "\\\ufffd"),
        ("\\ud800", "\\ud800"),
        ("\U0001f600 zażółć \x00", "\U0001f600 zażółć \x00"),
    ],
    ids=["high", "low", "beside_a_pair", "after_a_backslash", "escaped_text", "whole"],
)
def test_half_a_character_is_replaced_before_a_framework_has_to_send_it_back(
    model: Document, text: str, passed_on: str
) -> None:
    message = {"choices": [{"message": {"role": "assistant", "content": text}}]}
    model.answers = [Response(200, json.dumps(message).encode(), "application/json")]
    with live(model) as gateway:
        got = ask(gateway).json()["choices"][0]["message"]["content"]
    assert got == passed_on
    got.encode()
    (kept,) = gateway.exchanges
    assert json.loads(kept.answer) == {
        "choices": [{"message": {"role": "assistant", "content": got}}]
    }
