"""The scripted model: an OpenAI-compatible endpoint that answers from a script, one script per scope.

It supports the parts of ``/chat/completions`` and ``/responses`` that SDKs use: plain text, a JSON
schema, a required tool call, streaming. It counts each word as a token.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from typing import Any

from pytest_execgo.emulators.httpd import Request, Response, json_response

MODEL = "scripted"


class ScriptBook:
    """The answers of each scope, in order; the last one repeats."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: dict[str, list[str]] = {}
        self._given: dict[str, int] = {}

    def set(self, wanted: Any) -> None:
        """Set a script, ``{"scope", "answers": [text, …]}``; raises ``ValueError`` for another shape."""
        scope = wanted.get("scope") if isinstance(wanted, dict) else None
        answers = wanted.get("answers") if isinstance(wanted, dict) else None
        texts = isinstance(answers, list) and all(isinstance(text, str) for text in answers)
        if not isinstance(scope, str) or not answers or not texts:
            raise ValueError('a script is {"scope": text, "answers": [text, …]}')
        with self._lock:
            self._answers[scope], self._given[scope] = list(answers), 0

    def next(self, scope: str) -> str | None:
        """The next answer of a scope; ``None`` if it has no script."""
        with self._lock:
            answers = self._answers.get(scope)
            if not answers:
                return None
            given = self._given[scope]
            self._given[scope] = given + 1
            return answers[min(given, len(answers) - 1)]


def handle(book: ScriptBook, request: Request, scope: str, rest: Sequence[str]) -> Response:
    """Answer one request; ``rest`` are the parts of the path after ``…/model/v1/``."""
    match (request.method, *rest):
        case ("GET", "models"):
            one = {"id": MODEL, "object": "model", "created": 0, "owned_by": "fixtures"}
            return json_response({"object": "list", "data": [one]})
        case ("POST", "chat", "completions"):
            return _answer(book, request, scope, _chat)
        case ("POST", "responses"):
            return _answer(book, request, scope, _responses)
    return _error(404, "not_found_error", f"unknown url: {request.path}")


def _answer(book: ScriptBook, request: Request, scope: str, form: Any) -> Response:
    try:
        asked = json.loads(request.body)
        model = asked["model"]
    except (ValueError, KeyError, TypeError):
        return _error(400, "invalid_request_error", "the body is not a JSON object with a model")
    if model != MODEL:
        message = f"The model `{model}` does not exist; this endpoint has `{MODEL}`"
        return _error(404, "invalid_request_error", message, "model_not_found")
    text = book.next(scope)
    if text is None:
        return _error(404, "invalid_request_error", f"no script was set for {scope}", "no_script")
    response: Response = form(asked, text)
    return response


def _chat(asked: dict[str, Any], text: str) -> Response:
    tool = _forced_tool([t.get("function", {}) for t in asked.get("tools") or []], asked)
    message: dict[str, Any] = {"role": "assistant", "content": None if tool else text}
    if tool:
        called = {"name": tool, "arguments": text}
        message["tool_calls"] = [{"id": "call_1", "type": "function", "function": called}]
    reason = "tool_calls" if tool else "stop"
    base: dict[str, Any] = {"id": "chatcmpl-scripted", "created": 0, "model": MODEL}
    usage = _usage(asked, text)
    if asked.get("stream"):
        return _stream(base, message, reason, usage)
    choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
    return json_response({**base, "object": "chat.completion", "choices": [choice], "usage": usage})


def _stream(
    base: dict[str, Any], message: dict[str, Any], reason: str, usage: dict[str, int]
) -> Response:
    delta = dict(message)
    for index, call in enumerate(delta.get("tool_calls", [])):
        call["index"] = index
    chunks: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]},
        {"choices": [], "usage": usage},
    ]
    lines = [
        f"data: {json.dumps({**base, 'object': 'chat.completion.chunk', **chunk})}\n\n"
        for chunk in chunks
    ]
    return Response(200, "".join([*lines, "data: [DONE]\n\n"]).encode(), "text/event-stream")


def _responses(asked: dict[str, Any], text: str) -> Response:
    tool = _forced_tool(asked.get("tools") or [], asked)
    item: dict[str, Any] = {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    }
    if tool:
        item = {
            "type": "function_call",
            "id": "fc_1",
            "call_id": "call_1",
            "name": tool,
            "arguments": text,
            "status": "completed",
        }
    usage = _usage(asked, text)
    return json_response(
        {
            "id": "resp_scripted",
            "object": "response",
            "created_at": 0,
            "status": "completed",
            "model": MODEL,
            "output": [item],
            "parallel_tool_calls": False,
            "tool_choice": "auto",
            "tools": [],
            "usage": {
                "input_tokens": usage["prompt_tokens"],
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": usage["completion_tokens"],
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": usage["total_tokens"],
            },
        }
    )


def _forced_tool(tools: list[dict[str, Any]], asked: dict[str, Any]) -> str | None:
    """The name of the tool that the model must call; ``None`` if it need not call one."""
    choice = asked.get("tool_choice")
    if isinstance(choice, dict):
        return str(choice.get("name") or choice.get("function", {}).get("name"))
    if choice == "required" and tools:
        return str(tools[0].get("name"))
    return None


def _usage(asked: dict[str, Any], text: str) -> dict[str, int]:
    given = json.dumps(asked.get("messages") or asked.get("input") or "")
    prompt, completion = len(given.split()), len(text.split())
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def _error(status: int, kind: str, message: str, code: str | None = None) -> Response:
    body = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    return json_response(body, status)
