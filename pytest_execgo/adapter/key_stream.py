"""Removes a key from a stream of events (Server-Sent Events) in which it is in pieces."""

from __future__ import annotations

import json
import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from pytest_execgo.adapter.answer import parsed
from pytest_execgo.adapter.key_spellings import KeySpellings

_MARK = "[key]"
_FIELD = "data:"
# Not splitlines(): U+2028 and others are part of a line here.
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_BYTE_ORDER_MARK = "\ufeff"


@dataclass
class _Event:
    """The JSON value of one event, and the numbers of its lines in the stream."""

    lines: list[int]
    body: Any


@dataclass
class _Piece:
    """A string in an event, and where it is: ``holder[name]``."""

    event: _Event
    holder: Any
    name: Any


def joined_without(spellings: KeySpellings, text: str) -> str:
    """``text`` without a key whose parts are in strings of several events, if it is a stream of events.
    Frameworks join the strings that have the same place in their events."""
    if _FIELD not in text:
        return text
    mark = _BYTE_ORDER_MARK if text.startswith(_BYTE_ORDER_MARK) else ""
    lines = _LINE.findall(text[len(mark) :])
    places: dict[tuple[Any, ...], list[_Piece]] = defaultdict(list)
    for event in _events(lines):
        for place, holder, name in _strings(event.body):
            places[place].append(_Piece(event, holder, name))
    changed: dict[int, _Event] = {}
    for pieces in places.values():
        changed |= {event.lines[0]: event for event in _cleaned(pieces, spellings)}
    for first, event in changed.items():
        lines[first] = f"{_FIELD} {json.dumps(event.body)}{_end(lines[first])}"
        for number in event.lines[1:]:
            lines[number] = ""
    return mark + "".join(lines)


def _events(lines: list[str]) -> Iterator[_Event]:
    """The events whose data is JSON. An empty line ends an event."""
    own: list[int] = []
    for number, line in enumerate([*lines, ""]):
        if line.startswith(_FIELD):
            own.append(number)
        elif not line.rstrip("\r\n"):
            yield from _decoded(lines, own)
            own = []


def _decoded(lines: list[str], own: list[int]) -> Iterator[_Event]:
    """One event with all lines ``own``, as the standard says, or one for each line, as some endpoints
    and clients do."""
    data = "".join(lines[number].removeprefix(_FIELD) for number in own)
    if (body := parsed(data)) is not None:
        yield _Event(own, body)
    elif len(own) > 1:
        for number in own:
            yield from _decoded(lines, [number])


def _end(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]


def _strings(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any, Any]]:
    """The place, the holder and the name of each string in a JSON value."""
    items: Any = value.items() if isinstance(value, dict) else ()
    for name, one in enumerate(value) if isinstance(value, list) else items:
        if isinstance(one, str):
            yield (*place, name), value, name
        else:
            yield from _strings(one, (*place, name))


def _cleaned(pieces: list[_Piece], spellings: KeySpellings) -> list[_Event]:
    """Replace the key in the joined text of ``pieces``; returns the events that changed."""
    texts = [piece.holder[piece.name] for piece in pieces]
    changed = []
    ends = list(accumulate(map(len, texts)))
    for begin, end in reversed(spellings.spans("".join(texts))):
        for index in range(bisect_right(ends, begin), bisect_left(ends, end) + 1):
            piece, start = pieces[index], ends[index] - len(texts[index])
            own = piece.holder[piece.name]
            mark = _MARK if begin >= start else ""
            piece.holder[piece.name] = (
                own[: max(0, begin - start)] + mark + own[max(0, end - start) :]
            )
            changed.append(piece.event)
    return changed
