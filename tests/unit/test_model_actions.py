"""Faults in a model's answer change its text and keep the format of the endpoint."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from pytest_execgo.adapter.landing import land_text
from pytest_execgo.chaos.answer_text import with_text
from pytest_execgo.chaos.model_fault import ModelAction
from pytest_execgo.chaos.model_proxy import Reply
from pytest_execgo.extensions.registry import Registry
from pytest_execgo.models.context import PlanContext

ACTIONS = Registry.build().actions
CONTEXT = PlanContext(scenario_id="s", framework="f", mode="live", capabilities=("sleep",))


def task(name: str) -> dict[str, Any]:
    execution = {"kind": "script", "script": "true"}
    return {"id": name, "type": "runtime", "input": {"execution": execution}}


PLAN = {
    "stages": [
        {"stage_id": "one", "task_graph": {"tasks": [task("a"), task("b")]}},
        {"stage_id": "two", "task_graph": {"tasks": [task("c")]}},
    ]
}
TEXT = json.dumps(PLAN)


def chat(message: dict[str, Any]) -> dict[str, Any]:
    return {
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"x": 1},
    }


def called(arguments: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "submit", "arguments": arguments}}


FORMS: dict[str, Any] = {
    "text": chat({"role": "assistant", "content": TEXT}),
    "tool": chat({"role": "assistant", "content": None, "tool_calls": [called(TEXT)]}),
    "response": {
        "status": "completed",
        "output": [{"type": "message", "content": [{"text": TEXT}]}],
    },
    "response tool": {"output": [{"type": "function_call", "arguments": TEXT}]},
}


@pytest.mark.parametrize("form", FORMS)
def test_the_text_is_changed_in_every_format(form: str) -> None:
    body = json.dumps(FORMS[form]).encode()
    changed = with_text(body, lambda text: "NEW" if text == TEXT else None)
    assert changed is not None
    expected = json.dumps(FORMS[form]).replace(json.dumps(TEXT), '"NEW"')
    assert json.loads(changed) == json.loads(expected)


def test_reasoning_stays_unchanged_and_only_the_first_tool_call_changes() -> None:
    thought = {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "hm"}]}
    message = {"type": "message", "content": [{"type": "output_text", "text": TEXT}]}
    changed = with_text(json.dumps({"output": [thought, message]}).encode(), str.upper)
    assert changed is not None
    assert [item["content"][0]["text"] for item in json.loads(changed)["output"]] == [
        "hm",
        TEXT.upper(),
    ]
    form = chat({"content": None, "tool_calls": [called(TEXT), called("{}")]})
    changed = with_text(json.dumps(form).encode(), str.upper)
    assert changed is not None
    calls = json.loads(changed)["choices"][0]["message"]["tool_calls"]
    assert [call["function"]["arguments"] for call in calls] == [TEXT.upper(), "{}"]


@pytest.mark.parametrize("pieces", [2, 7, 1000])
def test_a_slow_answer_has_the_requested_number_of_pieces(pieces: int) -> None:
    whole = answer()
    slow = faulty("slow_stream", whole, pieces=pieces, pause_ms=5)
    if len(whole.body) < pieces:
        assert slow is None
        return
    assert slow is not None
    assert (len(slow.parts()), b"".join(slow.parts())) == (pieces, whole.body)
    assert all(slow.parts())


def stream(*pieces: str) -> bytes:
    events: list[dict[str, Any]] = [{"choices": [{"delta": {"role": "assistant", "content": ""}}]}]
    events += [{"choices": [{"delta": {"content": piece}}]} for piece in pieces]
    events.append({"choices": [{"delta": {}, "finish_reason": "stop"}]})
    lines = [f"data: {json.dumps(event)}\n\n" for event in events]
    return "".join([": hello\n\n", *lines, "data: [DONE]\n\n"]).encode()


def read(body: bytes) -> tuple[str, list[Any]]:
    """What a client reads from a stream: the text, and the finish reasons."""
    lines = [line[5:] for line in body.decode().split("\n") if line.startswith("data: {")]
    choices = [json.loads(line)["choices"][0] for line in lines]
    text = "".join(choice["delta"].get("content", "") for choice in choices)
    return text, [choice["finish_reason"] for choice in choices if "finish_reason" in choice]


def test_a_streamed_answer_is_changed_and_stays_a_valid_stream() -> None:
    body = stream(TEXT[:9], TEXT[9:])
    changed = with_text(body, lambda text: text.upper(), cut_off=True)
    assert changed is not None
    assert read(changed) == (TEXT.upper(), ["length"])
    assert changed.startswith(b": hello\n\n")
    assert changed.endswith(b"data: [DONE]\n\n")


def test_a_truncated_answer_reports_length_as_the_reason() -> None:
    for form in ("text", "tool"):
        cut = with_text(json.dumps(FORMS[form]).encode(), lambda text: text[:5], cut_off=True)
        assert cut is not None
        assert json.loads(cut)["choices"][0]["finish_reason"] == "length"
    cut = with_text(json.dumps(FORMS["response"]).encode(), lambda text: text[:5], cut_off=True)
    assert cut is not None
    assert json.loads(cut)["status"] == "incomplete"


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"hello", b"[]", b"{}", b'{"choices": []}', b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": {"content": null}}]}', b"data: {broken\n\n", b"\xff\xfe",
        b'{"choices": [null]}', b'{"choices": [{"message": "x"}]}', b'{"output": "text"}',
        b'{"output": [null]}', b'{"choices": [{"message": {"tool_calls": [null]}}]}',
        b"[" * 100_000, b'{"a":' * 100_000,
    ],
)  # fmt: skip
def test_a_body_without_text_is_not_changed(body: bytes) -> None:
    assert with_text(body, lambda text: "NEW") is None


def faulty(name: str, reply: Reply, seed: int = 1, **params: Any) -> Reply | None:
    action = ACTIONS[name](**params)
    assert isinstance(action, ModelAction)
    return action.reply(lambda: reply, Random(seed))


def answer(form: str = "text") -> Reply:
    return Reply(200, json.dumps(FORMS[form]).encode(), {"Content-Type": "application/json"})


def text_of(reply: Reply | None) -> str:
    assert reply is not None
    found: str = json.loads(reply.body)["choices"][0]["message"]["content"]
    return found


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("truncate", "broken_json"),
        ("malformed", "broken_json"),
        ("unknown_tool", "unknown_tool"),
        ("wrong_schema", "schema"),
    ],
)
def test_a_faulty_answer_breaks_exactly_one_rule(name: str, rule: str) -> None:
    assert land_text(TEXT, CONTEXT).rules == ()
    for seed in range(20):
        assert land_text(text_of(faulty(name, answer(), seed)), CONTEXT).rules == (rule,)


@pytest.mark.parametrize("name", ["wrong_schema", "unknown_tool"])
def test_the_seed_decides_what_is_changed(name: str) -> None:
    once, again = (text_of(faulty(name, answer(), 5)) for _ in range(2))
    assert once == again
    assert len({text_of(faulty(name, answer(), seed)) for seed in range(20)}) > 2


def test_a_plan_inside_prose_is_found() -> None:
    form = chat({"role": "assistant", "content": f"Here it is:\n```json\n{TEXT}\n```"})
    changed = text_of(faulty("unknown_tool", Reply(200, json.dumps(form).encode())))
    assert changed.startswith("Here it is:\n```json\n{")
    assert "no_such_tool" in changed


@pytest.mark.parametrize(
    "name", ["truncate", "malformed", "unknown_tool", "wrong_schema", "slow_stream"]
)
def test_an_error_of_the_model_passes_unchanged(name: str) -> None:
    assert faulty(name, Reply(500, json.dumps(FORMS["text"]).encode())) is None


@pytest.mark.parametrize("name", ["unknown_tool", "wrong_schema"])
@pytest.mark.parametrize("text", ["", "I would rather not.", "{}", '{"stages": []}', "[1]"])
def test_an_answer_without_a_plan_passes_unchanged(name: str, text: str) -> None:
    form = chat({"role": "assistant", "content": text})
    assert faulty(name, Reply(200, json.dumps(form).encode())) is None


def test_a_body_cut_in_half_keeps_status_and_headers() -> None:
    whole = answer()
    half = faulty("malformed", whole, part="body")
    assert half is not None
    assert (half.status, half.headers) == (200, whole.headers)
    assert half.body == whole.body[: len(whole.body) // 2]
