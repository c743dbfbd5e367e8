"""Removes the user's key from texts and JSON values before they are recorded or shown."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import Any

from pytest_execgo.adapter.answer import parsed
from pytest_execgo.adapter.key_spellings import KeySpellings

_MARK = "[key]"
# Where no key is needed, people set "none", "test" or "ollama": words that occur in answers. What is
# shorter is such a word, not a secret; without a digit the longer length counts.
_SHORTEST_SECRET, _SHORTEST_SECRET_WITHOUT_DIGIT = 8, 12
_EVENT = "data:"


@dataclass(frozen=True)
class KeyFilter:
    """Replaces ``key`` by ``[key]``, in all spellings of :class:`KeySpellings` if it is a secret.
    Without a key, everything stays as it is."""

    key: str | None = field(repr=False)

    @property
    def is_secret(self) -> bool:
        """Whether the key is a secret, and not a word that people set where no key is needed."""
        key = self.key or ""
        has_digit = any(map(str.isdigit, key))
        return len(key) >= (_SHORTEST_SECRET if has_digit else _SHORTEST_SECRET_WITHOUT_DIGIT)

    @cached_property
    def _spellings(self) -> KeySpellings:
        return KeySpellings(self.key or "")

    def text(self, text: str, *, quoted: bool = False) -> str:
        """``text`` without the key, also in the JSON of a body, or in pieces in a stream of events. Text
        ``quoted`` from a model does not change if the key is a word rather than a secret."""
        if not self.key or (quoted and not self.is_secret):
            return text
        text = self._replaced_text(text)
        if self.is_secret and any(line.startswith(_EVENT) for line in text.splitlines()):
            return _joined(text, self._spellings)
        return text

    def record(self, text: str) -> str:
        """A text that is written to a record, without the key if the key is a secret."""
        return self._spellings.replaced(text, _MARK) if self.is_secret else text

    def value(self, value: Any) -> Any:
        """A JSON value without the key in any of its strings, if the key is a secret."""
        return self._replaced(value) if self.is_secret else value

    def is_in(self, text: str) -> bool:
        """Whether the key is a secret, and a part of ``text``, in any spelling."""
        return self.is_secret and self._spellings.is_in(text)

    def _replaced_text(self, text: str) -> str:
        if not self.is_secret:
            return text.replace(self.key or _MARK, _MARK)
        return self._spellings.replaced(text, _MARK)

    def _replaced(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._replaced_text(value)
        if isinstance(value, (list, tuple)):
            return [self._replaced(one) for one in value]
        if isinstance(value, dict):
            return {self._replaced(name): self._replaced(one) for name, one in value.items()}
        return value


@dataclass
class _Piece:
    """A string in one event of a stream, and where it is: ``holder[name]``."""

    line: int
    holder: Any
    name: Any


def _joined(text: str, spellings: KeySpellings) -> str:
    """A stream of events without a key whose parts are in strings of several events. Frameworks join the
    strings that have the same place in their events."""
    lines = text.splitlines(keepends=True)
    bodies: dict[int, Any] = {}
    places: dict[tuple[Any, ...], list[_Piece]] = defaultdict(list)
    for number, line in enumerate(lines):
        if line.startswith(_EVENT) and (body := parsed(line.removeprefix(_EVENT))) is not None:
            bodies[number] = body
            for place, holder, name in _strings(body):
                places[place].append(_Piece(number, holder, name))
    changed: set[int] = set()
    for pieces in places.values():
        changed |= _cleaned(pieces, spellings)
    for number in changed:
        end = lines[number][len(lines[number].rstrip()) :]
        lines[number] = f"{_EVENT} {json.dumps(bodies[number])}{end}"
    return "".join(lines)


def _strings(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any, Any]]:
    """The place, the holder and the name of each string in a JSON value."""
    items: Any = value.items() if isinstance(value, dict) else ()
    for name, one in enumerate(value) if isinstance(value, list) else items:
        if isinstance(one, str):
            yield (*place, name), value, name
        else:
            yield from _strings(one, (*place, name))


def _cleaned(pieces: list[_Piece], spellings: KeySpellings) -> set[int]:
    """Replace the key in the joined text of ``pieces``; returns the lines that changed."""
    texts = [piece.holder[piece.name] for piece in pieces]
    changed = set()
    ends = list(accumulate(map(len, texts)))
    for begin, end in reversed(spellings.spans("".join(texts))):
        for index, piece in enumerate(pieces):
            start = ends[index] - len(texts[index])
            if begin < ends[index] and start < end:
                own = piece.holder[piece.name]
                mark = _MARK if begin >= start else ""
                piece.holder[piece.name] = (
                    own[: max(0, begin - start)] + mark + own[max(0, end - start) :]
                )
                changed.add(piece.line)
    return changed
