"""Changing the text of a model's answer: in a reply of ``/chat/completions`` (content or arguments
of a tool, whole or streamed) or of ``/responses`` (whole)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

_EVENT = "data:"
TextChange = Callable[[str], str | None]


@dataclass(frozen=True)
class _Place:
    """Where a piece of the text is: ``holder[key]``."""

    holder: dict[str, Any]
    key: str


def with_text(body: bytes, change: TextChange, *, cut_off: bool = False) -> bytes | None:
    """The body with its text changed; with ``cut_off`` also the reason why the answer ended.
    ``None`` if the body has no text in a known format, or ``change`` returns ``None``."""
    text = body.decode("utf-8", "replace")
    try:
        if not text.lstrip().startswith("{"):
            return _with_streamed_text(text, change, cut_off)
        document = json.loads(text)
        return json.dumps(document).encode() if _changed([document], change, cut_off) else None
    except (ValueError, TypeError, AttributeError, RecursionError):
        # Not an answer of a model: there is no text to change.
        return None


def _with_streamed_text(text: str, change: TextChange, cut_off: bool) -> bytes | None:
    lines: list[Any] = text.split("\n")
    for index, line in enumerate(lines):
        if line.startswith(_EVENT) and line.removeprefix(_EVENT).strip().startswith("{"):
            lines[index] = json.loads(line.removeprefix(_EVENT))
    if not _changed([line for line in lines if isinstance(line, dict)], change, cut_off):
        return None
    lines_out = (f"{_EVENT} {json.dumps(x)}" if isinstance(x, dict) else x for x in lines)
    return "\n".join(lines_out).encode()


def _changed(documents: list[dict[str, Any]], change: TextChange, cut_off: bool) -> bool:
    """Change the text of an answer, which may be spread over several documents, in place; whether
    it was changed."""
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
    """Where the answer is: the arguments of the first tool call, or the text."""
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
    """Report, as endpoints do, that the answer became too long."""
    for choice in document.get("choices") or []:
        if choice.get("finish_reason"):
            choice["finish_reason"] = "length"
    if "output" in document:
        document["status"] = "incomplete"
        document["incomplete_details"] = {"reason": "max_output_tokens"}
