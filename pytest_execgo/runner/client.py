"""The HTTP client for ExecGo: one method per request, no repetition.

ExecGo may be broken or hostile: time, size and form of its answers have limits, which
:mod:`pytest_execgo.transport.bounded` checks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

from pydantic import ValidationError

from pytest_execgo.errors import ExecgoError
from pytest_execgo.models.messages import Source, explain
from pytest_execgo.models.task import EngineTask, TaskGraph
from pytest_execgo.transport.bounded import (
    BadAnswer,
    HttpAnswer,
    NoAnswer,
    ServiceConnection,
    quoted,
)

REQUEST_TIMEOUT_SECONDS = 10.0
TRY_LATER = frozenset({408, 425, 429, 502, 503, 504})
"""Statuses by which a server, or a gateway in front of it, asks to repeat the request (RFC 9110,
RFC 6585 and RFC 8470)."""
_UNDECIDED = frozenset({502, 504})


class EngineError(ExecgoError):
    """A request to ExecGo got no answer, a refusal, or an answer that cannot be used."""


class Unreachable(EngineError):
    """No answer. ``refused``: the connection was refused, so ExecGo did not receive the request.
    ``cut_off``: the connection ended inside the answer, as when ExecGo is killed."""

    def __init__(self, message: str, *, refused: bool, cut_off: bool = False) -> None:
        super().__init__(message)
        self.refused, self.cut_off = refused, cut_off


class Unavailable(EngineError):
    """An answer of ExecGo, or of what stands in front of it, that says: try again later.
    ``retry_after`` is the wait that it asks for, in seconds; ``None`` if it names none.
    ``undecided``: the request may have reached ExecGo."""

    def __init__(self, message: str, http_status: int, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.http_status, self.retry_after = http_status, retry_after
        self.undecided = http_status in _UNDECIDED


class ProtocolError(EngineError):
    """An answer that breaks ExecGo's contract."""


class Rejected(EngineError):
    """ExecGo refused a submission; ``message`` is the text of its answer."""

    def __init__(self, http_status: int, message: str) -> None:
        super().__init__(message)
        self.http_status, self.message = http_status, message


@dataclass(frozen=True)
class SeenTask:
    """A task as ExecGo returned it: typed, and the raw members for snapshots and bindings. ``size`` is
    that of the answer, in bytes."""

    task: EngineTask
    raw: dict[str, Any]
    size: int = 0


class EngineClient(Protocol):
    """The requests that trials send to ExecGo; ``timeout`` in seconds, ``None`` for the default.

    Each of them raises :class:`Unreachable`, :class:`Unavailable` or :class:`ProtocolError`.
    """

    def submit(self, graph: TaskGraph, *, timeout: float | None = None) -> list[str]:
        """Submit a graph; the ids that ExecGo accepted. Raises :class:`Rejected` for a refusal."""

    def get(self, task_id: str, *, timeout: float | None = None) -> SeenTask | None:
        """A task, ``None`` if ExecGo does not know it."""

    def delete(self, task_id: str, *, timeout: float | None = None) -> bool:
        """Remove the record of a task; whether there was one."""


