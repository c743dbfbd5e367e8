"""The key of the user's model, from the environment, and where it must not be."""

from __future__ import annotations

import json
import os
from typing import Any

from pytest_execgo.adapter.key_filter import KeyFilter
from pytest_execgo.errors import UsageError
from pytest_execgo.models.request import BenchmarkRunRequest
from pytest_execgo.options.table import OPTIONS

VARIABLE = "OPENAI_API_KEY"


def user_key() -> str | None:
    """The key, without white space around it; ``None`` if there is none. Raises
    :class:`UsageError`."""
    key = os.environ.get(VARIABLE, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise UsageError(f"{VARIABLE} holds characters that a key cannot have; set it again")
    return key or None


def without_key(text: object) -> str:
    """``text`` as it may be shown, whatever the variable holds."""
    key = os.environ.get(VARIABLE, "").strip()
    return KeyFilter(key).record(str(text)) if key.isascii() else str(text).replace(key, "[key]")


def refuse_key(source: str, value: Any) -> None:
    """Raise :class:`UsageError` if ``value``, which reports show, holds the key. ``source`` is the
    option or variable that gives the value."""
    key = os.environ.get(VARIABLE, "").strip()
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    if key.isascii() and KeyFilter(key).is_in(text):
        # The message leaves the value out: it must not print the key.
        raise UsageError(
            f"{source} holds the key of {VARIABLE}, and every report would show it; remove it there"
        )


def refuse_key_in(request: BenchmarkRunRequest) -> None:
    """Raise :class:`UsageError` if a value of the request holds the key."""
    document = request.model_dump(mode="json")
    for option in OPTIONS:
        if option.field:
            refuse_key(option.flag, _at(document, option.field))
    refuse_key("the request of this run", document)


def _at(document: Any, path: str) -> Any:
    for name in path.split("."):
        document = (document or {}).get(name)
    return document
