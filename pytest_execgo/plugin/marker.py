"""Reads ``@pytest.mark.execgo(scenario, chaos=[...])``; a mistake in it is reported at collection."""

from __future__ import annotations

from typing import NoReturn

import pytest

from pytest_execgo.errors import UsageError, choice
from pytest_execgo.models.chaos import ALL
from pytest_execgo.models.safe_text import for_terminal
from pytest_execgo.plugin.state import PluginState

KEYS = ("scenario", "chaos")


def scenario_of(marker: pytest.Mark) -> str | None:
    """The scenario, from the position or the keyword; ``None`` if the marker has none."""
    found: str | None = marker.args[0] if marker.args else marker.kwargs.get("scenario")
    return found


def profiles_of(marker: pytest.Mark, config: pytest.Config) -> list[str]:
    """The names of the chaos profiles; ``all`` and patterns are resolved."""
    chaos = marker.kwargs.get("chaos", "none")
    for key in marker.kwargs:
        if key not in KEYS:
            _refuse(f"unknown argument {key!r}{choice(key, KEYS)}")
    if len(marker.args) > 1 or (marker.args and "scenario" in marker.kwargs):
        _refuse("takes one scenario, and chaos as a keyword")
    names = [chaos] if isinstance(chaos, str) else chaos
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        _refuse(f"chaos must be the name of a profile or a list of names, got {chaos!r}")
    if not any(name == ALL or set(name) & set("*?[") for name in names):
        return list(names)
    found, wrong = [], ""
    try:
        library = PluginState.of(config).matrix.library
        found = list(
            dict.fromkeys(one for name in names for one in library.profiles_matching(name))
        )
    except UsageError as error:
        wrong = str(error)
    if wrong:
        # Not inside the handler: pytest would print the error twice.
        _refuse(wrong)
    return found


def _refuse(text: str) -> NoReturn:
    pytest.fail(for_terminal(f"@pytest.mark.execgo: {text}"), pytrace=False)
