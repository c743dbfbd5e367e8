"""The terminal of standard output, found before pytest begins to capture that."""

from __future__ import annotations

import os
import sys


def _name() -> str | None:
    if os.environ.get("TERM", "dumb") == "dumb" or "CI" in os.environ:
        return None
    try:
        return os.ttyname(sys.__stdout__.fileno()) if sys.__stdout__ else None
    except (OSError, ValueError, AttributeError):
        return None


NAME = _name()
"""``None`` without a terminal, with one that understands no sequences, and in CI."""
