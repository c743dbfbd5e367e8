"""Sends a request to two services and compares the answers."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.differential.generate import ID, Sent

_TIMES = re.compile(r'"\d{4}-\d\d-\d\dT[^"]*"')
_GENERATED = re.compile(r"\badapter-\d{19}\b")
# Go's names for the place in a document differ between versions of Go.
_GO_PLACE = re.compile(r"(cannot unmarshal \S+(?: \S+)?) into (?:Go struct field )?\S+ of type")
_UPTIME = re.compile(r'"uptime":"[^"]*"')
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# The details of Rust's and of Go's messages about JSON.
_SERDE = re.compile(r"^(Failed to [^:]*): .*", re.DOTALL)
_TRIES = 3


@dataclass(frozen=True)
class Answer:
    """Status (0: the connection was closed), media type, and the body with volatile parts masked."""

    status: int
    media_type: str
    body: str

    def as_json(self) -> list[Any]:
        return [self.status, self.media_type, self.body]


def ask(url: str, headers: Mapping[str, str], sent: Sent, name: str) -> Answer:
    """The answer of a service; ``name`` replaces ``ID``.

    A service may refuse a request before it has read the body. The operating system then sometimes drops
    the answer, so a closed connection counts only if it comes each time.
    """
    answers = (_ask_once(url, headers, sent, name) for _ in range(_TRIES))
    return next((one for one in answers if one.status), Answer(0, "", ""))


def _ask_once(url: str, headers: Mapping[str, str], sent: Sent, name: str) -> Answer:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    fields = dict(headers)
    if sent.content_type is not None:
        fields["Content-Type"] = sent.content_type
    body = (
        None if sent.body is None else sent.body.replace(ID, name).encode("utf-8", "surrogatepass")
    )
    try:
        connection.request(sent.method, sent.path.replace(ID, name), body, fields)
        reply = connection.getresponse()
        media_type = reply.getheader("content-type", "").partition(";")[0]
        return Answer(reply.status, media_type, _masked(reply.read(), name))
    except (OSError, http.client.HTTPException):
        return Answer(0, "", "")
    finally:
        connection.close()


def _masked(body: bytes, name: str) -> str:
    # Before the name, which may occur in an id that the service made.
    text = _UUID.sub("UUID", body.decode("utf-8", "replace")).replace(name, ID)
    text = _UPTIME.sub('"uptime":"TIME"', text)
    text = _GO_PLACE.sub(r"\1 into PLACE of type", _GENERATED.sub("adapter-TIME", text))
    text = _TIMES.sub('"TIME"', text)
    text = _SERDE.sub(r"\1", text)
    try:
        # Compact, with the order of members as it is.
        return json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))
    except ValueError:
        return text
