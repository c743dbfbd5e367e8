"""Markers of trials: ``-m`` selects them by scenario, framework, mode and chaos profile."""

from __future__ import annotations

import re

import pytest

IN_INI: pytest.StashKey[frozenset[str]] = pytest.StashKey()
"""The markers that the ini file registers: they are the user's own."""


def registered(config: pytest.Config) -> frozenset[str]:
    """The names of all markers that are registered so far."""
    return frozenset(re.split("[:(]", line)[0].strip() for line in config.getini("markers"))


class TrialMarkers:
    """Registers the names of trials as markers.

    A name that pytest, a plugin or a ``conftest.py`` registers as a marker means something to them, so
    the trial does not get that marker: ``timeout`` would set a time limit. Such a name is a keyword
    only, for ``-k``.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._own: set[str] = set()

    def register(self, name: str, text: str) -> bool:
        """Register ``name``, an identifier, as in ``demo: execgo scenario``; false if it is taken."""
        if name in self._own:
            return True
        in_ini = self._config.stash.get(IN_INI, frozenset())
        if name in registered(self._config) - in_ini:
            return False
        self._own.add(name)
        if name not in in_ini:
            self._config.addinivalue_line("markers", f"{name}: {text}")
        return True

    def mark(self, item: pytest.Item, name: str, kind: str) -> None:
        """Let ``-k name`` select the item, and ``-m name`` as well unless the marker is taken."""
        word = name.replace("-", "_")
        item.extra_keyword_matches.add(word)
        if self.register(word, f"execgo {kind}"):
            item.add_marker(word)
