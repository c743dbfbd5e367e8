"""Readable ids for parametrised tests whose values are documents, responses or collections."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_execgo.emulators.httpd import Response
from pytest_execgo.models.chaos import ChaosProfile
from pytest_execgo.models.events import CheckEvaluated, Event

LONGEST = 60
_UNREADABLE = (Event, ChaosProfile, Response, Exception, Mapping, list, tuple)


def readable(value: object) -> str | None:
    """The id of one value: for ``ids=`` of ``pytest.mark.parametrize``.

    ``None`` where the id that pytest makes is readable: texts, numbers, functions.
    """
    if isinstance(value, _UNREADABLE):
        return _short(value)[:LONGEST]
    return None


def _short(value: object) -> str:
    match value:
        case CheckEvaluated():
            return "check_ok" if value.ok else "check_failed"
        case Event():
            service = getattr(value, "service", None)
            return f"{getattr(value, 'event_type', 'event')}{f'({service})' if service else ''}"
        case ChaosProfile():
            return value.expectation
        case Exception():
            return f"{type(value).__name__}: {value}"
        case Response():
            return f"{value.status} {value.body.decode(errors='replace')}"
        case Mapping():
            return ",".join(f"{key}={_short(member)}" for key, member in value.items()) or "empty"
        case tuple():
            return "/".join(_short(member) for member in value) or "none"
        case list():
            return "+".join(_short(member) for member in value) or "none"
    return str(value)
