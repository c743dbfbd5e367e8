"""The HTTP routes of ExecGo."""

from __future__ import annotations

import posixpath
import re
import secrets
from dataclasses import replace
from time import monotonic
from typing import Any

from pytest_execgo.emulators.execgo import SPEAKS, adapters
from pytest_execgo.emulators.execgo.gojson import JsonError
from pytest_execgo.emulators.execgo.graph import GraphError, check_type, normalise, read_graph
from pytest_execgo.emulators.execgo.mcp import Handles
from pytest_execgo.emulators.execgo.scheduler import Scheduler
from pytest_execgo.emulators.execgo.store import Store, dumps
from pytest_execgo.emulators.httpd import Request, Response

_NOSNIFF = {"X-Content-Type-Options": "nosniff"}
_TEXT = "text/plain; charset=utf-8"

_OF_TASKS = ("GET", "HEAD", "DELETE")


class EngineApi:
    """Answers requests from the store, and submits graphs to the scheduler."""

    def __init__(self, store: Store, scheduler: Scheduler, handles: Handles) -> None:
        self._store, self._scheduler, self._handles = store, scheduler, handles
        self._started = monotonic()

    def handle(self, request: Request) -> Response:
        """Answer one request; every answer has a trace id, except for an invalid path."""
        if re.search(r"%(?![0-9A-Fa-f]{2})", request.path):
            # ExecGo refuses it before routing, so without a trace id.
            return Response(400, b"400 Bad Request", _TEXT, {"Connection": "close"})
        trace_id = request.headers.get("x-trace-id") or secrets.token_hex(8)
        response = self._route(request)
        return replace(response, headers={**response.headers, "X-Trace-Id": trace_id})

    def _route(self, request: Request) -> Response:
        cleaned = _clean_path(request.path)
        if cleaned != request.path:
            link = (
                f'<a href="{cleaned}">Temporary Redirect</a>.\n\n'
                if request.method == "GET"
                else ""
            )
            html = "text/html; charset=utf-8" if request.method in ("GET", "HEAD") else None
            return Response(307, link.encode(), html, {"Location": cleaned})
        match request.segments:
            case ("health",):
                return self._only(request, GET=self._health)
            case ("metrics",):
                return self._only(request, GET=lambda _: _json(self._scheduler.metrics))
            case ("mcp", "tools"):
                return self._only(request, GET=lambda _: _json(MCP_TOOLS))
            case ("mcp", "call"):
                return self._only(request, POST=self._call)
            case ("mcp", "tasks", handle_id) if handle_id:
                return self._only(request, GET=self._handle)
            case ("adapters", "capabilities"):
                return self._only(request, GET=lambda _: _json(adapters.CAPABILITIES))
            case ("adapters", "tools"):
                return self._only(request, GET=lambda _: _json(adapters.TOOLS))
            case ("adapters", "translate"):
                return self._only(request, POST=self._translate)
            case ("adapters", "actions"):
                return self._only(request, POST=self._act)
            case ("tasks",):
                return self._only(request, GET=self._list, POST=self._submit)
            case ("tasks", task_id) if "/" in task_id and self._is_lost(request, task_id):
                return Response(404, b"404 page not found\n", _TEXT, _NOSNIFF)
            case ("tasks", task_id) if task_id:
                return self._only(request, GET=self._get, DELETE=self._delete)
        return Response(404, b"404 page not found\n", _TEXT, _NOSNIFF)

    def _is_lost(self, request: Request, task_id: str) -> bool:
        """Whether Go's router finds no route for an id with an escaped slash: it looks for the allowed
        methods of the unescaped path, which has more segments, and refuses an empty segment."""
        path = f"/tasks/{task_id}"
        return request.method not in _OF_TASKS or _clean_path(path) != path

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
        return _text(self._store.all())

    def _submit(self, request: Request) -> Response:
        try:
            specs = read_graph(request.body)
        except GraphError as error:
            return _json({"error": str(error)}, 400)
        self._scheduler.submit(specs)
        return _json({"accepted": len(specs), "task_ids": [spec.id for spec in specs]}, 202)

    def _get(self, request: Request) -> Response:
        task = self._store.get(request.segments[1])
        return _not_found(request) if task is None else _text(task)

    def _delete(self, request: Request) -> Response:
        return Response(204) if self._store.delete(request.segments[1]) else _not_found(request)

    def _call(self, request: Request) -> Response:
        try:
            return _json(self._handles.call(request.body), 202)
        except JsonError as error:
            return _json({"error": f"invalid JSON: {error}"}, 400)

    def _handle(self, request: Request) -> Response:
        handle = self._handles.get(request.segments[2])
        if handle is None:
            return _json({"error": f"handle not found: {request.segments[2]}"}, 404)
        return _json(handle)

    def _translate(self, request: Request) -> Response:
        try:
            done = adapters.translate(request.body)
        except adapters.ActionError as error:
            return _json({"error": str(error)}, 400)
        return _translation(done, 0, [adapters.untouched(spec) for spec in done.specs])

    def _act(self, request: Request) -> Response:
        try:
            done = adapters.translate(request.body)
            for spec in done.specs:
                check_type(spec)
                normalise(spec)
        except (adapters.ActionError, GraphError) as error:
            return _json({"error": str(error)}, 400)
        self._scheduler.submit(done.specs)
        live = [self._store.get(spec.id) or "null" for spec in done.specs]
        return _translation(done, len(live), live)


MCP_TOOLS = {
    "tools": [
        {
            "name": "mcp.execute",
            "category": "mcp",
            "description": "Echoes its input through a handle.",
            "input_schema": {"type": "object"},
        }
    ]
}


def _translation(done: adapters.Translation, accepted: int, tasks: list[str]) -> Response:
    ids = dumps([spec.id for spec in done.specs])
    graph = f'{{"tasks":[{",".join(tasks)}]}}'
    text = (
        f'{{"accepted":{accepted},"task_ids":{ids},"task_graph":{graph},'
        f'"translation_trace":{dumps(done.trace)}}}'
    )
    return _text(text, 202 if accepted else 200)


def _clean_path(path: str) -> str:
    """The path without empty and dot segments; escaped dots do not count as dots."""
    if not any(part in ("", ".", "..") for part in path.split("/")[1:-1]) and not path.endswith(
        ("/.", "/..")
    ):
        return path
    cleaned = posixpath.normpath("/" + path.lstrip("/"))
    return cleaned + "/" if path.endswith("/") and cleaned != "/" else cleaned


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
    return _text(dumps(value), status)


def _text(text: str, status: int = 200) -> Response:
    """JSON and a newline, with HTML characters escaped as in ExecGo."""
    text = text.translate(str.maketrans(_HTML)) + "\n"
    return Response(status, text.encode("utf-8", "replace"), "application/json")


def _go_duration(seconds: int) -> str:
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{seconds}s"
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
