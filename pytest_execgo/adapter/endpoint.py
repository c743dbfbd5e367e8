"""A model that is really asked, over HTTP."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic
from typing import Any

import requests
import urllib3

from pytest_execgo.adapter.answer import Answer, in_one_line, parsed
from pytest_execgo.transport.local import session_for

_PIECE_BYTES = 65536
# "none", "test", "ollama": what people set where no key is needed, and words that answers are made of.
# A short key that holds a digit is taken for a secret.
_SHORTEST_SECRET = 12


class Endpoint:
    """An OpenAI-compatible endpoint. ``base_url`` as OpenAI's SDK takes it, ending in ``/v1``;
    ``seconds`` is how long one answer is waited for at most."""

    retryable = True

    def __init__(self, base_url: str, key: str | None, seconds: float) -> None:
        self._base_url, self._seconds, self._key = base_url.rstrip("/"), seconds, key
        self._session = session_for(base_url)
        if key:
            self._session.headers["Authorization"] = f"Bearer {key}"

    def answer(self, number: int, path: str, asked: Any, seconds: float) -> Answer:
        """Ask once. The limit is for the head of the answer and for each silence in its body, and no
        piece is taken after it."""
        limit = min(self._seconds, seconds)
        url = f"{self._base_url}{path}"
        deadline = monotonic() + limit
        try:
            # Redirected, a POST would become a GET; where to is for the user to see.
            with self._session.post(
                url, json=asked, timeout=limit, stream=True, allow_redirects=False
            ) as reply:
                body, stalled_ms = read(_pieces(reply), deadline)
        except (requests.Timeout, urllib3.exceptions.ReadTimeoutError, TimeoutError):
            return Answer(0, "", f"none within {limit:.3g} s", late=True)
        except requests.exceptions.SSLError as error:
            return Answer(0, "", in_one_line(f"{type(error).__name__}: {error}"), permanent=True)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            return Answer(0, "", self._without_key(in_one_line(f"{type(error).__name__}: {error}")))
        text = body.decode("utf-8", "replace")
        if 300 <= reply.status_code < 400:
            text = reply.headers.get("Location", "")
        kind = self._without_key(reply.headers.get("Content-Type", ""))
        text = self._without_key(text, quoted=reply.status_code == 200)
        wait = retry_after(reply.headers)
        return Answer(reply.status_code, kind, text, wait, stalled_ms=stalled_ms)

    def close(self) -> None:
        """Leave its connections."""
        self._session.close()

    def _without_key(self, text: str, *, quoted: bool = False) -> str:
        """Endpoints echo what they refuse. What is ``quoted`` from the model is left alone where the key
        is no secret but a word."""
        key = self._key
        if not key or (quoted and len(key) < _SHORTEST_SECRET and not any(map(str.isdigit, key))):
            return text
        text = text.replace(key, "[key]")
        found = parsed(text)
        # JSON has more than one way to spell a text.
        clean = _replaced(found, key)
        return text if clean == found else json.dumps(clean)


def _replaced(value: Any, key: str) -> Any:
    """A JSON value without the key in any of its texts."""
    if isinstance(value, str):
        return value.replace(key, "[key]")
    if isinstance(value, list):
        return [_replaced(one, key) for one in value]
    if isinstance(value, dict):
        return {_replaced(name, key): _replaced(one, key) for name, one in value.items()}
    return value


def _pieces(reply: requests.Response) -> Iterator[bytes]:
    """The body as it comes: not ``iter_content``, which waits until a piece of its size is full."""
    while piece := reply.raw.read1(_PIECE_BYTES, decode_content=True):
        yield piece


def read(
    pieces: Iterable[bytes], deadline: float, clock: Callable[[], float] = monotonic
) -> tuple[bytes, float]:
    """The whole, and the longest pause in it in milliseconds; raises ``TimeoutError`` for a piece that
    comes after the deadline."""
    taken: list[bytes] = []
    last, longest = None, 0.0
    for piece in pieces:
        now = clock()
        if now > deadline:
            raise TimeoutError
        if last is not None:
            longest = max(longest, now - last)
        # Some keep a connection alive with blanks or comments until the model has thought.
        if last is not None or (piece.strip() and not piece.startswith(b":")):
            last = now
        taken.append(piece)
    return b"".join(taken), round(longest * 1000, 3)


def retry_after(
    headers: Any, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> float | None:
    """Seconds, as a number or a date; ``retry-after-ms`` is more exact where it is given. ``None`` where
    the headers do not say, or nothing that can be meant."""
    exact = _number(headers.get("retry-after-ms", ""))
    if exact is not None:
        return exact / 1000
    reported = headers.get("Retry-After", "")
    seconds = _number(reported)
    if seconds is not None or not reported:
        return seconds
    try:
        when = parsedate_to_datetime(reported)
    except (ValueError, OverflowError):
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - now()).total_seconds())


def _number(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if 0 <= found < math.inf else None
