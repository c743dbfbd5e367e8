"""What is refused before a run begins."""

from __future__ import annotations

import os

import pytest

from pytest_execgo.errors import UsageError
from pytest_execgo.harness.containers.persistent_launcher import KIND as PERSISTENT_KIND
from pytest_execgo.plugin import options
from pytest_execgo.plugin.safe_errors import usage_error
from pytest_execgo.plugin.state import PluginState
from pytest_execgo.transport.preflight import refusal


def check_persistent(state: PluginState, config: pytest.Config) -> None:
    """Refuse a persistent fleet for several workers: each of them needs a fleet of its own."""
    request = state.request
    prefix = f"{PERSISTENT_KIND}:"
    launchers = (request.harness, *request.services.values())
    fleets = [name.removeprefix(prefix) for name in launchers if name.startswith(prefix)]
    if fleets and len(config.getoption("tx", None) or []) > 1:
        raise UsageError(
            f"{fleets[0]} is one fleet, and every worker needs a fleet of its own; "
            "leave out -n or --execgo-fleet"
        )


def check_reports(state: PluginState, config: pytest.Config) -> None:
    """Refuse a reports folder that is not writable, before the first trial."""
    folder = state.run.reports
    if options.only_shows(config) or state.is_worker:
        return
    existing = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    if existing.is_symlink() and not existing.exists():
        reason = f"{existing} is a link to a folder that does not exist"
    elif not existing.is_dir() or not os.access(existing, os.W_OK):
        reason = f"{existing} is not a writable directory"
    else:
        return
    raise UsageError(f"reports folder {folder}: {reason}; choose another with --execgo-reports DIR")


def check_endpoint(state: PluginState, config: pytest.Config) -> None:
    """Refuse a run in which every trial would ask an endpoint that accepts no connection."""
    request = state.request
    base_url = request.model.base_url if request.model else None
    if base_url is None or request.modes != ("live",) or options.only_shows(config):
        return
    reason = refusal(base_url)
    if reason is not None:
        message = (
            f"the model's endpoint {base_url} does not answer: {reason}; start it, or give "
            "another one with --execgo-base-url"
        )
        raise usage_error(UsageError(message))
