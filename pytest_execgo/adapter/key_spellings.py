"""The ways in which a key can be written in a text: as it is, escaped in JSON, percent-encoded, or as a
part of a text in base64."""

from __future__ import annotations

import base64
import re
from urllib.parse import unquote

# Escapes of JSON, also of JSON inside of a string of JSON, which doubles the backslashes.
_ESCAPE = re.compile(r"\\+(?:u00([2-7][0-9a-fA-F])|([/\"]))?")
_PERCENT = r"(?:%|\\+u0025)(?:25)*"


class KeySpellings:
    """Finds and replaces ``key``, ASCII text, in all its spellings."""

    def __init__(self, key: str) -> None:
        self._plain = [_plain(spelling) for spelling in (key, *_base64(key))]
        spellings = "|".join(map(_pattern, (key, *_base64(key))))
        self._pattern = re.compile(spellings)

    def is_in(self, text: str) -> bool:
        """Whether ``text`` contains the key."""
        plain = _plain(text)
        return any(spelling in plain for spelling in self._plain)

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Begin and end of each spelling in ``text``."""
        if not self.is_in(text):
            return []
        return [found.span() for found in self._pattern.finditer(text)]

    def replaced(self, text: str, mark: str) -> str:
        """``text`` with ``mark`` for each spelling of the key."""
        # The fast search first: nearly no text contains the key.
        return self._pattern.sub(mark, text) if self.is_in(text) else text


def _plain(text: str) -> str:
    if "\\" in text:
        text = _ESCAPE.sub(_unescaped, text)
    for _ in range(2):
        if "%" in text:
            text = unquote(text)
    return text


def _unescaped(found: re.Match[str]) -> str:
    return chr(int(found[1], 16)) if found[1] else found[2] or "\\"


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


def _pattern(spelling: str) -> str:
    return "".join(map(_any_spelling, spelling))


def _any_spelling(char: str) -> str:
    code = "".join(f"[{c}{c.upper()}]" if c.isalpha() else c for c in f"{ord(char):02x}")
    escaped = r"\\+" if char == "\\" else rf"\\*{re.escape(char)}" if char in '/"' else None
    return rf"(?:{escaped or re.escape(char)}|\\+u00{code}|{_PERCENT}{code})"