class ExecgoClient:
    """A client for one ExecGo over one connection that stays open; not safe to share between threads.

    ``timeout`` is in seconds, for each request and its whole answer. ``headers`` are sent with each
    request. Every method raises :class:`Unreachable` if there is no answer, :class:`Unavailable` if the
    answer asks to try again later, and :class:`ProtocolError` if it breaks HTTP or ExecGo's contract.
    """

    def __init__(
        self,
        base_url: str,
        timeout: float = REQUEST_TIMEOUT_SECONDS,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.timeout = timeout
        self._connection = ServiceConnection(self.base_url, headers)

    def __enter__(self) -> ExecgoClient:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def health(self) -> dict[str, Any]:
        """``GET /health``: ``{status, version, uptime}``."""
        return self._object(self._call("GET", "/health"))

    def metrics(self, timeout: float | None = None) -> dict[str, Any]:
        """``GET /metrics``: counters since ExecGo started."""
        return self._object(self._call("GET", "/metrics", timeout=timeout))

    def adapter_capabilities(self) -> dict[str, Any]:
        """``GET /adapters/capabilities``: ``{schema_version, profiles, action_kinds, …}``."""
        return self._object(self._call("GET", "/adapters/capabilities"))

    def adapter_tools(self) -> list[dict[str, Any]]:
        """The ``tools`` of ``GET /adapters/tools``, one for each kind of action."""
        tools = self._object(self._call("GET", "/adapters/tools")).get("tools")
        if not isinstance(tools, list):
            raise ProtocolError("GET /adapters/tools: 200 without tools")
        return tools

    def translate_action(self, envelope: Mapping[str, Any]) -> dict[str, Any]:
        """``POST /adapters/translate``: the tasks that an agent's action stands for, not submitted.

        ``envelope`` is ``{"action": {"kind": …, "input": …}, "adapter": …, …}``. The answer is
        ``{accepted: 0, task_ids, task_graph, translation_trace}``. Raises :class:`Rejected`.
        """
        return self._act("/adapters/translate", envelope, 200)

    def submit_action(self, envelope: Mapping[str, Any]) -> dict[str, Any]:
        """``POST /adapters/actions``: as :meth:`translate_action`, and the tasks are submitted."""
        return self._act("/adapters/actions", envelope, 202)

    def _act(self, path: str, envelope: Mapping[str, Any], expected: int) -> dict[str, Any]:
        reply = self._call("POST", path, json=dict(envelope))
        if reply.status >= 400:
            raise Rejected(reply.status, _error_text(reply))
        if reply.status != expected:
            raise ProtocolError(f"POST {path}: status {reply.status}: {reply.shown()}")
        return self._object(reply)

    def submit(self, graph: TaskGraph, *, timeout: float | None = None) -> list[str]:
        """``POST /tasks``; the accepted ids in order. Raises :class:`Rejected` for a refusal."""
        reply = self._call("POST", "/tasks", json=graph.body(), timeout=timeout)
        if reply.status >= 400:
            raise Rejected(reply.status, _error_text(reply))
        if reply.status != 202:
            raise ProtocolError(f"POST /tasks: status {reply.status}: {reply.shown()}")
        ids = self._object(reply).get("task_ids")
        if not isinstance(ids, list):
            raise ProtocolError(f"POST /tasks: 202 without task_ids: {reply.shown()}")
        return [str(task_id) for task_id in ids]

    def get(self, task_id: str, *, timeout: float | None = None) -> SeenTask | None:
        """``GET /tasks/{id}``; ``None`` for a task that ExecGo does not know."""
        path = f"/tasks/{quote(task_id, safe='')}"
        reply = self._call("GET", path, timeout=timeout)
        if reply.status == 404:
            return None
        if reply.status != 200:
            raise ProtocolError(f"{reply.request}: status {reply.status}: {reply.shown()}")
        raw = self._object(reply)
        try:
            return SeenTask(EngineTask.model_validate(raw), raw, len(reply.body))
        except ValidationError as error:
            message = explain(error, EngineTask, Source(reply.request))
            raise ProtocolError(message) from None

    def delete(self, task_id: str, *, timeout: float | None = None) -> bool:
        """``DELETE /tasks/{id}``: remove the record; whether there was one. Running work continues."""
        path = f"/tasks/{quote(task_id, safe='')}"
        return self._call("DELETE", path, timeout=timeout).status == 204

    def _call(
        self, method: str, path: str, *, json: Any = None, timeout: float | None = None
    ) -> HttpAnswer:
        seconds = self.timeout if timeout is None else timeout
        try:
            reply = self._connection.request(method, path, json=json, timeout=seconds)
        except NoAnswer as error:
            raise Unreachable(str(error), refused=error.refused, cut_off=error.cut_off) from None
        except BadAnswer as error:
            raise ProtocolError(str(error)) from None
        if reply.status in TRY_LATER:
            message = f"{reply.request}: status {reply.status}: {reply.shown()}"
            raise Unavailable(message, reply.status, reply.retry_after_seconds)
        return reply

    @staticmethod
    def _object(reply: HttpAnswer) -> dict[str, Any]:
        try:
            return reply.object()
        except BadAnswer as error:
            raise ProtocolError(str(error)) from None


def _error_text(reply: HttpAnswer) -> str:
    try:
        found = reply.json()
    except BadAnswer:
        found = None
    if isinstance(found, dict) and "error" in found:
        error = found["error"]
        return error[:500] if isinstance(error, str) else quoted(repr(error))
    return reply.text()[:500]
