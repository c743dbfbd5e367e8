"""The HTTP routes of the runtime."""

from __future__ import annotations

import json
from typing import Any

from pytest_execgo.emulators.guard import is_json
from pytest_execgo.emulators.httpd import Request, Response, json_response
from pytest_execgo.emulators.runtime import SPEAKS, documents
from pytest_execgo.emulators.runtime.request import RequestError, ShapeError, read_submission
from pytest_execgo.emulators.runtime.supervisor import Supervisor


class RuntimeApi:
    """Answers requests from the supervisor."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    def handle(self, request: Request) -> Response:
        """Answer one request."""
        try:
            return self._route(request)
        except RequestError as error:
            body = {"error": {"code": error.code, "message": error.message}}
            return json_response(body, error.status)

    def _route(self, request: Request) -> Response:
        match (request.method, *request.segments):
            case ("GET", "healthz"):
                return json_response({"status": "ok", "version": SPEAKS})
            case ("GET", "readyz"):
                return json_response({"status": "ready", "version": SPEAKS})
            case ("GET", "metrics"):
                text = self._supervisor.metrics().encode()
                return Response(200, text, "text/plain; version=0.0.4")
            case ("GET", "api", "v1", "runtime", "info"):
                return json_response(documents.info(self._supervisor.settings))
            case ("GET", "api", "v1", "runtime", "capabilities"):
                return json_response(documents.capabilities(self._supervisor.settings))
            case ("GET", "api", "v1", "runtime", "config"):
                return json_response(documents.config(self._supervisor.settings))
            case ("GET", "api", "v1", "runtime", "resources"):
                return json_response(self._supervisor.resources())
            case ("POST", "api", "v1", "tasks"):
                return self._submit(request)
            case ("GET", "api", "v1", "tasks", task_id):
                return json_response(self._supervisor.status(task_id))
            case ("GET", "api", "v1", "tasks", task_id, "events"):
                return json_response(self._supervisor.events(task_id))
            case ("POST", "api", "v1", "tasks", task_id, "kill"):
                owner = request.headers.get("x-execgo-owner", "")
                return json_response(self._supervisor.kill(task_id, owner))
        return Response(404)

    def _submit(self, request: Request) -> Response:
        if not is_json(request.headers.get("content-type", "")):
            text = "Expected request with `Content-Type: application/json`"
            return _text(415, text)
        try:
            body: Any = json.loads(request.body)
        except ValueError as error:
            return _text(400, f"Failed to parse the request body as JSON: {error}")
        try:
            submission = read_submission(body)
        except ShapeError as error:
            return _text(422, f"Failed to deserialize the JSON body into the target type: {error}")
        self._supervisor.submit(submission)
        name = submission.task_id
        return json_response({"task_id": name, "handle_id": name, "status": "accepted"})


def _text(status: int, text: str) -> Response:
    return Response(status, text.encode(), "text/plain; charset=utf-8")
