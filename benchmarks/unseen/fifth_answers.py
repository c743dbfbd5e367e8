"""The fifth batch of faults of answers and requests: logins, version skew, filters, clocks and limits.

Each is a function that makes a :data:`Pair`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from time import sleep
from typing import Any
from urllib.parse import quote

from benchmarks.unseen.front import Exchange, Forward, Reset
from benchmarks.unseen.pairs import (
    HTML,
    Make,
    Pair,
    as_it_is,
    edited,
    editing_answers,
    editing_requests,
    with_answer,
)

_EXPIRED = (
    ("Content-Type", "application/json"),
    ("WWW-Authenticate", 'Bearer error="invalid_token"'),
)
_REQUESTS_OF_A_SESSION = 3
_COLD_SECONDS = 12.0
_HELD_SECONDS = 0.1
_BEHIND = timedelta(seconds=90)
_LONGEST_LINE = 64
_LONGEST_LIST = 2
_LENGTH_OF_LOCAL_TIME = len("2026-01-31T12:00:00")
_LIKE_AN_ADDRESS = re.compile(r"\b\d+(\.\d+){1,3}\b")
_SEVERITIES = {"low": 1, "medium": 2, "high": 3, "critical": 4}
_EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"

# -- the fixtures server


def _session_expired(exchange: Exchange) -> Iterator[bytes]:
    """The credentials of a proxy expire after a few requests."""
    if exchange.number < _REQUESTS_OF_A_SESSION:
        yield exchange.answer()
        return
    yield exchange.answer(b'{"error": "token expired"}', 401, headers=_EXPIRED)


def _login_page(exchange: Exchange) -> Iterator[bytes]:
    """A proxy that sends everybody to its login page, which is a good answer."""
    if exchange.path.startswith("/login"):
        form = b"<html><form method=post>Password: <input name=password></form></html>"
        yield exchange.answer(form, 200, headers=HTML)
        return
    target = f"/login?next={quote(exchange.path, safe='')}"
    yield exchange.answer(b"", 302, headers=(*HTML, ("Location", target)))


def _html_escaped(exchange: Exchange) -> Iterator[bytes]:
    """A filter against scripts in pages, which also escapes the texts of JSON."""
    yield exchange.answer(exchange.body.replace(b"<", b"&lt;").replace(b">", b"&gt;"))


def _numeric_severity(found: dict[str, Any]) -> dict[str, Any]:
    """A newer version of the feed, with numbers where words were."""
    if "severity" in found:
        found["severity"] = _SEVERITIES.get(found["severity"], 0)
    return found


def _cold_start(exchange: Exchange) -> Iterator[bytes]:
    """The first request wakes the service up."""
    if exchange.number == 0:
        sleep(_COLD_SECONDS)
    yield exchange.answer()


FIXTURES: dict[str, Make] = {
    "session_expired": with_answer(_session_expired), "login_page": with_answer(_login_page),
    "html_escaped": with_answer(_html_escaped), "numeric_severity": editing_answers(_numeric_severity),
    "cold_start": with_answer(_cold_start),
}  # fmt: skip


# -- the runtime


def _renamed_ids(found: dict[str, Any]) -> dict[str, Any]:
    """A newer version of the runtime, with one id instead of two."""
    if "handle_id" in found:
        found["id"] = found.pop("handle_id")
        found.pop("task_id", None)
    return found


def _two_clocks() -> Pair:
    """Two nodes take turns, and the clock of one of them is behind."""
    lock = threading.Lock()
    tasks: list[str] = []

    def delayed(found: dict[str, Any]) -> dict[str, Any]:
        for name, value in found.items():
            if name.endswith("_at") and isinstance(value, str):
                moment = datetime.fromisoformat(value) - _BEHIND
                found[name] = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return found

    def corrupt(exchange: Exchange) -> Iterator[bytes]:
        if exchange.method != "GET":
            yield exchange.answer()
            return
        with lock:
            if exchange.path not in tasks:
                tasks.append(exchange.path)
            is_behind = tasks.index(exchange.path) % 2 == 1
        yield exchange.answer(edited(exchange.body, delayed) if is_behind else None)

    return corrupt, None


def _connection_limit() -> Pair:
    """One connection at a time. Others are closed without an answer."""
    place = threading.Lock()

    def corrupt(exchange: Exchange) -> Iterator[bytes]:
        if exchange.method != "GET":
            yield exchange.answer()
            return
        if not place.acquire(blocking=False):
            raise Reset
        try:
            sleep(_HELD_SECONDS)
        finally:
            place.release()
        yield exchange.answer()

    def change(sent: bytes, forward: Forward) -> Exchange:
        if not place.acquire(blocking=False):
            # The front then closes the connection.
            raise ConnectionError("too many connections")
        try:
            sleep(_HELD_SECONDS)
            return forward(sent)
        finally:
            place.release()

    return corrupt, change


def _redacted(found: dict[str, Any]) -> dict[str, Any]:
    """A filter for personal data, which takes versions for addresses."""
    if isinstance(found.get("stdout"), str):
        found["stdout"] = _LIKE_AN_ADDRESS.sub("[redacted]", found["stdout"])
    return found


def _wrapped_lines(found: dict[str, Any]) -> dict[str, Any]:
    """Output goes through a store of logs, which breaks long lines."""
    text = found.get("stdout")
    if isinstance(text, str):
        starts = range(0, len(text), _LONGEST_LINE)
        found["stdout"] = "\n".join(text[start : start + _LONGEST_LINE] for start in starts)
    return found


RUNTIME: dict[str, Make] = {
    "renamed_ids": editing_answers(_renamed_ids), "two_clocks": _two_clocks,
    "connection_limit": _connection_limit, "redacted": editing_answers(_redacted),
    "wrapped_lines": editing_answers(_wrapped_lines),
}  # fmt: skip


# -- ExecGo


def _local_times(found: dict[str, Any]) -> dict[str, Any]:
    """A newer version, whose times have no zone."""
    for name, value in found.items():
        if name.endswith("_at") and isinstance(value, str):
            found[name] = value[:_LENGTH_OF_LOCAL_TIME]
    return found


def _idempotency() -> Pair:
    """A gateway that takes each submission for a repetition of the first one, and answers it itself."""
    first: list[Exchange] = []

    def change(sent: bytes, forward: Forward) -> Exchange:
        if not first:
            first.append(forward(sent))
        return first[0]

    return as_it_is, change


def _list_limit(found: dict[str, Any]) -> dict[str, Any]:
    """A gateway that cuts long lists of tasks."""
    if isinstance(found.get("tasks"), list):
        found["tasks"] = found["tasks"][:_LONGEST_LIST]
    return found


def _lower_keys(found: dict[str, Any]) -> dict[str, Any]:
    """A gateway that changes the names of members to one spelling."""
    return {name.lower(): value for name, value in found.items()}


def _early_hints(exchange: Exchange) -> Iterator[bytes]:
    """A proxy for browsers, which sends an interim answer first."""
    yield _EARLY_HINTS + exchange.answer()


EXECGO: dict[str, Make] = {
    "local_times": editing_answers(_local_times), "idempotency": _idempotency,
    "list_limit": editing_requests(_list_limit), "lower_keys": editing_requests(_lower_keys),
    "early_hints": with_answer(_early_hints),
}  # fmt: skip
