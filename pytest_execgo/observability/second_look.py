"""Compares what fixtures says that it answers with what a client of it gets.

A task cannot be asked what it got. So after a trial that failed, this client sends the requests of its
tasks again, to the same address.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from pytest_execgo.models.events import AnswerDiffers, FixtureRequest
from pytest_execgo.observability.recorder import TimelineRecorder
from pytest_execgo.transport.bounded import ExchangeError, fetch

_MOST_REQUESTS = 5
_TIMEOUT_SECONDS = 0.5
_REFUSED = 400


def scope_of(trial_id: str) -> str:
    """The scope of the requests that are sent again."""
    return f"{trial_id}.second-look"


def look_again(
    fixtures_url: str, headers: Mapping[str, str], trial_id: str, recorder: TimelineRecorder
) -> None:
    """Record each answer that differs from the fixture's own. ``fixtures_url`` is the base URL of its
    clients. The requests have a scope of their own, so that no fault of the trial affects them."""
    scope = scope_of(trial_id)
    for path, reference in _requested(recorder).items():
        try:
            url = f"{fixtures_url}/t/{scope}{path}"
            reply = fetch("GET", url, headers=headers, timeout=_TIMEOUT_SECONDS)
        except ExchangeError:
            # Health checks and the words of tasks tell about answers that do not come.
            return
        found = hashlib.sha256(reply.body).hexdigest()
        if found != reference:
            recorder.add(
                AnswerDiffers(
                    path=path, status=reply.status, sha256=found, expected_sha256=reference
                )
            )


def _requested(recorder: TimelineRecorder) -> dict[str, str]:
    """Paths that the server answered rightly, by its log, and the sha256 of what it has there."""
    found = {
        event.path: event.reference_sha256
        for event in recorder.events()
        if isinstance(event, FixtureRequest)
        and event.method == "GET"
        and not event.wrong
        # A refusal may name the path, and with it the scope of the request.
        and 0 < event.status < _REFUSED
    }
    known = {path: digest for path, digest in found.items() if digest is not None}
    return dict(list(known.items())[:_MOST_REQUESTS])
