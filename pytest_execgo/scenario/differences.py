"""What differs between an expected and an actual value or file, as a few lines for people."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

MOST_LINES = 24
LONGEST_LINE = 160
LARGEST_TEXT = 1_000_000
"""Of each side, in characters; larger ones are not compared line by line."""
_MOST_COMPARED = 300
"""Lines of each side between the equal ones at both ends: the comparison takes the square of it."""
_CONTEXT = 2


def of_values(expected: Any, got: Any) -> tuple[str, ...]:
    """The lines of two JSON values that differ; empty for values whose message has room for them."""
    if isinstance(expected, str) and isinstance(got, str):
        return of_texts(expected, got) if "\n" in expected + got else ()
    if not (isinstance(expected, (list, dict)) and isinstance(got, (list, dict))):
        return ()
    return of_texts(_pretty(expected), _pretty(got))


def of_files(expected: bytes, got: bytes, size: int) -> tuple[str, ...]:
    """The lines of two files that differ; for files that are not text, where they differ first. ``got``
    is the beginning of a file of ``size`` bytes."""
    if len(expected) <= LARGEST_TEXT and size <= LARGEST_TEXT:
        try:
            return of_texts(expected.decode(), got.decode())
        except UnicodeDecodeError:
            pass
    pairs = zip(expected, got, strict=False)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return (f"expected {len(expected)} bytes, got {size}; the first difference is at byte {same}",)


def of_texts(expected: str, got: str) -> tuple[str, ...]:
    """The lines of two texts that differ, as a unified diff."""
    if max(len(expected), len(got)) > LARGEST_TEXT:
        return (f"expected {len(expected)} characters, got {len(got)}",)
    left, right = _lines(expected), _lines(got)
    pairs = zip(left, right, strict=False)
    start = max(sum(1 for _ in takewhile(_equal, pairs)) - _CONTEXT, 0)
    back = zip(reversed(left[start:]), reversed(right[start:]), strict=False)
    end = max(sum(1 for _ in takewhile(_equal, back)) - _CONTEXT, 0)
    left, right = left[start : len(left) - end], right[start : len(right) - end]
    compared = difflib.unified_diff(
        left[:_MOST_COMPARED], right[:_MOST_COMPARED], n=_CONTEXT, lineterm=""
    )
    lines = [line for line in compared if not line.startswith(("---", "+++", "@@"))]
    if not lines:
        return ()
    shown = [_short(line) for line in lines[:MOST_LINES]]
    head = f"@@ line {start + 1} @@"
    cut = len(lines) > MOST_LINES or max(len(left), len(right)) > _MOST_COMPARED
    return ("--- expected", "+++ got", head, *shown, *(["…"] if cut else []))


def _equal(pair: tuple[str, str]) -> bool:
    return pair[0] == pair[1]


def _lines(text: str) -> Sequence[str]:
    lines = text.split("\n")
    if lines[-1] == "":
        return lines[:-1]
    return [*lines[:-1], f"{lines[-1]}  (no line end)"]


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _short(line: str) -> str:
    return line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}…"
