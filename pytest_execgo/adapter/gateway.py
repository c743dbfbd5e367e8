"""The wire between a framework and its model: a loopback endpoint that passes requests on and keeps what
was said, or answers from what was kept.

Frameworks are told its address and no key, in every mode: so all of them are recorded and replayed
alike, the key reaches no framework, trace or file, and nothing is asked of anybody but the endpoint that
was given. What is transient (429, 5xx, no answer) is retried here, once for all, as ``Retry-After``
says: adapters tell their SDKs not to. Requests are answered one after another.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from time import monotonic
from typing import Any

from pytest_execgo.adapter.answer import Answer, AnswerSource, parsed, problem, usage
from pytest_execgo.adapter.base import PlanTrace
from pytest_execgo.adapter.budget import Budget
from pytest_execgo.adapter.recorded import DIVERGENCE
from pytest_execgo.errors import PlanError
from pytest_execgo.models.recording import Exchange
from pytest_execgo.transport.local import LoopbackServer

MOST_RETRIES = 2
LONGEST_WAIT_SECONDS = 30.0
_FIRST_WAIT_SECONDS = 0.5


@dataclass(frozen=True)
class ModelAttempt:
    """One try of a request, and what came of it. ``number`` counts the framework's requests, ``attempt``
    the tries of one, both from 1; ``trouble`` is ``None`` for an answer that is well."""

    number: int
    attempt: int
    answer: Answer
    took_ms: float
    problem: PlanError | None


class ModelGateway:
    """Use it as a context manager; ``url`` is what a framework is told. ``on_attempt`` is called with
    each try, on a thread of the wire's; ``pause`` waits between two (seconds)."""

    def __init__(
        self,
        source: AnswerSource,
        trace: PlanTrace,
        budget: Budget,
        on_attempt: Callable[[ModelAttempt], None] = lambda attempt: None,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        self._source, self._trace, self._budget = source, trace, budget
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._on_attempt, self._pause = on_attempt, pause or self._closed.wait
        self.exchanges: list[Exchange] = []
        self.problem: PlanError | None = None
        """Why the last request came to nothing; a later one that is answered clears it."""
        self.divergence: PlanError | None = None
        """The first request that a recording has not; nothing clears it."""
        self._number = 0
        self.requests = self.answers = 0
        """How often the framework asked (what a budget refused aside), and got a good answer."""
        self.tokens: tuple[int, int] | None = (0, 0)
        """Of prompts and of completions, as the endpoint counts them; ``None`` where it does not."""
        self._server = LoopbackServer(_handler(self))
        self.url = f"{self._server.url}/v1"

    def __enter__(self) -> ModelGateway:
        self._server.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._closed.set()
        self._server.__exit__(*exc)

    def stop(self) -> None:
        """Answer nothing any more, also to who waits already; may be called by a signal handler."""
        self._closed.set()
        self._server.hang_up()

    def ask(self, path: str, asked: Any) -> Answer:
        """Answer one request of the framework, and remember it."""
        with self._lock:
            if self._closed.is_set():
                return _refusal(str(_over()))
            self._number += 1
            number = self._number
            self._trace.add("model_request", number=number, path=path, body=asked)
            try:
                answer = self._ask_with_retries(number, path, asked)
            except Exception as error:
                # Whatever it is, the framework is told something, and we are not blamed on it.
                told = (
                    error if isinstance(error, PlanError) else PlanError("model_error", repr(error))
                )
                self.problem = told
                if told.code == DIVERGENCE and self.divergence is None:
                    self.divergence = told
                self._trace.add("model_problem", number=number, message=str(told))
                return _refusal(str(told))
            self._keep(path, asked, answer)
            if self.problem is not None and not _is_client_error(answer.status):
                return _refusal(str(self.problem))
            return answer

    def _keep(self, path: str, asked: Any, answer: Answer) -> None:
        if self.problem is None:
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
                retry_after=answer.retry_after,
                late=answer.late,
            )
        )

    def _ask_with_retries(self, number: int, path: str, asked: Any) -> Answer:
        """The answer, or the last of those that were none."""
        attempt = 0
        while True:
            attempt += 1
            self._budget.spend_request()
            self.requests += attempt == 1
            began = monotonic()
            left = self._budget.seconds_left()
            answer = self._source.answer(len(self.exchanges), path, asked, left)
            self._note(number, attempt, asked, answer, monotonic() - began)
            if answer.late:
                # If it was all the time there is, that is what there is to tell.
                self._budget.check_time()
            wait = self._wait(answer, attempt)
            if wait is None:
                return answer
            self._trace.add("wait", number=number, seconds=wait)
            self._pause(wait)
            if self._closed.is_set():
                raise _over()

    def _note(self, number: int, attempt: int, asked: Any, answer: Answer, seconds: float) -> None:
        if self._closed.is_set():
            raise _over()
        took_ms = round(seconds * 1000, 3)
        self.problem = problem(answer, asked)
        facts = {"number": number, "attempt": attempt, "status": answer.status}
        body = parsed(answer.text) or answer.text
        self._trace.add("model_answer", **facts, body=body, took_ms=took_ms)
        self._on_attempt(ModelAttempt(number, attempt, answer, took_ms, self.problem))

    def _wait(self, answer: Answer, attempt: int) -> float | None:
        """Seconds until the next try; ``None`` where that is of no use."""
        if self.problem is None or not self._source.retryable or attempt > MOST_RETRIES:
            return None
        if answer.permanent or not _is_transient(answer.status):
            return None
        wait = answer.retry_after
        if wait is None:
            wait = _FIRST_WAIT_SECONDS * 2 ** (attempt - 1)
        too_long = wait > LONGEST_WAIT_SECONDS or wait >= self._budget.seconds_left()
        return None if too_long else wait


def _over() -> PlanError:
    return PlanError("model_error", "the planning has ended; no model is asked any more")


def _is_transient(status: int) -> bool:
    """Whether it may be well a little later: what OpenAI's SDK tries again. 0 is no answer."""
    return status in (0, 408, 409, 429) or status >= 500


def _is_client_error(status: int) -> bool:
    """Whether a framework can make something of it, and no SDK tries it again."""
    return 400 <= status < 500 and not _is_transient(status)


def _refusal(message: str) -> Answer:
    """What the framework is told where there is no answer to pass on. 400: no SDK tries again."""
    body = {"error": {"message": message, "type": "invalid_request_error", "code": "execgo"}}
    return Answer(400, "application/json", json.dumps(body))


def _handler(gateway: ModelGateway) -> type[BaseHTTPRequestHandler]:
    class GatewayHandler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self._body().decode("utf-8", "replace")
            self._send(gateway.ask(self.path.removeprefix("/v1"), parsed(body)))

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

    return GatewayHandler
