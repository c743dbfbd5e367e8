"""The HTTP side of the model gateway."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

from pytest_execgo.adapter.answer import Answer, parsed


def gateway_handler(ask: Callable[[str, Any], Answer]) -> type[BaseHTTPRequestHandler]:
    """A handler that answers each POST request with ``ask(path, body)``: the path below ``/v1``, and the
    JSON value of the body (``None`` if it is not JSON)."""

    class GatewayHandler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self._body().decode("utf-8", "replace")
            self._send(ask(self.path.removeprefix("/v1"), parsed(body)))

        def do_GET(self) -> None:
            """Refuse: a framework need not list models, since it knows which one to ask."""
            message = f"the model gateway answers POST requests only, not GET {self.path}"
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
            """Nothing: the trace has every request."""

    return GatewayHandler
