"""Executor ``runtime``: submits to the runtime, polls every 100 ms, and maps errors."""

from __future__ import annotations

import http.client
import json
import threading
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

from pytest_execgo.emulators.execgo.bounded_http import BoundedConnection, complete_body
from pytest_execgo.emulators.execgo.gojson import JsonError, decode
from pytest_execgo.emulators.execgo.graph import ABSENT, TaskSpec
from pytest_execgo.emulators.execgo.outcome import Outcome, TaskAttempt, failure
from pytest_execgo.emulators.guard import ACCESS_HEADER

POLL_SECONDS = 0.1
REQUEST_TIMEOUT_SECONDS = 15.0
REDIRECTS = (301, 302, 303, 307, 308)
MAX_REDIRECTS = 10
FINAL = ("success", "failed", "cancelled")
KEPT_CODES = frozenset(
    [
        "invalid_input",
        "launch_failed",
        "timeout",
        "cancelled",
        "memory_limit_exceeded",
        "cpu_limit_exceeded",
        "resource_limit_exceeded",
        "sandbox_setup_failed",
        "exit_nonzero",
        "denied",
        "not_found",
        "internal",
    ]
)
_TEXTS = ("task_id", "handle_id", "status")
RETRYABLE_CODES = frozenset({"timeout", "external_failure", "resource_limit_exceeded"})


@dataclass(frozen=True)
class RuntimeSettings:
    """URL of the runtime, tenant and owner of the tasks that are sent to it, and the token for it."""

    base_url: str
    tenant: str = ""
    owner: str = ""
    token: str = ""


