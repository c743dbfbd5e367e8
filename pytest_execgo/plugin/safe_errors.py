"""Errors of the package as errors of pytest, with text that is safe to show."""

from __future__ import annotations

import pytest

from pytest_execgo.errors import HarnessError, UsageError
from pytest_execgo.models.safe_text import for_terminal


def usage_error(error: UsageError | HarnessError) -> pytest.UsageError:
    """The same problem as one line of pytest, which then ends."""
    return pytest.UsageError(f"execgo: {for_terminal(error)}")


def error_text(error: UsageError | HarnessError) -> str:
    """The text of an error: one line, or several lines for a harness error, which quotes logs."""
    return for_terminal(error, keep_lines=isinstance(error, HarnessError))
