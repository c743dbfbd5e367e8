"""Makes large JSON values short enough to be kept in a record, with a note of what was left out."""

from __future__ import annotations

import json
from typing import Any

_LONGEST_STRING = 2000
_MOST_ITEMS = 50
_MOST_LEVELS = 20


def shortened(value: Any, limit: int) -> Any:
    """``value`` if its JSON text has at most ``limit`` characters, else a shorter value.

    Long strings keep their begin and end, long lists and objects their first members, and each says how
    much was left out. If that is still too long, the result is the begin of the JSON text.
    """
    if not _surely_longer(value, limit) and _length(value) <= limit:
        return value
    cut = _cut(value, _MOST_LEVELS)
    text = json.dumps(cut, ensure_ascii=False, default=str)
    return cut if len(text) <= limit else text[:limit] + _note(len(text) - limit, "characters")


def _surely_longer(value: Any, limit: int) -> bool:
    """Whether the strings and commas alone make ``value`` longer than ``limit``. So the text of a huge
    value, which needs several times its memory, is not built only to be counted."""
    rest: list[Any] = [value]
    while rest and limit >= 0:
        one = rest.pop()
        if isinstance(one, str):
            limit -= len(one)
        elif isinstance(one, dict):
            limit -= len(one)
            rest += one
            rest += one.values()
        elif isinstance(one, (list, tuple)):
            limit -= len(one)
            rest += one
    return limit < 0


def _length(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False, default=str))


def _cut(value: Any, levels: int) -> Any:
    if isinstance(value, str):
        return _cut_text(value)
    if isinstance(value, (list, tuple, dict)) and levels == 0:
        return _note(1, "value")
    if isinstance(value, (list, tuple)):
        kept = [_cut(item, levels - 1) for item in value[:_MOST_ITEMS]]
        left = len(value) - len(kept)
        return [*kept, _note(left, "items")] if left else kept
    if isinstance(value, dict):
        names = list(value)[:_MOST_ITEMS]
        members = {_cut_text(str(name)): _cut(value[name], levels - 1) for name in names}
        left = len(value) - len(names)
        return {**members, "…": _note(left, "members")} if left else members
    return value


def _cut_text(text: str) -> str:
    if len(text) <= _LONGEST_STRING:
        return text
    left = len(text) - _LONGEST_STRING
    start, end = _LONGEST_STRING * 2 // 3, _LONGEST_STRING // 3
    return text[:start] + _note(left, "characters") + text[-end:]


def _note(count: int, of: str) -> str:
    return f"[… {count} {of} left out …]"
