"""Executor ``mcp`` and its handles. Like ExecGo, it has no MCP client: it returns its input."""

from __future__ import annotations

import threading
from time import time_ns
from typing import Any

from pytest_execgo.emulators.execgo.gojson import Shape, decode, members, read_struct
from pytest_execgo.emulators.execgo.graph import ABSENT
from pytest_execgo.emulators.execgo.outcome import Outcome, TaskAttempt
from pytest_execgo.emulators.execgo.runtime_client import POLL_SECONDS
from pytest_execgo.emulators.execgo.store import now

_CALL = Shape(
    "mcp.CallRequest",
    {"id": (str, "string"), "tool_name": (str, "string"), "timeout": (int, "int64")},
)


class Handles:
    """All handles since the start of the engine, which never removes one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._handles: dict[str, dict[str, Any]] = {}
        self._last = 0

    def call(self, body: bytes) -> dict[str, Any]:
        """``POST /mcp/call``: create a handle without a task; raises :class:`~gojson.JsonError`."""
        value = decode(body.decode("utf-8", "replace"))
        request = read_struct(value, _CALL)
        given = members(value).get("input") if isinstance(value, dict) else None
        return self.start(request.get("id", ""), request.get("tool_name", ""), given)

    def start(
        self, task_id: str, tool_name: str, payload: Any, handle_id: str = "", attempt: int = 0
    ) -> dict[str, Any]:
        """Create a handle, or replace ``handle_id``; returns it in its first state, ``accepted``."""
        moment = now()
        with self._lock:
            self._last = max(self._last + 1, time_ns())
            name = handle_id or f"mcp-{self._last}"
            handle: dict[str, Any] = {
                **({"task_id": task_id} if task_id else {}),
                "status": "accepted",
                "handle_id": name,
                "progress": [_step("task accepted")],
                "started_at": moment,
                **({"attempt": attempt} if attempt else {}),
            }
            first = dict(handle)
            handle["progress"] = [
                *first["progress"],
                _step("task started"),
                _step("task completed"),
            ]
            handle["status"] = "success"
            handle["output"] = {"echo": payload, "tool_name": tool_name}
            handle["finished_at"] = now()
            self._handles[name] = handle
            return first

    def get(self, handle_id: str) -> dict[str, Any] | None:
        """The handle in its present state, or ``None``."""
        with self._lock:
            found = self._handles.get(handle_id)
            return dict(found) if found else None

    def run(self, attempt: TaskAttempt) -> Outcome:
        """Run one attempt of an ``mcp`` task, which ends at the next poll."""
        spec = attempt.spec
        payload = None if spec.payload is ABSENT else spec.payload
        first = self.start(spec.id, spec.tool_name, payload, attempt.handle_id, attempt.number)
        seen = {name: first[name] for name in ("handle_id", "started_at", "progress")}
        attempt.report({**seen, "output": None}, first["status"])
        ended = attempt.wait(POLL_SECONDS)
        if ended:
            return ended
        handle = self.get(first["handle_id"])
        assert handle is not None
        return Outcome(
            True,
            handle["output"],
            run_status="success",
            handle_id=handle["handle_id"],
            started_at=handle["started_at"],
            finished_at=handle["finished_at"],
            progress=handle["progress"],
        )


def _step(message: str) -> dict[str, str]:
    return {"timestamp": now(), "message": message}
