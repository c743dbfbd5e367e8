"""Writes the table of causes in docs/chaos.md from the rules: python -m tests.codes_page"""

from __future__ import annotations

from pathlib import Path

from pytest_execgo.verdict.codes import codes_table

PAGE = Path(__file__).parents[1] / "docs/chaos.md"
_BEGIN, _END = "<!-- codes: written by python -m tests.codes_page -->\n", "<!-- end of codes -->"


def updated(text: str) -> str:
    """The page with the table as the rules have it."""
    before, _, rest = text.partition(_BEGIN)
    return f"{before}{_BEGIN}{codes_table()}\n{_END}{rest.partition(_END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text()))
