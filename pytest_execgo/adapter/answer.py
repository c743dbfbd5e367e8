"""One answer of a model's endpoint, the interface of what gives answers, and what an answer contains."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

_EVENT_STREAM = "text/event-stream"
_EVENT = "data:"
_LONGEST_MESSAGE = 300
# Requests and answers of a model are about ten deep; what a plan nests is in strings. Code that follows
# a value to its depth, as ours and that of frameworks, fails at about a thousand.
_MOST_DEPTH = 200


@dataclass(frozen=True)
class Answer:
    """A reply as it arrived.

    ``status`` 0 means that no reply arrived: ``text`` is the reason, ``late`` says that the wait timed
    out, and ``permanent`` that another try would fail the same way. For a redirect, ``text`` is the
    target. ``retry_after`` is the wait in seconds that the endpoint asks for. ``stalled_ms`` is the
    longest pause in the middle of the body. ``too_large``: the body was not read to its end, and
    ``text`` is empty.
    """

    status: int
    content_type: str
    text: str
    retry_after: float | None = None
    late: bool = False
    permanent: bool = False
    stalled_ms: float = 0.0
    too_large: bool = False

    @property
    def streamed(self) -> bool:
        """Whether the body is a stream of server-sent events."""
        return self.content_type.startswith(_EVENT_STREAM)

    @cached_property
    def body(self) -> Any:
        """The JSON value of the body; ``None`` if it is not JSON. A large body takes long to read, so it
        is read once."""
        return parsed(self.text)

    @cached_property
    def bodies(self) -> tuple[Any, ...]:
        """The JSON values of the answer: one, or one per event of a stream."""
        if not self.streamed:
            return (self.body,)
        lines = (line for line in self.text.splitlines() if line.startswith(_EVENT))
        return tuple(parsed(line.removeprefix(_EVENT)) for line in lines)


# An escaped backslash is matched first: what follows it is text, not an escape.
_SURROGATES = re.compile(
    r"\\\\"
    r"|(?P<pair>\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)


class AnswerSource(Protocol):
    """What gives answers: a real endpoint or a recording."""

    retryable: bool
    """Whether the same request may get another answer the next time."""

    def answer(self, number: int, path: str, asked: Any, seconds: float) -> Answer:
        """The answer to request ``number`` (from 0) with the JSON body ``asked``, within ``seconds``;
        raises :class:`PlanError`."""


def whole_characters(answer: Answer) -> Answer:
    """``answer`` with U+FFFD for each half of a character (lone surrogate) that its JSON escapes.

    A framework sends the text back when it asks for a repair, and no client can encode half a character.
    """
    return replace(answer, text=_SURROGATES.sub(_whole, answer.text))


def _whole(found: re.Match[str]) -> str:
    escaped_backslash = found["half"] is None and found["pair"] is None
    return found[0] if escaped_backslash or found["pair"] else r"\ufffd"


def in_one_line(text: Any) -> str:
    """At most 300 printable characters of ``text``, in one line."""
    printable = "".join(c if c.isprintable() else " " for c in str(text)[:2000])
    return " ".join(printable.split())[:_LONGEST_MESSAGE]


def parsed(text: str) -> Any:
    """The JSON value of ``text``; ``None`` if it is not JSON, or deeper than any request or answer."""
    with suppress(ValueError, RecursionError):
        found = json.loads(text)
        return None if _too_deep(found) else found
    return None


def _too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_MOST_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True


def usage(answer: Answer) -> tuple[int, int] | None:
    """Tokens of prompt and completion as the endpoint counts them; ``None`` if it does not."""
    for body in reversed(answer.bodies):
        # An event of a stream of /responses holds the whole response.
        holder = body.get("response", body) if isinstance(body, dict) else None
        found = holder.get("usage") if isinstance(holder, dict) else None
        if isinstance(found, dict):
            prompt = _tokens(found, "prompt_tokens", "input_tokens")
            completion = _tokens(found, "completion_tokens", "output_tokens")
            return None if prompt is None or completion is None else (prompt, completion)
    return None


def _tokens(found: dict[str, Any], *names: str) -> int | None:
    values = [found.get(name) for name in names]
    return next((v for v in values if isinstance(v, int) and v is not True and v >= 0), None)
