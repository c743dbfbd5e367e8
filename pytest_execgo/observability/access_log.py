"""The fixtures server's own access log of one trial, as events."""

from __future__ import annotations

import requests

from pytest_execgo.models.events import FixtureRequest
from pytest_execgo.observability.recorder import TimelineRecorder
from pytest_execgo.transport.client import request

_TIMEOUT_SECONDS = 5.0


def collect_access_log(fixtures_url: str, trial_id: str, recorder: TimelineRecorder) -> bool:
    """Record each request of the trial at the time it was served; false if fixtures does not answer."""
    url = f"{fixtures_url}/__control/access"
    try:
        reply = request("GET", url, params={"scope": trial_id}, timeout=_TIMEOUT_SECONDS)
        entries = reply.json()["requests"]
        request("DELETE", url, params={"scope": trial_id}, timeout=_TIMEOUT_SECONDS)
    except (requests.RequestException, ValueError, KeyError):
        return False
    for entry in entries:
        at = entry.pop("at")
        recorder.add(FixtureRequest(**entry), recorder.at_wall(float(at)))
    return True
