"""The requests that the runner sends to a runtime itself: to cancel a task, which ExecGo never does, and
to have a second witness about a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from pytest_execgo.transport.bounded import ExchangeError, fetch

TIMEOUT_SECONDS = 1.0
_STATUS_SECONDS = 0.3
_LONGEST_STATUS = 100


def cancel_task(base_url: str, headers: Mapping[str, str], handle_id: str) -> str:
    """Ask the runtime at ``base_url`` to cancel a task; its answer in a few words, whatever it is."""
    url = f"{_url(base_url, handle_id)}/kill"
    try:
        return f"status {fetch('POST', url, timeout=TIMEOUT_SECONDS, headers=headers).status}"
    except ExchangeError as error:
        return str(error)


def task_status(base_url: str, headers: Mapping[str, str], handle_id: str) -> str | None:
    """The ``status`` of a task that the runtime at ``base_url`` answers; ``None`` without one."""
    found = (task_answer(base_url, headers, handle_id) or {}).get("status")
    return found[:_LONGEST_STATUS] if isinstance(found, str) else None


def task_answer(base_url: str, headers: Mapping[str, str], handle_id: str) -> dict[str, Any] | None:
    """What the runtime at ``base_url`` answers about a task; ``None`` without a usable answer."""
    try:
        reply = fetch("GET", _url(base_url, handle_id), timeout=_STATUS_SECONDS, headers=headers)
        return reply.object() if reply.status == 200 else None
    except ExchangeError:
        return None


def _url(base_url: str, handle_id: str) -> str:
    return f"{base_url.rstrip('/')}/api/v1/tasks/{quote(handle_id, safe='')}"
