"""Errors of the package as errors of pytest, with text that is safe to show."""

from __future__ import annotations

import pytest

from pytest_execgo.errors import HarnessError, UsageError
from pytest_execgo.models.safe_text import for_terminal
from pytest_execgo.plugin.user_key import without_key


def usage_error(error: UsageError | HarnessError) -> pytest.UsageError:
    """The same problem as an error of pytest, which then ends."""
    return pytest.UsageError(f"execgo: {error_text(error)}")


def error_text(error: UsageError | HarnessError) -> str:
    """The text of an error: one line, or several where it quotes a log."""
    return printable(error, keep_lines=True)


def printable(text: object, *, keep_lines: bool = False) -> str:
    """``text`` for the terminal, without the user's key."""
    return for_terminal(without_key(text), keep_lines=keep_lines)
