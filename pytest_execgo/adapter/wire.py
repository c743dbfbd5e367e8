"""The wire between a framework and its model: a loopback endpoint that passes requests on and keeps what
was said, or answers from what was kept.

Frameworks are told its address and no key, in every mode: so all of them are recorded and replayed
alike, the key reaches no framework, trace or file, and nothing is asked of anybody but the endpoint that
was given. ``Retry-After`` is honoured here, once for all: adapters tell their SDKs not to retry.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic, sleep
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests

from pytest_execgo.adapter.base import PlanTrace
from pytest_execgo.errors import PlanError
from pytest_execgo.models.recording import Exchange

_LONGEST_WAIT_SECONDS = 30.0
_WAITS = 2
_LEFT_OUT = (
    "model",
    "temperature",
    "max_tokens",
    "max_completion_tokens",
    "stream",
    "stream_options",
)
"""What may differ between a recording and its replay."""


@dataclass(frozen=True)
class Answer:
    """A reply as it came. ``status`` 0: none came, and ``text`` says why."""

    status: int
    content_type: str
    text: str
    retry_after: float | None = None


class Source(Protocol):
    """Where answers come from."""

    def answer(self, number: int, path: str, asked: Any) -> Answer:
        """The answer to request ``number`` (from 0); raises :class:`PlanError`."""


class Endpoint:
    """A model that is really asked. ``base_url`` as OpenAI's SDK takes it, ending in ``/v1``."""

    def __init__(self, base_url: str, key: str | None, seconds: float) -> None:
        self._base_url, self._seconds, self._key = base_url.rstrip("/"), seconds, key
        self._session = requests.Session()
        # Ours is beside us; a model elsewhere may have to be reached through the user's proxy.
        self._session.trust_env = urlsplit(base_url).hostname not in ("127.0.0.1", "localhost")
        if key:
            self._session.headers["Authorization"] = f"Bearer {key}"

    def answer(self, number: int, path: str, asked: Any) -> Answer:
        """Ask, and wait as long as a 429 says, within reason."""
        for _ in range(_WAITS):
            found = self._ask(path, asked)
            wait = found.retry_after
            if found.status != 429 or wait is None or wait > _LONGEST_WAIT_SECONDS:
                return found
            sleep(wait)
        return self._ask(path, asked)

    def _ask(self, path: str, asked: Any) -> Answer:
        url = f"{self._base_url}{path}"
        try:
            reply = self._session.post(url, json=asked, timeout=self._seconds)
        except requests.RequestException as error:
            return Answer(0, "", self._without_key(f"{type(error).__name__}: {error}"))
        kind = reply.headers.get("Content-Type", "")
        after = reply.headers.get("Retry-After", "")
        # Not reply.text: it takes a stream for Latin-1 where nothing else is said.
        text = self._without_key(reply.content.decode("utf-8", "replace"))
        wait = int(after) if after.isascii() and after.isdigit() else None
        return Answer(reply.status_code, kind, text, wait)

    def _without_key(self, text: str) -> str:
        """Endpoints echo what they refuse."""
        return text.replace(self._key, "[key]") if self._key else text


class Recorded:
    """A recording that answers; a request that was not recorded so is a divergence."""

    def __init__(self, exchanges: Sequence[Exchange]) -> None:
        self._exchanges = exchanges

    def answer(self, number: int, path: str, asked: Any) -> Answer:
        """The recorded answer."""
        if number >= len(self._exchanges):
            raise PlanError(
                DIVERGENCE,
                f"replay divergence at request {number + 1}: the recording has "
                f"{len(self._exchanges)}, and the framework asks once more",
            )
        known = self._exchanges[number]
        where = _difference(_essence(known.asked), _essence(asked))
        if known.path != path or where:
            raise PlanError(
                DIVERGENCE,
                f"replay divergence at request {number + 1}: {where or 'the path'} is not as recorded",
            )
        return Answer(known.status, known.content_type, known.answer)


DIVERGENCE = "replay_divergence"


