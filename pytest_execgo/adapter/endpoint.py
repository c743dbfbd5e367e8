"""A real model, asked over HTTP."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import requests
import urllib3

from pytest_execgo.adapter.answer import Answer, in_one_line
from pytest_execgo.adapter.key_filter import KeyFilter
from pytest_execgo.transport.model_client import ModelClient, ModelReply, PathRefused


class Endpoint:
    """An OpenAI-compatible endpoint. ``base_url`` as OpenAI's SDK takes it, usually ending in ``/v1``;
    ``seconds`` is the longest wait for one answer. Answers are without the ``key``, which some endpoints
    echo, and without the key in ``hide``."""

    retryable = True

    def __init__(
        self, base_url: str, key: str | None, seconds: float, hide: KeyFilter | None = None
    ) -> None:
        self._seconds = seconds
        self._client = ModelClient(base_url, key)
        self._hide = hide or KeyFilter(key)

    def answer(self, number: int, path: str, asked: Any, seconds: float) -> Answer:
        """Ask once. The time limit is the smaller of both; it applies to the whole answer, and to each
        pause in it."""
        limit = min(self._seconds, seconds)
        try:
            return self._read(self._client.post(path, limit, json=asked))
        except (requests.Timeout, urllib3.exceptions.ReadTimeoutError, TimeoutError):
            return Answer(0, "", f"no answer within {limit:.3g} s", late=True)
        except (requests.exceptions.SSLError, PathRefused) as error:
            return Answer(0, "", self._reason(error), permanent=True)
        except Exception as error:
            # Not only the errors of requests: what an endpoint sends can break the parsers below it.
            return Answer(0, "", self._reason(error))

    def close(self) -> None:
        """End requests that are on their way, and close the connections."""
        self._client.close()

    def _read(self, reply: ModelReply) -> Answer:
        text = "" if reply.too_large else reply.body.decode("utf-8", "replace")
        if 300 <= reply.status < 400:
            text = reply.headers.get("Location", "")
        return Answer(
            reply.status,
            in_one_line(self._hide.text(reply.headers.get("Content-Type", ""))),
            self._hide.text(text, quoted=reply.status == 200),
            retry_after(reply.headers),
            stalled_ms=reply.stalled_ms,
            too_large=reply.too_large,
        )

    def _reason(self, error: Exception) -> str:
        # The key goes first: in a text that is cut short, half of it would stay.
        return in_one_line(self._hide.text(f"{type(error).__name__}: {error}"))


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
