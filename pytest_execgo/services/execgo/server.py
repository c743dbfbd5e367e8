"""ExecGo's routes."""

from __future__ import annotations

import json
import secrets
from dataclasses import replace
from time import monotonic
from typing import Any

from pytest_execgo.services.execgo import SPEAKS
from pytest_execgo.services.execgo.graph import GraphError, read_graph
from pytest_execgo.services.execgo.scheduler import Scheduler
from pytest_execgo.services.execgo.store import Store
from pytest_execgo.services.httpd import Request, Response

_NOSNIFF = {"X-Content-Type-Options": "nosniff"}
_TEXT = "text/plain; charset=utf-8"


class Api:
    """Answers requests from the store and hands graphs to the scheduler."""

    def __init__(self, store: Store, scheduler: Scheduler) -> None:
        self._store = store
        self._scheduler = scheduler
        self._started = monotonic()

    def handle(self, request: Request) -> Response:
        """Route one request; every answer carries a trace id."""
        trace_id = request.headers.get("x-trace-id") or secrets.token_hex(8)
        response = self._route(request)
        return replace(response, headers={**response.headers, "X-Trace-Id": trace_id})

    def _route(self, request: Request) -> Response:
        match request.segments:
            case ("health",):
                return self._only(request, GET=self._health)
            case ("metrics",):
                return self._only(request, GET=lambda _: _json(self._scheduler.metrics))
            case ("tasks",):
                return self._only(request, GET=self._list, POST=self._submit)
            case ("tasks", task_id) if task_id:
                return self._only(request, GET=self._get, DELETE=self._delete)
        return Response(404, b"404 page not found\n", _TEXT, _NOSNIFF)

    def _only(self, request: Request, **methods: Any) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        if method in methods:
            response: Response = methods[method](request)
            return response
        names = sorted({*methods, *(["HEAD"] if "GET" in methods else [])})
        headers = {**_NOSNIFF, "Allow": ", ".join(names)}
        return Response(405, b"Method Not Allowed\n", _TEXT, headers)

    def _health(self, request: Request) -> Response:
        uptime = _go_duration(round(monotonic() - self._started))
        return _json({"status": "ok", "version": SPEAKS, "uptime": uptime})

    def _list(self, request: Request) -> Response:
        return _json(self._store.all())

    def _submit(self, request: Request) -> Response:
        try:
            specs = read_graph(request.body)
        except GraphError as error:
            return _json({"error": str(error)}, 400)
        self._scheduler.submit(specs)
        return _json({"accepted": len(specs), "task_ids": [spec.id for spec in specs]}, 202)

    def _get(self, request: Request) -> Response:
        task = self._store.get(request.segments[1])
        return _not_found(request) if task is None else _json(task)

    def _delete(self, request: Request) -> Response:
        return Response(204) if self._store.delete(request.segments[1]) else _not_found(request)


def _not_found(request: Request) -> Response:
    return _json({"error": f"task not found: {request.segments[1]}"}, 404)


_HTML: dict[str, int | str | None] = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}


def _json(value: Any, status: int = 200) -> Response:
    """One JSON value and a newline, with HTML characters escaped as ExecGo writes them."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    text = text.translate(str.maketrans(_HTML)) + "\n"
    return Response(status, text.encode("utf-8", "replace"), "application/json")


def _go_duration(seconds: int) -> str:
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{seconds}s"
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
