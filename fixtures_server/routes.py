"""Content that a scenario brings along: routes by scope, which may replace the built-in content."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_execgo.emulators.httpd import Response, json_response

_TYPES: dict[str, type | tuple[type, ...]] = {
    "path": str,
    "method": str,
    "status": int,
    "headers": dict,
    "content_type": str,
    "delay_ms": (int, float),
    "body": str,
}
"""The members of a route; ``body`` is base64."""


@dataclass(frozen=True)
class Route:
    """The answer to one method and path; ``delay_ms`` passes before it."""

    path: str
    method: str = "GET"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/octet-stream"
    delay_ms: float = 0
    body: str = ""

    def response(self) -> Response:
        """The answer without its delay."""
        content = base64.b64decode(self.body)
        return Response(self.status, content, self.content_type, self.headers)


class RouteBook:
    """The routes of each scope; safe to use from many threads. With a ``folder`` they survive a
    restart."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._routes: dict[str, dict[str, dict[str, Route]]] = {}
        self._together: dict[str, list[str]] = {}
        for path in sorted(folder.glob("*.json")) if folder and folder.is_dir() else ():
            self._keep(json.loads(path.read_text(encoding="utf-8")))

    def set(self, wanted: Any) -> None:
        """Set the routes of scopes, ``{"scopes": [text, …], "routes": [route, …]}``; raises
        ``ValueError`` for another shape."""
        scopes = wanted.get("scopes") if isinstance(wanted, dict) else None
        routes = wanted.get("routes") if isinstance(wanted, dict) else None
        if not scopes or not _texts(scopes) or not isinstance(routes, list):
            raise ValueError('expected {"scopes": [text, …], "routes": [route, …]}')
        for route in routes:
            _check(route)
        self._keep(wanted)
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._file(scopes[0])
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(wanted), encoding="utf-8")
        os.replace(temporary, path)

    def forget(self, first: str) -> None:
        """Remove the routes of a scope, and of those that were set together with it and after it."""
        with self._lock:
            for scope in self._together.pop(first, ()):
                self._routes.pop(scope, None)
        if self._folder is not None:
            self._file(first).unlink(missing_ok=True)

    def find(self, scope: str, method: str, path: str) -> tuple[Response, float] | None:
        """The answer and its delay in milliseconds; ``None`` if no route has this path."""
        with self._lock:
            known = self._routes.get(scope, {}).get(path)
        if known is None:
            return None
        route = known.get(method)
        if route is None:
            refusal = json_response({"error": f"{path} has no method {method}"}, 405)
            refusal.headers["Allow"] = ", ".join(sorted(known))
            return refusal, 0
        return route.response(), route.delay_ms

    def _keep(self, wanted: dict[str, Any]) -> None:
        found: dict[str, dict[str, Route]] = {}
        for members in wanted["routes"]:
            route = Route(**members)
            found.setdefault(route.path, {})[route.method] = route
        with self._lock:
            self._routes.update(dict.fromkeys(wanted["scopes"], found))
            self._together[wanted["scopes"][0]] = wanted["scopes"]

    def _file(self, first: str) -> Path:
        assert self._folder is not None
        name = hashlib.sha256(first.encode()).hexdigest()[:32]
        return self._folder / f"{name}.json"


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _check(route: Any) -> None:
    """Raise ``ValueError`` for a route with another shape."""
    if not isinstance(route, dict) or "path" not in route:
        raise ValueError(f"a route is an object with a path, got {route!r}"[:200])
    for name, value in route.items():
        kind = _TYPES.get(name)
        if kind is None:
            raise ValueError(f"unknown member {name!r} (allowed: {', '.join(_TYPES)})")
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ValueError(f"{name} of {route['path']!r} has the wrong type")
    try:
        base64.b64decode(route.get("body", ""), validate=True)
    except binascii.Error:
        raise ValueError(f"body of {route['path']!r} is not base64") from None
