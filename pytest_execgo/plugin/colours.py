"""Colours of the text about a failed trial, where pytest uses colours."""

from __future__ import annotations

import re
from typing import Any

import pytest

_LABELS: dict[str, dict[str, bool]] = {
    "FAILED": {"red": True, "bold": True},
    "INCONCLUSIVE": {"yellow": True, "bold": True},
    "cause": {"red": True},
    "mitigated": {"yellow": True},
    "difference": {"bold": True},
    "rerun": {"bold": True},
}
_DIFFERENCE = re.compile(r" {15}[+-]")


def colour_failures(reporter: pytest.TerminalReporter) -> None:
    """Colour the text of failed trials just before pytest prints it. Reports for other programs have it
    by then, without colours."""
    writer = reporter.config.get_terminal_writer()
    if not writer.hasmarkup:
        return
    for report in reporter.stats.get("failed", []):
        entries: Any = getattr(getattr(report.longrepr, "reprtraceback", None), "reprentries", ())
        facts = dict(getattr(report, "user_properties", ()))
        if "execgo_verdict" in facts and entries:
            lines = entries[0].lines
            lines[:] = [writer.markup(line, **_markup(line)) for line in lines]


def _markup(line: str) -> dict[str, bool]:
    if _DIFFERENCE.match(line):
        return {"green" if line.lstrip().startswith("+") else "red": True}
    return _LABELS.get(line.partition(" ")[0], {})
