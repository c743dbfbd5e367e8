"""Routes: content under ``/t/<scope>/…``, the control plane under ``/__control/…``."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from fixtures_server import VERSION, scripted_model
from fixtures_server.access import AccessLog
from fixtures_server.faults import FaultBook
from fixtures_server.routes import RouteBook
from fixtures_server.scripted_model import ScriptBook
from pytest_execgo.emulators.httpd import Request, Response, json_response

ADVISORIES: dict[str, Any] = json.loads(
    Path(__file__).with_name("advisories.json").read_text(encoding="utf-8")
)


class App:
    """Answers requests, and logs them by scope.

    With ``data_dir``, log and faults survive the end of the process.
    """

    def __init__(self, data_dir: Path | None = None) -> None:
        self._faults = FaultBook(data_dir / "faults.json" if data_dir else None)
        self._access = AccessLog(data_dir / "access.jsonl" if data_dir else None)
        self._scripts = ScriptBook()
        self._routes = RouteBook(data_dir / "routes" if data_dir else None)

    def handle(self, request: Request) -> Response:
        """Route one request."""
        match request.segments:
            case ("healthz",):
                return json_response({"status": "ok", "version": VERSION})
            case ("__control", *rest):
                return self._control(request, rest)
            case ("t", scope, *rest):
                return self._content(request, scope, rest)
        return json_response({"error": f"no such path: {request.path}"}, 404)

    def _content(self, request: Request, scope: str, rest: list[str]) -> Response:
        began = time.time()
        path = "/" + "/".join(rest)
        own = self._routes.find(scope, request.method, path)
        good, delay_ms = own or (self._page(request, scope, rest), 0)
        asked = {
            "at": began,
            "method": request.method,
            "path": path,
            "reference_sha256": hashlib.sha256(good.body).hexdigest(),
            "delay_ms": delay_ms,
        }
        token = self._access.begin(scope, asked)
        served = None
        try:
            time.sleep(delay_ms / 1000)
            served = self._faults.apply(scope, path, good, began)
        finally:
            answer = {} if served is None else _answer(served)
            took = round((time.time() - began) * 1000, 3)
            self._access.finish(token, {**asked, **answer, "duration_ms": took})
        return served

    def _page(self, request: Request, scope: str, rest: list[str]) -> Response:
        if rest[:2] == ["model", "v1"]:
            return scripted_model.handle(self._scripts, request, scope, rest[2:])
        match (request.method, *rest):
            case ("GET", "advisories"):
                return json_response({"packages": sorted(ADVISORIES)})
            case ("GET", "advisories", package):
                found = ADVISORIES.get(package)
                if found is None:
                    return json_response({"error": f"no advisories for {package!r}"}, 404)
                return json_response({"package": package, "advisories": found})
        return json_response({"error": f"no such path: {request.path}"}, 404)

    def _control(self, request: Request, rest: list[str]) -> Response:
        match (request.method, *rest):
            case ("POST", "faults"):
                try:
                    fault = self._faults.arm(json.loads(request.body))
                except (ValueError, TypeError) as error:
                    return json_response({"error": str(error)}, 400)
                return json_response(fault.as_json(), 201)
            case ("GET", "faults"):
                return json_response({"faults": [fault.as_json() for fault in self._faults.all()]})
            case ("GET", "faults", fault_id):
                known = self._faults.get(fault_id)
                return json_response(known.as_json()) if known else _no_fault(fault_id)
            case ("DELETE", "faults", fault_id):
                gone = self._faults.disarm(fault_id)
                return json_response(gone.as_json()) if gone else _no_fault(fault_id)
            case ("POST", "scripts"):
                try:
                    self._scripts.set(json.loads(request.body))
                except ValueError as error:
                    return json_response({"error": str(error)}, 400)
                return Response(204)
            case ("POST", "routes"):
                try:
                    self._routes.set(json.loads(request.body))
                except ValueError as error:
                    return json_response({"error": str(error)}, 400)
                return Response(204)
            case ("DELETE", "routes"):
                self._routes.forget(parse_qs(request.query).get("scope", [""])[0])
                return Response(204)
            case ("GET", "access"):
                scope = parse_qs(request.query).get("scope", [""])[0]
                return json_response({"requests": self._access.of(scope)})
            case ("DELETE", "access"):
                scope = parse_qs(request.query).get("scope", [""])[0]
                self._access.forget(scope)
                return Response(204)
        return json_response({"error": f"no such control: {request.path}"}, 404)


def _answer(served: Response) -> dict[str, Any]:
    return {"status": served.status, "sha256": hashlib.sha256(served.body).hexdigest()}


def _no_fault(fault_id: str) -> Response:
    return json_response({"error": f"no fault {fault_id!r}"}, 404)
