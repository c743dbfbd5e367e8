"""Removes the user's key from texts and JSON values before they are recorded or shown."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from pytest_execgo.adapter.answer import parsed

_MARK = "[key]"
# Where no key is needed, people set "none", "test" or "ollama": words that occur in answers. What is
# shorter is such a word, not a secret; without a digit the longer length counts.
_SHORTEST_SECRET, _SHORTEST_SECRET_WITHOUT_DIGIT = 8, 12
_EVENT = "data:"


@dataclass(frozen=True)
class KeyFilter:
    """Replaces ``key`` by ``[key]``. Without a key, everything stays as it is."""

    key: str | None = field(repr=False)

    @property
    def is_secret(self) -> bool:
        """Whether the key is a secret, and not a word that people set where no key is needed."""
        key = self.key or ""
        has_digit = any(map(str.isdigit, key))
        return len(key) >= (_SHORTEST_SECRET if has_digit else _SHORTEST_SECRET_WITHOUT_DIGIT)

    def text(self, text: str, *, quoted: bool = False) -> str:
        """``text`` without the key, also in the JSON of a body or of a stream of events. Text ``quoted``
        from a model does not change if the key is a word rather than a secret."""
        key = self.key
        if not key or (quoted and not self.is_secret):
            return text
        text = text.replace(key, _MARK)
        if any(line.startswith(_EVENT) for line in text.splitlines()):
            return "".join(map(self._line, text.splitlines(keepends=True)))
        return self._json(text)

    def value(self, value: Any) -> Any:
        """A JSON value without the key in any of its strings, if the key is a secret."""
        return self._replaced(value) if self.is_secret else value

    def is_in(self, text: str) -> bool:
        """Whether the key is a secret, and a part of ``text``, percent-encoded or not."""
        return self.is_secret and (self.key or "") in unquote(text) + text

    def _line(self, line: str) -> str:
        if not line.startswith(_EVENT):
            return line
        data = line.removeprefix(_EVENT)
        end = data[len(data.rstrip()) :]
        clean = self._json(data)
        return line if clean == data else f"{_EVENT} {clean}{end}"

    def _json(self, text: str) -> str:
        """JSON can escape a string in several ways."""
        found = parsed(text)
        clean = self._replaced(found)
        return text if clean == found else json.dumps(clean)

    def _replaced(self, value: Any) -> Any:
        if isinstance(value, str):
            return value.replace(self.key or _MARK, _MARK)
        if isinstance(value, (list, tuple)):
            return [self._replaced(one) for one in value]
        if isinstance(value, dict):
            return {self._replaced(name): self._replaced(one) for name, one in value.items()}
        return value