class ModelWire:
    """Use it as a context manager; ``url`` is what a framework is told."""

    def __init__(self, source: Source, trace: PlanTrace, *, max_requests: int) -> None:
        self._source, self._trace, self._max_requests = source, trace, max_requests
        self._lock = threading.Lock()
        self.exchanges: list[Exchange] = []
        self.trouble: PlanError | None = None
        """Why the last request came to nothing; a later one that is answered clears it."""
        self.divergence: PlanError | None = None
        """The first request that a recording has not; nothing clears it."""
        self._asked = 0
        self.prompt_tokens = self.completion_tokens = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> ModelWire:
        serve = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        serve.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def ask(self, path: str, asked: Any) -> Answer:
        """Answer one request of the framework, and remember it."""
        with self._lock:
            number = len(self.exchanges)
            began = monotonic()
            self._trace.add("model_request", number=number + 1, path=path, body=asked)
            try:
                answer = self._answer(number, path, asked)
            except Exception as error:
                # Whatever it is, the framework is told something, and we are not blamed on it.
                told = (
                    error if isinstance(error, PlanError) else PlanError("model_error", repr(error))
                )
                self.trouble = told
                if told.code == DIVERGENCE and self.divergence is None:
                    self.divergence = told
                self._trace.add("model_trouble", number=number + 1, message=str(told))
                return _refusal(str(told))
            took = round((monotonic() - began) * 1000, 3)
            self.trouble = _trouble(answer)
            self._count(answer)
            self._trace.add(
                "model_answer",
                number=number + 1,
                status=answer.status,
                body=_json(answer.text) or answer.text,
                took_ms=took,
            )
            self.exchanges.append(
                Exchange(
                    path=path,
                    asked=asked,
                    status=answer.status,
                    content_type=answer.content_type,
                    answer=answer.text,
                )
            )
            if answer.status == 0:
                assert self.trouble is not None
                return _refusal(str(self.trouble))
            return answer

    def _answer(self, number: int, path: str, asked: Any) -> Answer:
        self._asked += 1
        if self._asked > self._max_requests:
            raise PlanError(
                "model_budget",
                f"the framework asked the model more than {self._max_requests} times",
            )
        return self._source.answer(number, path, asked)

    def _count(self, answer: Answer) -> None:
        found = _json(answer.text)
        usage = found.get("usage") if isinstance(found, dict) else None
        if isinstance(usage, dict):
            self.prompt_tokens += _tokens(usage, "prompt_tokens", "input_tokens")
            self.completion_tokens += _tokens(usage, "completion_tokens", "output_tokens")


def _tokens(usage: dict[str, Any], *names: str) -> int:
    found = next((usage[name] for name in names if isinstance(usage.get(name), int)), 0)
    return int(found)


def _trouble(answer: Answer) -> PlanError | None:
    """What an answer that is none means, in one line."""
    found = _json(answer.text)
    said = ""
    if isinstance(found, dict):
        error = found.get("error")
        said = str(error.get("message") if isinstance(error, dict) else error or "")
    said = " ".join(said.split())[:300]
    if answer.status == 0:
        return PlanError("model_unreachable", f"the model cannot be reached: {answer.text[:300]}")
    if answer.status in (401, 403):
        return PlanError(
            "model_key_refused",
            f"the model's endpoint refused the key ({answer.status}: {said}); set OPENAI_API_KEY",
        )
    if answer.status == 429:
        return PlanError("model_rate_limit", f"the model's endpoint answers 429: {said}")
    if answer.status == 404:
        return PlanError(
            "model_unknown", f"the model's endpoint answers 404: {said or 'not found'}"
        )
    if answer.status >= 400:
        return PlanError(
            "model_error", f"the model's endpoint answers {answer.status}: {said or 'no reason'}"
        )
    if said:
        return PlanError("model_error", f"the model's endpoint answers {answer.status}: {said}")
    streamed = answer.content_type.startswith("text/event-stream")
    if not streamed and not (isinstance(found, dict) and ("choices" in found or "output" in found)):
        return PlanError(
            "model_not_openai",
            f"the endpoint answers {answer.content_type or 'something'}, not as OpenAI's does; is the "
            "base URL right? it usually ends in /v1",
        )
    return None


def _refusal(message: str) -> Answer:
    """What the framework is told where there is no answer to pass on. 400: no SDK tries again."""
    body = {"error": {"message": message, "type": "invalid_request_error", "code": "execgo"}}
    return Answer(400, "application/json", json.dumps(body))


def _json(text: str) -> Any:
    with suppress(ValueError):
        return json.loads(text)
    return None


def _essence(asked: Any) -> Any:
    return (
        {k: v for k, v in asked.items() if k not in _LEFT_OUT} if isinstance(asked, dict) else asked
    )


def _difference(known: Any, asked: Any, path: str = "") -> str | None:
    """The first key path at which two JSON values differ; ``None`` if they are equal."""
    if isinstance(known, dict) and isinstance(asked, dict):
        for key in dict.fromkeys([*known, *asked]):
            at = f"{path}.{key}" if path else str(key)
            if (key in known) != (key in asked):
                return at
            found = _difference(known[key], asked[key], at)
            if found:
                return found
        return None
    if isinstance(known, list) and isinstance(asked, list) and len(known) == len(asked):
        for index, (one, other) in enumerate(zip(known, asked, strict=True)):
            found = _difference(one, other, f"{path}[{index}]")
            if found:
                return found
        return None
    return None if known == asked else path or "the body"


def _handler(wire: ModelWire) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self._body().decode("utf-8", "replace")
            self._send(wire.ask(self.path.removeprefix("/v1"), _json(body)))

        def do_GET(self) -> None:
            """Nobody needs to look for models: the one to ask is known."""
            message = f"only plans are asked for here, not {self.path}"
            self._send(Answer(404, "application/json", json.dumps({"error": {"message": message}})))

        def _body(self) -> bytes:
            if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            chunks = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return b"".join(chunks)

        def _send(self, answer: Answer) -> None:
            data = answer.text.encode("utf-8")
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            """The trace has it."""

    return Handler