class RuntimeExecutor:
    """Runs ``runtime`` tasks; safe to use from many threads."""

    def __init__(self, settings: RuntimeSettings) -> None:
        self._settings = settings
        parts = urlsplit(settings.base_url)
        self._host, self._prefix = parts.netloc, parts.path.rstrip("/")
        self._local = threading.local()

    def run(self, attempt: TaskAttempt) -> Outcome:
        """Run one attempt: submit, then poll until the task is final."""
        payload = self._payload(attempt.spec)
        if payload is None:
            message = (
                "parse runtime input: json: cannot unmarshal "
                f"{_json_kind(attempt.spec.payload)} into Go value of type map[string]interface {{}}"
            )
            return Outcome(False, error=failure(message, "invalid_input", "runtime-executor"))
        url = f"{self._settings.base_url}/api/v1/tasks"
        try:
            status, body = self._request("POST", "/api/v1/tasks", payload, attempt.remaining)
        except (OSError, http.client.HTTPException) as error:
            message = f'Post "{url}": {_transport_text(error, self._host, attempt.remaining)}'
            return Outcome(False, error=failure(message, source="runtime-executor", retryable=True))
        if not 200 <= status < 300:
            return _refused(status, body)
        return self._follow(attempt, body)

    def _payload(self, spec: TaskSpec) -> dict[str, Any] | None:
        given = spec.payload
        # A null payload ends the process of the real engine. Here it counts as an empty one.
        payload = {} if given is ABSENT or given is None else given
        if not isinstance(payload, dict):
            return None
        payload = dict(payload)
        if "task_id" not in payload and spec.id.strip():
            payload["task_id"] = spec.id
        settings = {"tenant": self._settings.tenant, "owner": self._settings.owner}
        wanted = {name: value for name, value in settings.items() if value}
        if wanted:
            context = payload.get("control_context")
            payload["control_context"] = (
                {**wanted, **context} if isinstance(context, dict) else wanted
            )
        return payload

    def _follow(self, attempt: TaskAttempt, body: bytes) -> Outcome:
        try:
            reply = decode(body.decode("utf-8", "replace"))
            if not isinstance(reply, dict):
                raise JsonError(f"json: cannot unmarshal {_json_kind(reply)} into Go value")
        except JsonError as error:
            reason = "unexpected end of JSON input" if str(error) == "EOF" else str(error)
            message = f"decode runtime submit response: {reason}"
            return Outcome(False, error=failure(message), given=False)
        task_id = str(reply.get("task_id") or "").strip()
        handle = str(reply.get("handle_id") or "").strip() or task_id
        status = str(reply.get("status") or "")
        if status in FINAL:
            return _final(reply, "success", status, handle)
        attempt.report(
            {**_times(reply), "handle_id": handle, "output": reply}, status or "accepted"
        )
        if not handle:
            return Outcome(False, error=failure("non-terminal runtime result missing handle_id"))
        return self._poll(attempt, handle, task_id)

    def _poll(self, attempt: TaskAttempt, handle: str, task_id: str) -> Outcome:
        due = monotonic() + POLL_SECONDS
        while True:
            ended = attempt.wait(max(0.0, due - monotonic()))
            if ended:
                return ended
            due = max(due + POLL_SECONDS, monotonic())
            reply = self._look(handle)
            if reply is None and task_id and task_id != handle:
                reply = self._look(task_id)
            if reply is None:
                message = f"handle not found: {handle}"
                return Outcome(False, error=failure(message))
            if isinstance(reply, Outcome):
                return reply
            task_id = str(reply.get("task_id") or "").strip() or task_id
            status = str(reply.get("status") or "")
            shown = str(reply.get("handle_id") or handle)
            if status in FINAL:
                return _final(reply, status, status, shown)
            attempt.report({**_times(reply), "handle_id": shown, "output": reply}, status)

    def _look(self, handle: str) -> dict[str, Any] | Outcome | None:
        """Poll once: the body, an outcome that ends the task, or ``None`` for "not found"."""
        try:
            status, body = self._request("GET", f"/api/v1/tasks/{handle}", None, None)
        except (OSError, http.client.HTTPException, UnicodeError):
            # A handle that is not ASCII names no task.
            return None
        if status == 404:
            return None
        if not 200 <= status < 300:
            outcome = _refused(status, body)
            if outcome.error and outcome.error["message"].startswith("runtime submit returned"):
                outcome.error = failure("task failed")
            outcome.run_status = "failed"
            return outcome
        try:
            reply = json.loads(body)
            if not isinstance(reply, dict) or not _is_text(reply, *_TEXTS):
                return None
            for name in ("started_at", "finished_at"):
                if reply.get(name) is not None:
                    datetime.fromisoformat(reply[name])
        except (ValueError, TypeError, RecursionError):
            return None
        return reply

    def _request(
        self, method: str, path: str, payload: Any, remaining: float | None
    ) -> tuple[int, bytes]:
        """Status and body of one request. Redirects are followed, 307 and 308 with the body."""
        timeout = REQUEST_TIMEOUT_SECONDS
        if remaining is not None:
            timeout = max(0.001, min(timeout, remaining))
        body = None if payload is None else json.dumps(payload, sort_keys=True).encode()
        host, target = self._host, self._prefix + path
        # One deadline for all redirects, as for the client of Go.
        deadline = monotonic() + timeout
        for _ in range(MAX_REDIRECTS):
            status, answer, location = self._send(method, host, target, body, deadline)
            if status not in REDIRECTS or not location:
                return status, answer
            parts = _redirected(f"http://{host}{target}", location)
            host, target = parts.netloc, parts.path + (f"?{parts.query}" if parts.query else "")
            if status not in (307, 308):
                method, body = "GET", None
        raise http.client.HTTPException(f"stopped after {MAX_REDIRECTS} redirects")

    def _send(
        self, method: str, host: str, target: str, body: bytes | None, deadline: float
    ) -> tuple[int, bytes, str]:
        # The runtime may have closed an idle connection. A GET is then repeated on a new connection.
        # A POST always uses a new connection, because a repeated POST could reach the runtime twice.
        kept = method == "GET" and host == self._host and self._kept(deadline)
        if kept:
            try:
                return self._exchange(kept, method, target, body)
            except (ConnectionError, http.client.HTTPException):
                kept.close()
        fresh = BoundedConnection(host, deadline)
        own = host == self._host
        if own:
            self.close()
            self._local.connection = fresh
        complete = False
        try:
            answer = self._exchange(fresh, method, target, body)
            complete = True
            return answer
        finally:
            if not (own and complete):
                fresh.close()

    def close(self) -> None:
        """Close the connection that this thread keeps open."""
        kept: BoundedConnection | None = getattr(self._local, "connection", None)
        if kept is not None:
            kept.close()

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        target: str,
        body: bytes | None,
    ) -> tuple[int, bytes, str]:
        headers = {"Content-Type": "application/json"} if body else {}
        # A redirect may lead to another host, which must not get the token.
        if self._settings.token and connection is getattr(self._local, "connection", None):
            headers[ACCESS_HEADER] = self._settings.token
        connection.request(method, target, body, headers)
        reply = connection.getresponse()
        with reply:
            return reply.status, complete_body(reply), reply.headers.get("Location", "")

    def _kept(self, deadline: float) -> BoundedConnection | None:
        kept: BoundedConnection | None = getattr(self._local, "connection", None)
        if kept is None or kept.sock is None:
            return None
        kept.expect(deadline)
        return kept


