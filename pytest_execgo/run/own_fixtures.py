"""Gives the fixtures server the content that a scenario brings along, for the time of one trial."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from pytest_execgo.errors import HarnessError, UsageError
from pytest_execgo.observability.second_look import scope_of
from pytest_execgo.run.context import TrialContext
from pytest_execgo.transport.bounded import ExchangeError, HttpAnswer, fetch

_SECONDS = 10.0


def serve(context: TrialContext) -> None:
    """Set the routes of the scenario for a trial; raises :class:`HarnessError`."""
    if context.scenario.fixtures is None:
        return
    try:
        routes = context.scenario.fixtures.as_json()
        scopes = [context.trial.trial_id, scope_of(context.trial.trial_id)]
        reply = _call(context, "POST", json={"scopes": scopes, "routes": routes})
    except UsageError as error:
        raise HarnessError(str(error)) from None
    except ExchangeError as error:
        raise HarnessError(f"fixtures did not take the content of the scenario: {error}") from None
    if reply.status >= 300:
        raise HarnessError(
            f"fixtures refused the content of the scenario: {reply.status}: {reply.shown()}"
        )


def forget(context: TrialContext) -> None:
    """Let the server forget the routes. A server that does not answer is replaced anyway."""
    if context.scenario.fixtures is not None:
        with suppress(ExchangeError):
            _call(context, "DELETE", query={"scope": context.trial.trial_id})


def _call(context: TrialContext, method: str, **content: Any) -> HttpAnswer:
    url = f"{context.fleet.services['fixtures'].url}/__control/routes"
    headers = context.fleet.headers("fixtures")
    return fetch(method, url, headers=headers, timeout=_SECONDS, **content)
