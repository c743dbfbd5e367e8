"""A real model, asked over HTTP."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from time import monotonic
from typing import Any

import requests
import urllib3

from pytest_execgo.adapter.answer import Answer, in_one_line, parsed
from pytest_execgo.transport.client import session_for

_PIECE_BYTES = 65536
# Where no key is needed, people set "none", "test" or "ollama": words that occur in answers. A shorter
# key without a digit is treated as such a word, not as a secret.
_SHORTEST_SECRET = 12


class Endpoint:
    """An OpenAI-compatible endpoint. ``base_url`` as OpenAI's SDK takes it, usually ending in ``/v1``;
    ``seconds`` is the longest wait for one answer."""

    retryable = True

    def __init__(self, base_url: str, key: str | None, seconds: float) -> None:
        self._base_url, self._seconds, self._key = base_url.rstrip("/"), seconds, key
        self._session = session_for(base_url)
        if key:
            self._session.headers["Authorization"] = f"Bearer {key}"

    def answer(self, number: int, path: str, asked: Any, seconds: float) -> Answer:
        """Ask once. The time limit is the smaller of both; it applies to the whole answer, and to each
        pause in it."""
        limit = min(self._seconds, seconds)
        url = f"{self._base_url}{path}"
        deadline = monotonic() + limit
        try:
            # A redirect would turn the POST into a GET. Its target is reported to the user instead.
            with self._session.post(
                url, json=asked, timeout=limit, stream=True, allow_redirects=False
            ) as reply:
                body, stalled_ms = read(_pieces(reply), deadline)
        except (requests.Timeout, urllib3.exceptions.ReadTimeoutError, TimeoutError):
            return Answer(0, "", f"no answer within {limit:.3g} s", late=True)
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
        """Close the connections."""
        self._session.close()

    def _without_key(self, text: str, *, quoted: bool = False) -> str:
        """``text`` without the key, which endpoints echo in errors. Text ``quoted`` from the model does
        not change if the key is a word rather than a secret."""
        key = self._key
        if not key or (quoted and len(key) < _SHORTEST_SECRET and not any(map(str.isdigit, key))):
            return text
        text = text.replace(key, "[key]")
        found = parsed(text)
        # JSON can escape a string in several ways.
        clean = _replaced(found, key)
        return text if clean == found else json.dumps(clean)


def _replaced(value: Any, key: str) -> Any:
    """A JSON value without the key in any of its strings."""
    if isinstance(value, str):
        return value.replace(key, "[key]")
    if isinstance(value, list):
        return [_replaced(one, key) for one in value]
    if isinstance(value, dict):
        return {_replaced(name, key): _replaced(one, key) for name, one in value.items()}
    return value


def _pieces(reply: requests.Response) -> Iterator[bytes]:
    """Pieces of the body as they arrive. ``iter_content`` would wait until a piece is full."""
    while piece := reply.raw.read1(_PIECE_BYTES, decode_content=True):
        yield piece


def read(
    pieces: Iterable[bytes], deadline: float, clock: Callable[[], float] = monotonic
) -> tuple[bytes, float]:
    """The whole body, and the longest pause in it in milliseconds; raises ``TimeoutError`` for a piece
    that arrives after ``deadline`` (seconds of ``clock``)."""
    taken: list[bytes] = []
    last, longest = None, 0.0
    for piece in pieces:
        now = clock()
        if now > deadline:
            raise TimeoutError
        if last is not None:
            longest = max(longest, now - last)
        # Some endpoints send blanks or comments to keep the connection open while the model thinks.
        if last is not None or (piece.strip() and not piece.startswith(b":")):
            last = now
        taken.append(piece)
    return b"".join(taken), round(longest * 1000, 3)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The wait in seconds that the headers ask for; ``None`` if they ask for none or make no sense.

    ``retry-after-ms`` is more precise and has priority. ``Retry-After`` is a number of seconds or a
    date (RFC 9110, 10.2.3); a date in the past means no wait.
    """
    exact = _number(headers.get("retry-after-ms", ""))
    if exact is not None:
        return exact / 1000
    value = headers.get("Retry-After", "")
    seconds = _number(value)
    if seconds is not None:
        # Endpoints send fractions too, which urllib3 does not accept.
        return seconds
    try:
        return float(urllib3.Retry().parse_retry_after(value))
    except (urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
        return None


def _number(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if 0 <= found < math.inf else None
