"""Changing what a model said, wherever it stands: in an answer of ``/chat/completions`` (text or the
arguments of a tool, whole or as a stream) or of ``/responses`` (whole)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

_EVENT = "data:"
Change = Callable[[str], str | None]


@dataclass(frozen=True)
class _Place:
    """Where a piece of the text stands: ``holder[key]``."""

    holder: dict[str, Any]
    key: str


def with_text(body: bytes, change: Change, *, cut_off: bool = False) -> bytes | None:
    """The body with its text changed, and the reason for its end, if it is to be ``cut_off``. ``None``
    where there is no text in a form that is known, or ``change`` gives none."""
    text = body.decode("utf-8", "replace")
    try:
        if not text.lstrip().startswith("{"):
            return _with_streamed_text(text, change, cut_off)
        document = json.loads(text)
        return json.dumps(document).encode() if _changed([document], change, cut_off) else None
    except (ValueError, TypeError, AttributeError, RecursionError):
        # Something else than an answer: whatever it is, it is no text of a model.
        return None


def _with_streamed_text(text: str, change: Change, cut_off: bool) -> bytes | None:
    lines: list[Any] = text.split("\n")
    for index, line in enumerate(lines):
        if line.startswith(_EVENT) and line.removeprefix(_EVENT).strip().startswith("{"):
            lines[index] = json.loads(line.removeprefix(_EVENT))
    if not _changed([line for line in lines if isinstance(line, dict)], change, cut_off):
        return None
    told = (f"{_EVENT} {json.dumps(x)}" if isinstance(x, dict) else x for x in lines)
    return "\n".join(told).encode()


def _changed(documents: list[dict[str, Any]], change: Change, cut_off: bool) -> bool:
    """Change the text of an answer, which may come in several documents, in place; whether it could."""
    places = [place for document in documents for place in _places(document)]
    tools = [place for place in places if place.key == "arguments"]
    places = tools or places
    reported = "".join(place.holder[place.key] for place in places)
    new = change(reported) if reported else None
    if new is None:
        return False
    for place in places:
        place.holder[place.key] = ""
    places[0].holder[places[0].key] = new
    if cut_off:
        for document in documents:
            _end_early(document)
    return True


def _places(document: dict[str, Any]) -> Iterator[_Place]:
    """Where the answer stands: what the first tool is called with, or the text."""
    for choice in (document.get("choices") or [])[:1]:
        reported = choice.get("message") or choice.get("delta") or {}
        calls = reported.get("tool_calls") or []
        yield from _place(calls[0].get("function") or {}, "arguments") if calls else ()
        yield from _place(reported, "content")
    output = document.get("output") or []
    for item in [item for item in output if item.get("type") == "function_call"][:1]:
        yield from _place(item, "arguments")
    for item in [item for item in output if item.get("type") == "message"][:1]:
        for part in item.get("content") or []:
            yield from _place(part, "text")


def _place(holder: dict[str, Any], key: str) -> Iterator[_Place]:
    if isinstance(holder.get(key), str):
        yield _Place(holder, key)


def _end_early(document: dict[str, Any]) -> None:
    """As an endpoint says that an answer had become too long."""
    for choice in document.get("choices") or []:
        if choice.get("finish_reason"):
            choice["finish_reason"] = "length"
    if "output" in document:
        document["status"] = "incomplete"
        document["incomplete_details"] = {"reason": "max_output_tokens"}
