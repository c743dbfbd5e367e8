"""The model gateway: a loopback endpoint between a framework and its model. It passes requests on and
records the answers, or answers from a recording.

In every mode, frameworks get the address of the gateway and no key. So all frameworks are recorded and
replayed alike, the key reaches no framework, trace or file, and requests go to the chosen endpoint only.
The address holds a secret, so that no other process and no web page can use the model.
The gateway retries what is transient (429, 5xx, no answer) and honours ``Retry-After``; adapters switch
the retries of their SDKs off. Requests are answered one after another.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pytest_execgo.adapter.answer import Answer, AnswerSource, usage, whole_characters
from pytest_execgo.adapter.answer_problem import problem
from pytest_execgo.adapter.base import PlanTrace
from pytest_execgo.adapter.budget import Budget
from pytest_execgo.adapter.gateway_server import GATEWAY_BASE, gateway_handler
from pytest_execgo.adapter.recorded import DIVERGENCE
from pytest_execgo.adapter.retries import is_client_error, retry_wait
from pytest_execgo.errors import PlanError
from pytest_execgo.models.recording import Exchange
from pytest_execgo.models.shorten import shortened
from pytest_execgo.system.clock import monotonic
from pytest_execgo.transport.loopback import LoopbackServer

# Characters of a request or an answer in the trace. Those of real plans are much shorter.
_LONGEST_IN_TRACE = 1_000_000


@dataclass(frozen=True)
class ModelAttempt:
    """One try of a request, and its result. ``number`` counts the framework's requests, ``attempt`` the
    tries of one request, both from 1. ``problem`` is ``None`` if the answer is usable."""

    number: int
    attempt: int
    answer: Answer
    took_ms: float
    problem: PlanError | None


class ModelGateway:
    """A context manager; ``url`` is the base URL for the framework. ``on_attempt`` is called with each
    try, on a thread of the gateway; ``pause`` waits (seconds) between two tries; ``hide`` removes the
    user's key from requests, so that it is neither sent as text nor recorded."""

    def __init__(
        self,
        source: AnswerSource,
        trace: PlanTrace,
        budget: Budget,
        on_attempt: Callable[[ModelAttempt], None] = lambda attempt: None,
        pause: Callable[[float], object] | None = None,
        hide: Callable[[Any], Any] = lambda asked: asked,
    ) -> None:
        self._source, self._trace, self._budget = source, trace, budget
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._on_attempt, self._pause = on_attempt, pause or self._closed.wait
        self._hide = hide
        self.exchanges: list[Exchange] = []
        self.problem: PlanError | None = None
        """Why the last request failed; a usable answer to a later request clears it."""
        self.divergence: PlanError | None = None
        """The first request that differs from the recording; never cleared."""
        self._number = 0
        self.requests = self.answers = 0
        """Requests of the framework, without those that the budget refused; usable answers to them."""
        self.tokens: tuple[int, int] | None = (0, 0)
        """Tokens of prompts and of completions; ``None`` if the endpoint does not report them."""
        self._server = LoopbackServer(gateway_handler(self.ask))
        self.url = f"{self._server.secret_url}{GATEWAY_BASE}"

    def __enter__(self) -> ModelGateway:
        self._server.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._closed.set()
        self._server.__exit__(*exc)

    def stop(self) -> None:
        """Answer no more requests, and end those that wait. A signal handler may call it."""
        self._closed.set()
        self._server.hang_up()

    def without_secret(self, text: str) -> str:
        """``text``, such as an error of the framework, without the secret of the address."""
        return text.replace(self._server.secret, "[secret]")

    def ask(self, path: str, asked: Any) -> Answer:
        """Answer and record one request of the framework."""
        asked = self._hide(asked)
        with self._lock:
            if self._closed.is_set():
                return _refusal(str(_planning_ended()))
            self._number += 1
            number = self._number
            body = shortened(asked, _LONGEST_IN_TRACE)
            self._trace.add("model_request", number=number, path=path, body=body)
            try:
                answer = self._ask_with_retries(number, path, asked)
            except Exception as error:
                # Always answer the framework; never crash its request.
                return self._fail(number, error)
            self._keep(path, asked, answer)
            if self.problem is not None and not is_client_error(answer.status):
                return _refusal(str(self.problem))
            return answer

    def _fail(self, number: int, error: Exception) -> Answer:
        found = error if isinstance(error, PlanError) else PlanError("model_error", repr(error))
        self.problem = found
        if found.code == DIVERGENCE and self.divergence is None:
            self.divergence = found
        self._trace.add("model_problem", number=number, message=str(found))
        return _refusal(str(found))

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
        """The first usable answer, or the last unusable one."""
        attempt = 0
        while True:
            attempt += 1
            self._budget.spend_request()
            self.requests += attempt == 1
            began = monotonic()
            left = self._budget.seconds_left()
            answer = whole_characters(self._source.answer(len(self.exchanges), path, asked, left))
            self._budget.count_bytes(len(answer.text.encode("utf-8", "replace")))
            self._note(number, attempt, asked, answer, monotonic() - began)
            if answer.late:
                # If the plan's time is up, report that instead of a slow endpoint.
                self._budget.check_time()
            if self.problem is None or not self._source.retryable:
                return answer
            wait = retry_wait(answer, attempt, self._budget.seconds_left())
            if wait is None:
                return answer
            self._trace.add("wait", number=number, seconds=wait)
            self._pause(wait)
            if self._closed.is_set():
                raise _planning_ended()

    def _note(self, number: int, attempt: int, asked: Any, answer: Answer, seconds: float) -> None:
        if self._closed.is_set():
            raise _planning_ended()
        took_ms = round(seconds * 1000, 3)
        self.problem = problem(answer, asked)
        facts = {"number": number, "attempt": attempt, "status": answer.status}
        body = shortened(answer.body or answer.text, _LONGEST_IN_TRACE)
        self._trace.add("model_answer", **facts, body=body, took_ms=took_ms)
        self._on_attempt(ModelAttempt(number, attempt, answer, took_ms, self.problem))


def _planning_ended() -> PlanError:
    return PlanError(
        "model_error", "planning has ended: the model gateway answers no more requests"
    )


def _refusal(message: str) -> Answer:
    """The answer to the framework if there is none to pass on: 400, which no SDK retries."""
    body = {"error": {"message": message, "type": "invalid_request_error", "code": "execgo"}}
    return Answer(400, "application/json", json.dumps(body))
