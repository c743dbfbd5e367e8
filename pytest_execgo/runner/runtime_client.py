"""The one request that the runner sends to a runtime itself: ExecGo has none that cancels a task."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from pytest_execgo.transport.bounded import ExchangeError, fetch

TIMEOUT_SECONDS = 1.0


def cancel_task(base_url: str, headers: Mapping[str, str], handle_id: str) -> str:
    """Ask the runtime at ``base_url`` to cancel a task; its answer in a few words, whatever it is."""
    url = f"{base_url.rstrip('/')}/api/v1/tasks/{quote(handle_id, safe='')}/kill"
    try:
        return f"status {fetch('POST', url, timeout=TIMEOUT_SECONDS, headers=headers).status}"
    except ExchangeError as error:
        return str(error)
