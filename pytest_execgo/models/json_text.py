"""Reads JSON that another program wrote, within limits."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from pytest_execgo.models.messages import show
from pytest_execgo.models.safe_text import without_surrogates

MAX_DEPTH = 200
MAX_VALUES = 200_000
_LARGEST_DIGITS = 308
"""A double holds every number of so many digits, so no later arithmetic can overflow."""

_BRACKETS = re.compile(rb"[^\[\]{}]+")
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class JsonProblem(ValueError):
    """A text that is not JSON, or that is beyond the limits; the message is one short line.

    ``line`` and ``column`` count from 1; ``None`` if the place is unknown.
    """

    def __init__(self, problem: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(problem)
        self.line, self.column = line, column


def decode_json(
    text: str | bytes, *, max_values: int | None = MAX_VALUES, unique_keys: bool = False
) -> Any:
    """The value in a JSON text. Bytes are UTF-8; invalid ones become U+FFFD, as do lone surrogates.

    Of a repeated key, the last value counts, unless ``unique_keys`` is set. Raises
    :class:`JsonProblem` for NaN, infinities and numbers that a double cannot hold, for more than 200
    levels, for more than ``max_values`` values, and for a repeated key that must be unique.
    """
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    _check_limits(raw, math.inf if max_values is None else max_values)
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    try:
        found = json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_int=_integer,
            parse_float=_float,
            object_pairs_hook=_unique if unique_keys else None,
        )
    except json.JSONDecodeError as error:
        problem = f"not JSON ({error.msg} at character {error.pos})"
        raise JsonProblem(problem, error.lineno, error.colno) from None
    except RecursionError:
        raise JsonProblem(_too_deep()) from None
    return without_surrogates(found) if _ESCAPED_SURROGATE.search(text) else found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise JsonProblem(f"the key {show(twice)} is given twice")
    return found


def _check_limits(text: bytes, max_values: float) -> None:
    """Raise for too many levels or values, before anything is built from ``text`` (UTF-8)."""
    # Escapes inside strings first, so that each remaining quote begins or ends a string.
    plain = text.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in text else text
    if plain.count(b'"') > 4 * max_values:
        raise JsonProblem(_too_many(max_values))
    outside = b"".join(plain.split(b'"')[::2])
    if outside.count(b",") + outside.count(b"[") + outside.count(b"{") > max_values:
        raise JsonProblem(_too_many(max_values))
    depth = 0
    for bracket in _BRACKETS.sub(b"", outside):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            raise JsonProblem(_too_deep())


def _too_deep() -> str:
    return f"JSON with more than {MAX_DEPTH} levels"


def _too_many(max_values: float) -> str:
    return f"JSON with more than {max_values} values"


def _refuse_constant(name: str) -> Any:
    raise JsonProblem(f"not JSON ({name} is not a number)")


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > _LARGEST_DIGITS:
        raise JsonProblem("JSON with a number that is too large")
    return int(digits)


def _float(digits: str) -> float:
    found = float(digits)
    if not math.isfinite(found):
        raise JsonProblem("JSON with a number that is too large")
    return found
