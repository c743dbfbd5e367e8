"""A text with its escapes decoded, and where each of its characters was in the original."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Callable

# Escapes of JSON, also of JSON inside of a string of JSON, which doubles the backslashes.
_ESCAPE = re.compile(r"\\+(?:(?:u00|x)(0[aAdD]|[2-7][0-9a-fA-F])|([/\"]))?")
_PERCENT = re.compile(r"%(0[aAdD]|[2-7][0-9a-fA-F])")
# base64 and xxd break lines; a JSON text has them as \n.
_BREAK = re.compile(r"\\[rn]|[\r\n]")
# A "%" may be encoded again, and so on: %73, %2573, %252573.
_MOST_ROUNDS = 8

Substitute = Callable[[re.Pattern[str], Callable[[re.Match[str]], str], str], str]
"""As ``re.sub``; takes time in proportion to the length of the text for the expressions here."""


def _sub(pattern: re.Pattern[str], by: Callable[[re.Match[str]], str], text: str) -> str:
    return pattern.sub(by, text)


def decoded(text: str, substitute: Substitute = _sub) -> str:
    """``text`` without escapes of JSON, of percent-encoding, and ``\\xHH``; for ASCII only."""
    for _ in range(_MOST_ROUNDS):
        before = text
        if "\\" in text:
            text = substitute(_ESCAPE, _unescaped, text)
        if "%" in text:
            text = substitute(_PERCENT, _character, text)
        if text == before:
            break
    return text


def without_breaks(text: str, substitute: Substitute = _sub) -> str:
    """``text`` in one line, with nothing in place of the ends of lines."""
    return substitute(_BREAK, lambda _: "", text)


def _character(found: re.Match[str]) -> str:
    return chr(int(found[1], 16))


def _unescaped(found: re.Match[str]) -> str:
    return _character(found) if found[1] else found[2] or "\\"


class Origins:
    """Substitutions in a text one after another, and where characters of the last text were in the
    first."""

    def __init__(self) -> None:
        self._layers: list[_Layer] = []

    def substitute(
        self, pattern: re.Pattern[str], by: Callable[[re.Match[str]], str], text: str
    ) -> str:
        """As ``re.sub``; replacements have at most one character."""
        layer = _Layer()
        changed = pattern.sub(lambda found: layer.noted(found, by(found)), text)
        self._layers.append(layer)
        return changed

    def of(self, begin: int, end: int) -> tuple[int, int]:
        """Begin and end, in the first text, of a part of the last text that is not empty."""
        for layer in reversed(self._layers):
            begin, end = layer.of(begin)[0], layer.of(end - 1)[1]
        return begin, end


class _Layer:
    """The substitutions of one expression: of each, where it ends in the new text, and where it begins
    and ends in the old one."""

    def __init__(self) -> None:
        self._new_ends, self._begins, self._ends = array("q"), array("q"), array("q")
        self._longer = 0

    def noted(self, found: re.Match[str], replacement: str) -> str:
        begin, end = found.span()
        self._longer += end - begin - len(replacement)
        self._new_ends.append(end - self._longer)
        self._begins.append(begin)
        self._ends.append(end)
        return replacement

    def of(self, position: int) -> tuple[int, int]:
        """Begin and end of the character at ``position``, in the old text."""
        before = bisect_right(self._new_ends, position) - 1
        old = position
        if before >= 0:
            old += self._ends[before] - self._new_ends[before]
        follows = before + 1
        if follows < len(self._begins) and old >= self._begins[follows]:
            return self._begins[follows], self._ends[follows]
        return old, old + 1
