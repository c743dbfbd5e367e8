"""The fixtures server's own access log of one trial, as events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from pytest_execgo.models.events import FixtureRequest
from pytest_execgo.observability.recorder import TimelineRecorder
from pytest_execgo.transport.bounded import ExchangeError, fetch

_TIMEOUT_SECONDS = 5.0


def collect_access_log(
    fixtures_url: str,
    headers: Mapping[str, str],
    trial_id: str,
    recorder: TimelineRecorder,
    timeout: float = _TIMEOUT_SECONDS,
) -> bool:
    """Record each request of the trial at the time it was served; false if fixtures does not answer, or
    not with an access log."""
    url, query = f"{fixtures_url}/__control/access", {"scope": trial_id}
    try:
        found = fetch("GET", url, query=query, headers=headers, timeout=timeout).object()
        served = [_served(entry) for entry in found["requests"]]
        fetch("DELETE", url, query=query, headers=headers, timeout=timeout)
    except (ExchangeError, ValidationError, KeyError, TypeError, ValueError):
        return False
    for at, request in served:
        recorder.add(request, recorder.at_wall(at))
    return True


def _served(entry: dict[str, Any]) -> tuple[float, FixtureRequest]:
    """The time of a request in seconds since the epoch, and its event."""
    return float(entry["at"]), FixtureRequest(**{k: v for k, v in entry.items() if k != "at"})
