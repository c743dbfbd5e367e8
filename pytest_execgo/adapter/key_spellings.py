"""The ways in which a key can be written in a text: as it is, escaped in JSON, percent-encoded, or as a
part of a text in base64 or hexadecimal digits, also over several lines."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

from pytest_execgo.adapter.decoded import Origins, decoded, without_breaks


class KeySpellings:
    """Finds and replaces ``key``, ASCII text, in all its spellings."""

    def __init__(self, key: str) -> None:
        self._plain = decoded(key)
        self._encoded = [*_base64(key), *_hexadecimal(key)]

    def is_in(self, text: str) -> bool:
        """Whether ``text`` contains the key."""
        plain = decoded(text)
        if self._plain in plain:
            return True
        plain = without_breaks(plain)
        return any(spelling in plain for spelling in self._encoded)

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Begin and end of each spelling in ``text``, in order, apart from each other."""
        # The fast search first: nearly no text contains the key.
        if not self.is_in(text):
            return []
        apart: list[tuple[int, int]] = []
        for begin, end in sorted(self._found(text)):
            if apart and begin < apart[-1][1]:
                apart[-1] = (apart[-1][0], max(end, apart[-1][1]))
            else:
                apart.append((begin, end))
        return apart

    def replaced(self, text: str, mark: str) -> str:
        """``text`` with ``mark`` for each spelling of the key."""
        parts, done = [], 0
        for begin, end in self.spans(text):
            parts += [text[done:begin], mark]
            done = end
        return "".join([*parts, text[done:]])

    def _found(self, text: str) -> Iterator[tuple[int, int]]:
        origins = Origins()
        plain = decoded(text, origins.substitute)
        yield from _all(plain, [self._plain], origins)
        plain = without_breaks(plain, origins.substitute)
        yield from _all(plain, self._encoded, origins)


def _all(text: str, spellings: list[str], origins: Origins) -> Iterator[tuple[int, int]]:
    for spelling in spellings:
        for found in re.finditer(re.escape(spelling), text):
            yield origins.of(*found.span())


def _base64(key: str) -> list[str]:
    """What a text in base64 contains if the text holds the key: one spelling for each place at which the
    key can begin in a group of three bytes, in both alphabets."""
    found = []
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + key.encode()).decode()
        # Characters at the ends also depend on what stands around the key.
        begin, end = -(-offset * 8 // 6), (offset + len(key)) * 8 // 6
        found.append(encoded[begin:end])
    return list(dict.fromkeys([*found, *(one.translate(_URL_SAFE) for one in found)]))


_URL_SAFE = str.maketrans("+/", "-_")


def _hexadecimal(key: str) -> list[str]:
    digits = key.encode().hex()
    return [digits, digits.upper()]
