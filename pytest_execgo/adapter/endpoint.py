"""A model that is really asked, over HTTP."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic
from typing import Any

import requests

from pytest_execgo.adapter.answer import Answer
from pytest_execgo.direct_http import beside_us

_PIECE_BYTES = 256


class Endpoint:
    """An OpenAI-compatible endpoint. ``base_url`` as OpenAI's SDK takes it, ending in ``/v1``;
    ``seconds`` is how long one answer is waited for at most."""

    asks_again = True

    def __init__(self, base_url: str, key: str | None, seconds: float) -> None:
        self._base_url, self._seconds, self._key = base_url.rstrip("/"), seconds, key
        self._session = requests.Session()
        # Ours is beside us; a model elsewhere may have to be reached through the user's proxy.
        self._session.trust_env = not beside_us(base_url)
        if key:
            self._session.headers["Authorization"] = f"Bearer {key}"

    def answer(self, number: int, path: str, asked: Any, seconds: float) -> Answer:
        """Ask once."""
        limit = min(self._seconds, seconds)
        url = f"{self._base_url}{path}"
        try:
            with self._session.post(url, json=asked, timeout=limit, stream=True) as reply:
                body, stalled_ms = _read(reply, monotonic() + limit)
        except (requests.Timeout, TimeoutError):
            return Answer(0, "", f"none within {limit:g} s", late=True)
        except requests.RequestException as error:
            if isinstance(error, requests.ConnectionError) and "timed out" in str(error):
                # How requests calls a silence in the middle of a body.
                return Answer(0, "", f"not all of it within {limit:g} s", late=True)
            return Answer(0, "", self._without_key(f"{type(error).__name__}: {error}"))
        # Not reply.text: it takes a stream for Latin-1 where nothing else is said.
        text = self._without_key(body.decode("utf-8", "replace"))
        kind, wait = reply.headers.get("Content-Type", ""), _retry_after(reply.headers)
        return Answer(reply.status_code, kind, text, wait, stalled_ms=stalled_ms)

    def close(self) -> None:
        """Leave its connections."""
        self._session.close()

    def _without_key(self, text: str) -> str:
        """Endpoints echo what they refuse."""
        return text.replace(self._key, "[key]") if self._key else text


def _read(reply: requests.Response, deadline: float) -> tuple[bytes, float]:
    """The body, and the longest pause in it in milliseconds; raises ``TimeoutError``."""
    pieces: list[bytes] = []
    last, longest = None, 0.0
    for piece in _pieces(reply):
        now = monotonic()
        if now > deadline:
            raise TimeoutError
        if last is not None:
            longest = max(longest, now - last)
        # Some keep a connection alive with blanks or comments until the model has thought.
        if last is not None or (piece.strip() and not piece.startswith(b":")):
            last = now
        pieces.append(piece)
    return b"".join(pieces), round(longest * 1000, 3)


def _pieces(reply: requests.Response) -> Iterator[bytes]:
    found: Iterator[bytes] = reply.iter_content(_PIECE_BYTES)
    return found


def _retry_after(headers: Any) -> float | None:
    """Seconds, as a number or a date; ``retry-after-ms`` is more exact where it is given."""
    exact = _number(headers.get("retry-after-ms", ""))
    if exact is not None:
        return exact / 1000
    said = headers.get("Retry-After", "")
    seconds = _number(said)
    if seconds is not None or not said:
        return seconds
    try:
        when = parsedate_to_datetime(said)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())


def _number(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if 0 <= found < math.inf else None
