"""The HTTP side of the model gateway."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_execgo.adapter.answer import Answer, parsed
from pytest_execgo.transport.guarded import GuardedHandler, error_body

GATEWAY_BASE = "/v1"


def gateway_handler(ask: Callable[[str, Any], Answer]) -> type[GuardedHandler]:
    """A handler that answers each accepted request with ``ask(path, body)``: the path below ``/v1``, and
    the JSON object of the body."""

    class GatewayHandler(GuardedHandler):
        name, base = "the model gateway", GATEWAY_BASE

        def serve(self, path: str, body: bytes) -> None:
            asked = parsed(body.decode("utf-8", "replace"))
            if isinstance(asked, dict):
                self._send(ask(path, asked))
            else:
                self._send(_not_an_object())

        def _send(self, answer: Answer) -> None:
            data = answer.text.encode("utf-8", "replace")
            self.send_response_only(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return GatewayHandler


def _not_an_object() -> Answer:
    text = error_body("the body of a request to the model gateway must be a JSON object").decode()
    return Answer(400, "application/json", text)