def _redirected(url: str, location: str) -> SplitResult:
    """The URL that the header ``Location`` names, relative to ``url``.

    Raises :class:`http.client.HTTPException` if it is not a URL.
    """
    try:
        parts = urlsplit(urljoin(url, location))
        (parts.netloc + parts.path + parts.query).encode("ascii")
    except ValueError as error:
        raise http.client.HTTPException(f"failed to parse Location header: {error}") from None
    return parts


def _refused(status: int, body: bytes) -> Outcome:
    """The outcome of an answer other than 2xx: the body is the result, and its error is mapped."""
    text = body.decode("utf-8", "replace")
    value: Any = ABSENT
    if text.strip():
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            # The real engine keeps the plain text, and then cannot serialise the task. A JSON string
            # has the same content without that defect.
            value = text
    return Outcome(False, value, error=_mapped(value, status), run_status="failed")


def _mapped(value: Any, status: int) -> dict[str, Any]:
    found = _error_object(value)
    if found is not None:
        return found
    if isinstance(value, str) and value.strip():
        return failure(value, source="execgo-runtime", retryable=True)
    message = f"runtime submit returned status {status}"
    return failure(message, source="execgo-runtime", retryable=status >= 500)


def _error_object(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, dict):
        return None
    inner = value.get("error")
    error = inner if isinstance(inner, dict) else value
    code, message = error.get("code") or "", error.get("message") or ""
    if error is value and not code and not message:
        return None
    code, message = (one if isinstance(one, str) else json.dumps(one) for one in (code, message))
    mapped = code if code in KEPT_CODES else "external_failure"
    details = {"raw_error_code": code, "details": error.get("details")}
    shown = failure(message, mapped, "execgo-runtime", retryable=code in RETRYABLE_CODES)
    return {**shown, "details": details}


def _final(reply: dict[str, Any], status: str, run_status: str, handle: str) -> Outcome:
    times = _times(reply)
    outcome = Outcome(
        status == "success",
        reply,
        run_status=run_status,
        handle_id=handle,
        started_at=times.get("started_at", ""),
        finished_at=times.get("finished_at", ""),
        duration_ms=reply.get("duration_ms"),
    )
    if status != "success":
        error = reply.get("error")
        mapped = _error_object({"error": error}) if isinstance(error, dict) else None
        outcome.error = mapped or failure(f"task {status}")
    return outcome


def _times(reply: dict[str, Any]) -> dict[str, Any]:
    return {name: reply[name] for name in ("started_at", "finished_at") if reply.get(name)}


def _is_text(reply: dict[str, Any], *names: str) -> bool:
    """Whether members are text, null or absent."""
    return all(isinstance(reply.get(name), (str, type(None))) for name in names)


def _json_kind(value: Any) -> str:
    names = {bool: "bool", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "number")


def _transport_text(error: Exception, host: str, remaining: float | None) -> str:
    if isinstance(error, ConnectionRefusedError):
        return f"dial tcp {host}: connect: connection refused"
    if isinstance(error, TimeoutError):
        if remaining is not None and remaining <= 0.01:
            return "context deadline exceeded"
        return "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    if isinstance(error, (http.client.RemoteDisconnected, http.client.BadStatusLine)):
        return "EOF"
    return str(error) or type(error).__name__
