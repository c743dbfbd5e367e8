"""What changes answers, and what changes requests, in pairs.

Some have a state, which must begin anew for each trial. So each fault is a function that makes a
:data:`Pair`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.unseen.front import Ask, Corrupt, Exchange, Forward

HTML = (("Content-Type", "text/html"),)
JSON = (("Content-Type", "application/json"),)

Pair = tuple[Corrupt, Ask | None]
"""What changes the answers, and what changes the requests that have a body."""
Make = Callable[[], Pair]
Edit = Callable[[dict[str, Any]], dict[str, Any]]
"""From a JSON object in a body to what is sent in its place."""


def as_it_is(exchange: Exchange) -> Iterator[bytes]:
    """The answer of the service."""
    yield exchange.answer()


def with_answer(corrupt: Corrupt) -> Make:
    """A fault of answers without a state."""
    return lambda: (corrupt, None)


def with_request(change: Ask) -> Make:
    """A fault of requests without a state."""
    return lambda: (as_it_is, change)


def editing_answers(edit: Edit) -> Make:
    """Edits each JSON object in the answers."""

    def corrupt(exchange: Exchange) -> Iterator[bytes]:
        yield exchange.answer(edited(exchange.body, edit))

    return with_answer(corrupt)


def editing_requests(edit: Edit) -> Make:
    """Edits each JSON object in the requests."""

    def change(sent: bytes, forward: Forward) -> Exchange:
        return forward(edited(sent, edit))

    return with_request(change)


def edited(body: bytes, edit: Edit) -> bytes:
    """The body with each JSON object in it edited; as it is, if it is not JSON."""
    try:
        return json.dumps(_mapped(json.loads(body), edit)).encode()
    except ValueError:
        return body


def _mapped(value: Any, edit: Edit) -> Any:
    if isinstance(value, dict):
        return edit({name: _mapped(inner, edit) for name, inner in value.items()})
    if isinstance(value, list):
        return [_mapped(inner, edit) for inner in value]
    return value


def refusal(status: int, text: str) -> Exchange:
    """An answer of a proxy that does not ask the service."""
    headers = JSON if text.startswith("{") else HTML
    return Exchange(0, "POST", "", status, headers, text.encode())


def decoded(body: bytes) -> Any:
    """The value in ``body``; ``None`` if it is not JSON."""
    try:
        return json.loads(body)
    except ValueError:
        return None
