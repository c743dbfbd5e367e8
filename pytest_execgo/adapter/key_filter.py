"""Removes the user's key from texts and JSON values before they are recorded or shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pytest_execgo.adapter.key_spellings import KeySpellings
from pytest_execgo.adapter.key_stream import joined_without

_MARK = "[key]"
# Where no key is needed, people set "none", "test" or "ollama": words that occur in answers. What is
# shorter is such a word, not a secret; without a digit the longer length counts.
_SHORTEST_SECRET, _SHORTEST_SECRET_WITHOUT_DIGIT = 8, 12


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
        return joined_without(self._spellings, text) if self.is_secret else text

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
