"""What commands print: text that is safe for a terminal, tables, and JSON for other programs."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from tabulate import tabulate

from pytest_execgo.models.safe_text import for_terminal, json_line


def accept_all_characters() -> None:
    """Show characters that the terminal's encoding lacks as ``\\xNN``, instead of an exception."""
    for stream in (sys.stdout, sys.stderr):
        # A caller may have replaced or closed them.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def print_line(text: object) -> None:
    """Print one line."""
    print(for_terminal(text))


def print_error(text: object, *, label: str = "error", keep_lines: bool = False) -> None:
    """Print ``label: text`` on standard error, in one line unless ``keep_lines``."""
    print(for_terminal(f"{label}: {text}", keep_lines=keep_lines), file=sys.stderr)


def overwrite_line(text: str) -> None:
    """Replace the last line of a terminal on standard error; an empty text clears it."""
    print(f"\r\033[K{for_terminal(text)}", end="", file=sys.stderr, flush=True)


def print_table(rows: Iterable[Iterable[object]], headers: Sequence[str]) -> None:
    """Print a table of plain text; ``None`` is an empty cell."""
    safe = [["" if cell is None else for_terminal(cell) for cell in row] for row in rows]
    print(tabulate(safe, headers, tablefmt="plain", disable_numparse=True))


def print_json(value: Any) -> None:
    """Print one line of JSON."""
    print_json_text(json_line(value) + "\n")


def print_json_text(text: str) -> None:
    """Print a JSON text. Characters that standard output cannot show are written as ``\\uXXXX``."""
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = "".join(char if char.isascii() else json.dumps(char)[1:-1] for char in text)
    print(text, end="", flush=True)
