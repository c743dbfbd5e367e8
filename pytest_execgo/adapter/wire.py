"""The wire between a framework and its model: a loopback endpoint that passes requests on and keeps what
was said, or answers from what was kept.

Frameworks are told its address and no key, in every mode: so all of them are recorded and replayed
alike, the key reaches no framework, trace or file, and nothing is asked of anybody but the endpoint that
was given. What passes (429, 5xx, no answer) is tried again here, once for all, as OpenAI's SDK would and
as ``Retry-After`` says: adapters tell their SDKs not to.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic
from typing import Any

from pytest_execgo.adapter.answer import Answer, Source, parsed, trouble, usage
from pytest_execgo.adapter.base import PlanTrace
from pytest_execgo.adapter.budget import Budget
from pytest_execgo.adapter.recorded import DIVERGENCE
from pytest_execgo.errors import PlanError
from pytest_execgo.models.recording import Exchange

MOST_RETRIES = 2
LONGEST_WAIT_SECONDS = 30.0
_FIRST_WAIT_SECONDS = 0.5


@dataclass(frozen=True)
class Heard:
    """One reply of the source, or that none came. ``number`` counts the framework's requests and
    ``attempt`` the tries of one, both from 1; ``trouble`` is ``None`` for an answer that is well."""

    number: int
    attempt: int
    answer: Answer
    took_ms: float
    trouble: PlanError | None


class ModelWire:
    """Use it as a context manager; ``url`` is what a framework is told. ``heard`` is called with each
    reply, on a thread of the wire's."""

    def __init__(
        self,
        source: Source,
        trace: PlanTrace,
        budget: Budget,
        heard: Callable[[Heard], None] = lambda one: None,
        first_wait_seconds: float = _FIRST_WAIT_SECONDS,
    ) -> None:
        self._source, self._trace, self._budget = source, trace, budget
        self._heard, self._first_wait = heard, first_wait_seconds
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self.exchanges: list[Exchange] = []
        self.trouble: PlanError | None = None
        """Why the last request came to nothing; a later one that is answered clears it."""
        self.divergence: PlanError | None = None
        """The first request that a recording has not; nothing clears it."""
        self.answers = 0
        self.tokens: tuple[int, int] | None = (0, 0)
        """Of prompts and of completions, as the endpoint counts them; ``None`` where it does not."""
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> ModelWire:
        serve = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        serve.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()

    def ask(self, path: str, asked: Any) -> Answer:
        """Answer one request of the framework, and remember it."""
        with self._lock:
            number = len(self.exchanges)
            self._trace.add("model_request", number=number + 1, path=path, body=asked)
            try:
                answer = self._patiently(number, path, asked)
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
            self._keep(path, asked, answer)
            if self.trouble is not None and not _can_be_told(answer):
                return _refusal(str(self.trouble))
            return answer

    def _keep(self, path: str, asked: Any, answer: Answer) -> None:
        if self.trouble is None:
            self.answers += 1
            used = usage(answer)
            self._budget.count(used)
            if self.tokens is None or used is None:
                self.tokens = None
            else:
                self.tokens = (self.tokens[0] + used[0], self.tokens[1] + used[1])
        self.exchanges.append(
            Exchange(
                path=path,
                asked=asked,
                status=answer.status,
                content_type=answer.content_type,
                answer=answer.text,
            )
        )

    def _patiently(self, number: int, path: str, asked: Any) -> Answer:
        """The answer, or the last of those that were none."""
        attempt = 0
        while True:
            attempt += 1
            self._budget.spend_request()
            began = monotonic()
            answer = self._source.answer(number, path, asked, self._budget.seconds_left())
            self._tell(number, attempt, answer, monotonic() - began)
            if self.trouble is not None and answer.late:
                # If it was all the time there is, that is what there is to tell.
                self._budget.check_time()
            wait = self._wait(answer, attempt)
            if wait is None:
                return answer
            self._trace.add("wait", number=number + 1, seconds=wait)
            self._closed.wait(wait)

    def _tell(self, number: int, attempt: int, answer: Answer, seconds: float) -> None:
        took_ms = round(seconds * 1000, 3)
        self.trouble = trouble(answer)
        facts = {"number": number + 1, "attempt": attempt, "status": answer.status}
        body = parsed(answer.text) or answer.text
        self._trace.add("model_answer", **facts, body=body, took_ms=took_ms)
        if not self._closed.is_set():
            self._heard(Heard(number + 1, attempt, answer, took_ms, self.trouble))

    def _wait(self, answer: Answer, attempt: int) -> float | None:
        """Seconds until it is tried again; ``None`` where that is of no use."""
        if self.trouble is None or not self._source.asks_again or attempt > MOST_RETRIES:
            return None
        if self._closed.is_set() or not _passes(answer.status):
            return None
        wait = answer.retry_after
        if wait is None:
            wait = self._first_wait * 2 ** (attempt - 1)
        too_long = wait > LONGEST_WAIT_SECONDS or wait >= self._budget.seconds_left()
        return None if too_long else wait


def _passes(status: int) -> bool:
    """Whether what is wrong may be well a little later: what OpenAI's SDK tries again."""
    return status in (0, 408, 409, 429) or status >= 500


def _can_be_told(answer: Answer) -> bool:
    """Whether a framework can make something of it, and does not try again by itself."""
    return 400 <= answer.status < 500 and not _passes(answer.status)


def _refusal(message: str) -> Answer:
    """What the framework is told where there is no answer to pass on. 400: no SDK tries again."""
    body = {"error": {"message": message, "type": "invalid_request_error", "code": "execgo"}}
    return Answer(400, "application/json", json.dumps(body))


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A framework that hangs up is told by what it does then."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _handler(wire: ModelWire) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self._body().decode("utf-8", "replace")
            self._send(wire.ask(self.path.removeprefix("/v1"), parsed(body)))

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
