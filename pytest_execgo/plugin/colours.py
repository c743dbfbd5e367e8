"""Colours of the text about a failed trial, where pytest uses colours."""

from __future__ import annotations

import re
from textwrap import wrap
from typing import Any

import pytest

from pytest_execgo.models.safe_text import for_ci_log

_LABELS: dict[str, dict[str, bool]] = {
    "FAILED": {"red": True, "bold": True},
    "INCONCLUSIVE": {"yellow": True, "bold": True},
    "cause": {"red": True},
    "mitigated": {"yellow": True},
    "difference": {"bold": True},
    "next": {"bold": True},
    "rerun": {"bold": True},
}
_COPIED = ("record ", "rerun ")
_STEP = re.compile(r"(?:chain)? +[0-9.]+ s  ")
_DIFFERENCE = re.compile(r" {15}[+-]")


def colour_failures(reporter: pytest.TerminalReporter) -> None:
    """Colour the text of failed trials just before pytest prints it. Reports for other programs have it
    by then, without colours."""
    writer = reporter.config.get_terminal_writer()
    if not writer.hasmarkup:
        return
    width = writer.fullwidth
    for report in reporter.stats.get("failed", []):
        entries: Any = getattr(getattr(report.longrepr, "reprtraceback", None), "reprentries", ())
        facts = dict(getattr(report, "user_properties", ()))
        if "execgo_verdict" in facts and entries:
            lines = entries[0].lines
            lines[:] = [
                writer.markup(part, **_markup(line))
                for line in lines
                for part in _wrapped(line, width)
            ]


def _wrapped(line: str, width: int) -> list[str]:
    """A line in lines that fit the terminal, below each other. A command or a path stays in one piece,
    because people copy it, and so does what a task wrote."""
    if line.startswith(_COPIED) or line.startswith(" " * 15):
        return [line]
    step = _STEP.match(line)
    indent = len(step[0]) if step else 13
    parts = wrap(
        line, width - 1, subsequent_indent=" " * indent, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
    return [for_ci_log(part) for part in parts] or [line]


def _markup(line: str) -> dict[str, bool]:
    if _DIFFERENCE.match(line):
        return {"green" if line.lstrip().startswith("+") else "red": True}
    return _LABELS.get(line.partition(" ")[0], {})
