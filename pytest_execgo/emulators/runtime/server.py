"""The HTTP routes of the runtime."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence

from pytest_execgo.emulators.guard import is_json
from pytest_execgo.emulators.httpd import Request, Response, json_response
from pytest_execgo.emulators.runtime import SPEAKS, documents
from pytest_execgo.emulators.runtime.request import RequestError, Submission, read_submission
from pytest_execgo.emulators.runtime.shape import ShapeError
from pytest_execgo.emulators.runtime.supervisor import Supervisor

_HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")


def _finite(digits: str) -> float:
    found = float(digits)
    if not math.isfinite(found):
        raise ValueError("number out of range")
    return found


def _integer(digits: str) -> int | float:
    # The real runtime reads minus zero as a fraction.
    return -0.0 if digits == "-0" else int(digits)


def _no_constant(name: str) -> float:
    raise ValueError(f"expected value, found {name}")


_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_finite, parse_constant=_no_constant)
_LARGEST_BODY = 2 * 1024 * 1024


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
        method = "GET" if request.method == "HEAD" else request.method
        match (method, *request.segments):
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
            case ("GET", "api", "v1", "tasks", task_id) if task_id:
                return json_response(self._supervisor.status(task_id))
            case ("GET", "api", "v1", "tasks", task_id, "events") if task_id:
                return json_response(self._supervisor.events(task_id))
            case ("POST", "api", "v1", "tasks", task_id, "kill") if task_id:
                owner = request.headers.get("x-execgo-owner", "")
                return json_response(self._supervisor.kill(task_id, owner))
        allowed = _allowed(request.segments)
        return Response(405, headers={"Allow": allowed}) if allowed else Response(404)

    def _submit(self, request: Request) -> Response:
        if not is_json(request.headers.get("content-type", "")):
            text = "Expected request with `Content-Type: application/json`"
            return _text(415, text)
        if len(request.body) > _LARGEST_BODY:
            return _text(413, "Failed to buffer the request body: length limit exceeded")
        try:
            submission = _read(request.body, self._supervisor.settings.default_mode)
        except ShapeError as error:
            return _text(422, f"Failed to deserialize the JSON body into the target type: {error}")
        except (ValueError, RecursionError) as error:
            return _text(400, f"Failed to parse the request body as JSON: {error}")
        self._supervisor.submit(submission)
        name = submission.task_id
        return json_response({"task_id": name, "handle_id": name, "status": "accepted"})


def _allowed(segments: Sequence[str]) -> str | None:
    """The methods of a path as the real runtime names them; ``None`` for an unknown path."""
    match tuple(segments):
        case ("healthz" | "readyz" | "metrics",):
            return "GET,HEAD"
        case ("api", "v1", "runtime", "info" | "capabilities" | "config" | "resources"):
            return "GET,HEAD"
        case ("api", "v1", "tasks"):
            return "POST"
        case ("api", "v1", "tasks", task_id) | ("api", "v1", "tasks", task_id, "events") if task_id:
            return "GET,HEAD"
        case ("api", "v1", "tasks", task_id, "kill") if task_id:
            return "POST"
    return None


def _read(body: bytes, default_mode: str) -> Submission:
    """The submission in a body. Its shape is checked before what follows the first value."""
    text = body.decode()
    start = len(text) - len(text.lstrip(" \t\r\n"))
    if text[start : start + 1] == "[":
        raise ShapeError("invalid type: sequence, expected an object")
    found, end = _DECODER.raw_decode(text, start)
    if _HALF_CHARACTER.search(text):
        json.dumps(found, ensure_ascii=False).encode()
    submission = read_submission(found, default_mode)
    if text[end:].strip(" \t\r\n"):
        raise ValueError("trailing characters")
    return submission


def _text(status: int, text: str) -> Response:
    return Response(status, text.encode(), "text/plain; charset=utf-8")
