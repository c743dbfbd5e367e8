"""Random answers of a hostile ExecGo, runtime or model: valid ones, damaged ones, and garbage."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from itertools import chain, repeat
from random import Random
from typing import Any

from tests.fuzz.mutations import TIMES, changed, damaged
from tests.hostile import http

Pieces = Iterable[bytes]
Drip = Callable[[bytes], Pieces]
Honest = Callable[[Random, str, str], tuple[dict[str, Any], str]]
"""From method and path of a request to the JSON body and the status of an honest answer."""

_TEXTS = (
    "NaN", "-Infinity", "1e999", "9" * 5000, "[" * 5000, '{"a":' * 5000, '"\\ud800"', "\ufeff{}", "",
    "nul", '{"id": "a", "id": "b"}', "[" + "[]," * 400_000 + "1]", "\\" * 1000, '"' * 100_000,
)  # fmt: skip


def _large(size: int) -> tuple[bytes, ...]:
    """Values of at most ``size`` bytes that need several times as much memory."""
    return (
        b'"' + b"x" * size + b'"',
        b'"' + b"\xf0\x9f\x98\x80" + b"x" * size + b'"',
        b"[" + b'"aeiouaeiou",' * (size // 37) + b"1]",
        b"{" + b",".join(b'"%d":{}' % n for n in range(size // 78)) + b"}",
    )


# Made once: the memory that is measured should be the driver's.
LARGE = _large(7_000_000)
LARGE_FOR_MODEL = _large(3_500_000)
_STATUSES = (
    "200 OK", "202 Accepted", "404 Not Found", "500 Internal", "302 Found", "204 No Content", "304 Same",
    "103 Early", "999 X", "1000 X", "-1 X", "２００ OK", "200", "", "abc", "200 \x1b[31mOK", "0 X",
)  # fmt: skip
_HEADERS = (
    "Content-Type: application/json; charset=utf-7", "Content-Type: text/html; charset=\x80",
    "Content-Type: multipart/mixed", "Content-Encoding: gzip", "Content-Encoding: br",
    "Content-Length: 5", "Content-Length: -5", "Content-Length: 99999999999999999999",
    "Content-Length: a",    "Transfer-Encoding: chunked", "Transfer-Encoding: gzip", "Location: http://127.0.0.1:9/",
    "Location: /tasks/x", "Connection: close", "Connection: \x00", "nonsense", " continued", ": no name",
    "X: " + "x" * 70_000, "Set-Cookie: a=b", "Retry-After: 99999", "Upgrade: websocket",
)  # fmt: skip


def of_execgo(rng: Random, method: str, path: str) -> tuple[dict[str, Any], str]:
    """What ExecGo or fixtures would answer."""
    if method == "POST":
        return {"accepted": 1, "task_ids": ["a"]}, "202 Accepted"
    if "__control" in path:
        entry = {"at": 1.0, "method": "GET", "path": "/", "status": 200, "duration_ms": 1}
        return {"requests": [entry]}, "200 OK"
    status = rng.choice(["success", "success", "success", "failed", "running", "skipped"])
    error = {"code": "exit", "message": "no", "source": "execgo-runtime", "details": {}}
    times = {"started_at": TIMES[0], "finished_at": TIMES[0], "duration_ms": 3, "attempt": 1}
    task = {
        "id": path.rpartition("/")[2],
        "type": "noop",
        "status": status,
        "run_status": status,
        "handle_id": "h",
        "result": {"stdout": '{"list": [1, 2, 3]}', "n": 3},
        "runtime": {"status": status, "error": error if status == "failed" else None, **times},
        "error": "no" if status == "failed" else None,
        "created_at": TIMES[0],
        "updated_at": TIMES[0],
        "version": "v1.0.0",
    }
    return task, "200 OK"


def of_runtime(rng: Random, method: str, path: str) -> tuple[dict[str, Any], str]:
    """What a runtime would answer to ExecGo."""
    if method == "POST":
        return {"task_id": "a", "handle_id": "h", "status": "accepted"}, "200 OK"
    status = rng.choice(["success", "success", "failed", "cancelled", "running", "accepted"])
    error = {"code": "exit_nonzero", "message": "no", "details": {"exit_code": 1}}
    task = {
        "task_id": "a",
        "handle_id": "h",
        "status": status,
        "stdout": '{"list": [1, 2, 3]}',
        "n": 3,
        "started_at": TIMES[0],
        "finished_at": TIMES[0],
        "duration_ms": 3,
        "error": error if status == "failed" else None,
    }
    return task, "200 OK"


def of_model(rng: Random, method: str, path: str) -> tuple[dict[str, Any], str]:
    """What the endpoint of a model would answer: mostly a plan, often one that breaks rules."""
    task = {"id": "greet", "type": "noop", "params": {"x": "y"}}
    policy = {"deadline_ms": 500}
    stage = {"stage_id": "s", "task_graph": {"tasks": [task]}, "submit_policy": policy}
    plan = {"stages": [stage]}
    text = json.dumps(changed(rng, plan) if rng.random() < 0.5 else plan)
    message = {"role": "assistant", "content": text, "tool_calls": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    used = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    if rng.random() < 0.1:
        return {"error": {"message": "no", "type": "x", "code": "y"}}, "429 Too Many Requests"
    return {"id": "c", "object": "chat.completion", "choices": [choice], "usage": used}, "200 OK"


class HostileAnswers:
    """Answers to the requests of one trial, all drawn from ``rng``. ``valid`` makes what an honest
    service would answer; ``honesty`` is how often that is the answer. ``large`` are JSON values that are
    nearly too large."""

    def __init__(
        self,
        rng: Random,
        drip: Drip,
        honesty: float = 0.5,
        valid: Honest = of_execgo,
        large: tuple[bytes, ...] = LARGE,
    ) -> None:
        self._rng, self._drip, self._honesty = rng, drip, honesty
        self._valid, self._large_values = valid, large
        self._attacks = (
            self._changed_value, self._changed_value, self._changed_value, self._damaged_bytes,
            self._damaged_bytes, self._unusual_head, self._unusual_head, self._unusual_text,
            self._garbage, self._cut_off, self._bad_chunks, self._slow, self._silent,
            self._endless, self._large,
        )  # fmt: skip

    def answer(self, method: str, path: str) -> Pieces:
        """The pieces of the answer to one request."""
        valid, status = self._valid(self._rng, method, path)
        if self._rng.random() < self._honesty:
            return [http(valid, status)]
        return self._rng.choice(self._attacks)(valid, status)

    def _changed_value(self, valid: Any, status: str) -> Pieces:
        return [http(changed(self._rng, valid), status)]

    def _damaged_bytes(self, valid: Any, status: str) -> Pieces:
        return [damaged(self._rng, http(valid, status))]

    def _unusual_head(self, valid: Any, status: str) -> Pieces:
        headers = self._rng.sample(_HEADERS, self._rng.randint(0, 3))
        return [http(valid, self._rng.choice(_STATUSES), *headers)]

    def _unusual_text(self, valid: Any, status: str) -> Pieces:
        text = self._rng.choice(_TEXTS)
        whole = json.dumps(valid).replace('"a"', text, 1).replace("3", text, 1)
        return [http(self._rng.choice([text, whole, f'{{"id": {text}}}']), status)]

    def _garbage(self, valid: Any, status: str) -> Pieces:
        return [self._rng.randbytes(self._rng.randint(0, 3000))]

    def _cut_off(self, valid: Any, status: str) -> Pieces:
        content = http(valid, status)
        return [content[: self._rng.randrange(len(content))]]

    def _bad_chunks(self, valid: Any, status: str) -> Pieces:
        sizes = ["2", "-2", "zz", "", "ffffffffffffffff", "2;ext=\x00", "0"]
        chunks = "".join(f"{self._rng.choice(sizes)}\r\n{{}}\r\n" for _ in range(3))
        return [http(chunks, status, "Transfer-Encoding: chunked")]

    def _slow(self, valid: Any, status: str) -> Pieces:
        return self._drip(http(valid, status))

    def _silent(self, valid: Any, status: str) -> Pieces:
        # The first byte comes after the pause, which is longer than the deadline.
        return self._drip(b"")

    def _endless(self, valid: Any, status: str) -> Pieces:
        heads = [
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.1 202 X\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"",
        ]
        pieces = [b" " * 65536, b"X: y\r\n" * 5000, b"1\r\n \r\n" * 9000, b'{"a":[' * 9000]
        return chain([self._rng.choice(heads)], repeat(self._rng.choice(pieces)))

    def _large(self, valid: Any, status: str) -> Pieces:
        keys = ["result", "error", "status", "task_ids", "requests", "content", "extra"]
        key, large = self._rng.choice(keys), self._rng.choice(self._large_values)
        document = json.dumps(_with(valid, key, "PLACE")).encode()
        return [http(document.replace(b'"PLACE"', large), status)]


def _with(document: Any, key: str, value: Any) -> Any:
    """``document`` with ``value`` under ``key``: wherever it has that key, or else at the top."""
    text = json.dumps(document)
    if f'"{key}":' not in text or not isinstance(document, dict):
        return document | {key: value}
    return json.loads(
        text, object_hook=lambda one: {k: value if k == key else v for k, v in one.items()}
    )
