"""The HTTP client for ExecGo: one method per request, no repetition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

import requests
from pydantic import ValidationError

from pytest_execgo.errors import ExecgoError
from pytest_execgo.models.document import without_surrogates
from pytest_execgo.models.task import EngineTask, TaskGraph

REQUEST_TIMEOUT_SECONDS = 10.0


class EngineError(ExecgoError):
    """A request to ExecGo got no answer, a refusal, or an answer that cannot be used."""


class Unreachable(EngineError):
    """No answer. ``refused``: the connection was refused, so ExecGo did not receive the request."""

    def __init__(self, message: str, *, refused: bool) -> None:
        super().__init__(message)
        self.refused = refused


class ProtocolError(EngineError):
    """An answer that breaks ExecGo's contract."""


class Rejected(EngineError):
    """ExecGo refused a submission; ``message`` is the text of its answer."""

    def __init__(self, http_status: int, message: str) -> None:
        super().__init__(message)
        self.http_status, self.message = http_status, message


@dataclass(frozen=True)
class SeenTask:
    """A task as ExecGo returned it: typed, and the raw members for snapshots and bindings."""

    task: EngineTask
    raw: dict[str, Any]


class EngineClient(Protocol):
    """The requests that trials send to ExecGo; ``timeout`` in seconds, ``None`` for the default.

    Each of them raises :class:`Unreachable` or :class:`ProtocolError`.
    """

    def submit(self, graph: TaskGraph, *, timeout: float | None = None) -> list[str]:
        """Submit a graph; the ids that ExecGo accepted. Raises :class:`Rejected` for a refusal."""

    def get(self, task_id: str, *, timeout: float | None = None) -> SeenTask | None:
        """A task, ``None`` if ExecGo does not know it."""

    def delete(self, task_id: str, *, timeout: float | None = None) -> bool:
        """Remove the record of a task; whether there was one."""


class ExecgoClient:
    """A client for one ExecGo over one connection that stays open; not safe to share between threads.

    ``timeout`` is in seconds, for each request. Every method raises :class:`Unreachable` if there is no
    answer, and :class:`ProtocolError` if the answer breaks ExecGo's contract.
    """

    def __init__(self, base_url: str, timeout: float = REQUEST_TIMEOUT_SECONDS) -> None:
        self.base_url = base_url.rstrip("/")
        self.timeout = timeout
        self._session = requests.Session()
        # Services of a fleet are local: a proxy or .netrc of the user must not be used for them.
        self._session.trust_env = False

    def __enter__(self) -> ExecgoClient:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def health(self) -> dict[str, Any]:
        """``GET /health``: ``{status, version, uptime}``."""
        return self._object(self._call("GET", "/health"))

    def metrics(self) -> dict[str, Any]:
        """``GET /metrics``: counters since ExecGo started."""
        return self._object(self._call("GET", "/metrics"))

    def submit(self, graph: TaskGraph, *, timeout: float | None = None) -> list[str]:
        """``POST /tasks``; the accepted ids in order. Raises :class:`Rejected` for a refusal."""
        reply = self._call("POST", "/tasks", json=graph.body(), timeout=timeout)
        if reply.status_code != 202:
            raise Rejected(reply.status_code, _error_text(reply))
        ids = self._object(reply).get("task_ids")
        if not isinstance(ids, list):
            raise ProtocolError(f"POST /tasks: 202 without task_ids: {_shown(reply)}")
        return [str(task_id) for task_id in ids]

    def get(self, task_id: str, *, timeout: float | None = None) -> SeenTask | None:
        """``GET /tasks/{id}``; ``None`` for a task that ExecGo does not know."""
        path = f"/tasks/{quote(task_id, safe='')}"
        reply = self._call("GET", path, timeout=timeout)
        if reply.status_code == 404:
            return None
        if reply.status_code != 200:
            raise ProtocolError(f"GET {path}: status {reply.status_code}: {_shown(reply)}")
        raw = self._object(reply)
        try:
            return SeenTask(EngineTask.model_validate(raw), raw)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            member = ".".join(str(part) for part in first["loc"])
            raise ProtocolError(f"GET {path}: {member}: {first['msg']}") from None

    def delete(self, task_id: str, *, timeout: float | None = None) -> bool:
        """``DELETE /tasks/{id}``: remove the record; whether there was one. Running work continues."""
        path = f"/tasks/{quote(task_id, safe='')}"
        return self._call("DELETE", path, timeout=timeout).status_code == 204

    def _call(
        self, method: str, path: str, *, json: Any = None, timeout: float | None = None
    ) -> requests.Response:
        try:
            return self._session.request(
                method,
                self.base_url + path,
                json=json,
                timeout=self.timeout if timeout is None else timeout,
            )
        except requests.RequestException as error:
            text = str(error)
            refused = "refused" in text
            reason = "connection refused" if refused else _reason(error)
            message = f"{method} {self.base_url}{path}: {reason}"
            raise Unreachable(message, refused=refused) from None

    @staticmethod
    def _object(reply: requests.Response) -> dict[str, Any]:
        try:
            found = reply.json()
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ProtocolError(
                f"{reply.request.method} {reply.request.path_url}: status {reply.status_code} "
                f"without a JSON object: {_shown(reply)}"
            )
        return dict(without_surrogates(found))


def _reason(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "the connection was closed without an answer"
    return type(error).__name__


def _error_text(reply: requests.Response) -> str:
    try:
        text = reply.json()["error"]
    except (ValueError, KeyError, TypeError):
        text = reply.text
    return str(text)[:500]


def _shown(reply: requests.Response) -> str:
    text = reply.text
    return repr(text if len(text) <= 120 else text[:117] + "...")
