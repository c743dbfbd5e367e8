"""Writes the tables of causes and of next steps in docs/chaos.md: python -m tests.codes_page"""

from __future__ import annotations

from pathlib import Path

from pytest_execgo.verdict.advice import advice_table
from pytest_execgo.verdict.codes import codes_table

PAGE = Path(__file__).parents[1] / "docs/chaos.md"
_TABLES = {"codes": codes_table, "advice": advice_table}


def updated(text: str) -> str:
    """The page with the tables as the code has them."""
    for name, table in _TABLES.items():
        begin = f"<!-- {name}: written by python -m tests.codes_page -->\n"
        end = f"<!-- end of {name} -->"
        before, found, rest = text.partition(begin)
        assert found, f"{begin} is missing"
        text = f"{before}{begin}{table()}\n{end}{rest.partition(end)[2]}"
    return text


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text()))
