"""Executor ``os``: tools that need no service. ``noop`` and ``sleep`` so far; another tool fails as
it does in ExecGo for a name it does not know."""

from __future__ import annotations

from typing import Any

from pytest_execgo.services.execgo.graph import ABSENT
from pytest_execgo.services.execgo.outcome import Attempt, Outcome, failure

MAX_SLEEP_MS = 600_000


def run(attempt: Attempt) -> Outcome:
    """One attempt of an ``os`` task."""
    spec = attempt.spec
    tool = spec.tool_name.strip() or spec.type
    handler = _TOOLS.get(tool)
    if handler is None:
        return Outcome(False, error=failure(f'unknown os tool "{tool}"'), given=False)
    if spec.params is ABSENT:
        spec.params = spec.input
    params = spec.params
    if params is not ABSENT and params is not None and not isinstance(params, dict):
        message = f"parse {tool} params: json: cannot unmarshal into executor params"
        return Outcome(False, error=failure(message))
    return handler(attempt, {} if params is ABSENT or params is None else params)


def _noop(attempt: Attempt, params: dict[str, Any]) -> Outcome:
    return Outcome(True, {"ok": True, "message": params.get("message") or ""})


def _sleep(attempt: Attempt, params: dict[str, Any]) -> Outcome:
    if attempt.spec.params is ABSENT:
        message = "parse sleep params: unexpected end of JSON input"
        return Outcome(False, error=failure(message))
    duration = params.get("duration_ms") or 0
    if not isinstance(duration, int) or isinstance(duration, bool):
        message = "parse sleep params: json: cannot unmarshal into executor.SleepParams"
        return Outcome(False, error=failure(message))
    if duration < 0:
        return Outcome(False, error=failure("duration_ms must be non-negative"))
    if duration > MAX_SLEEP_MS:
        return Outcome(False, error=failure(f"duration_ms exceeds max of {MAX_SLEEP_MS} ms"))
    return attempt.wait(duration / 1000) or Outcome(True, {"slept_ms": duration})


_TOOLS = {"noop": _noop, "sleep": _sleep}
