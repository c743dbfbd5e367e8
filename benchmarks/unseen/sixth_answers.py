"""The sixth batch of faults of answers and requests: versions, stores of logs, quotas, links.

Each is a function that makes a :data:`Pair`. Links are below HTTP: each is a
:data:`MakeLink`, which carries the bytes of one connection after the other.
"""

from __future__ import annotations

import base64
import json
import selectors
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from time import monotonic, sleep
from typing import Any

from benchmarks.unseen.front import Exchange, Forward, Link, Reset
from benchmarks.unseen.pairs import (
    Make,
    Pair,
    as_it_is,
    decoded,
    edited,
    editing_answers,
    editing_requests,
    refusal,
    with_request,
)

_FINAL = ("success", "failed", "cancelled", "skipped")
_LONGEST_STDOUT = 60
_LONGEST_VALUE = 100
_FULL_FOR = 3
_GOOD_REQUESTS = 2
_STEP = timedelta(seconds=40)
_SECONDS_TO_STEP = 0.8
_SEGMENT = 1400
_BYTES_TO_STALL = 150
_BYTES_OF_REQUEST = 300
_LATE_PACKET_SECONDS = 12.0
_IDLE_SECONDS = 60.0
_READ = 65536


def _of_stdout(edit: Callable[[str], str]) -> Make:
    def changed(found: dict[str, Any]) -> dict[str, Any]:
        if isinstance(found.get("stdout"), str) and found["stdout"]:
            found["stdout"] = edit(found["stdout"])
        return found

    return editing_answers(changed)


# -- the fixtures server


def _shifted() -> Pair:
    """A proxy that lost count of the answers on a connection: each is late by one."""
    before: list[Exchange] = []

    def corrupt(exchange: Exchange) -> Iterator[bytes]:
        before.append(exchange)
        yield before[-2 if len(before) > 1 else -1].answer()

    return corrupt, None


def _error_as_200() -> Pair:
    """An API gateway that reports its errors with status 200, once its quota is used up."""

    def corrupt(exchange: Exchange) -> Iterator[bytes]:
        if exchange.number < _GOOD_REQUESTS:
            yield exchange.answer()
            return
        text = b'{"success": false, "error": {"code": 4290, "message": "quota exceeded"}}'
        yield exchange.answer(text, 200)

    return corrupt, None


def _spaced_ranges(found: dict[str, Any]) -> dict[str, Any]:
    """A newer version of the feed, which writes ranges as npm does."""
    if isinstance(found.get("affected"), str):
        found["affected"] = found["affected"].replace(",", " ")
    return found


def _envelope() -> Pair:
    """A gateway that puts each answer into an envelope."""

    def corrupt(exchange: Exchange) -> Iterator[bytes]:
        body = b'{"data": ' + exchange.body + b', "meta": {"took": 3}}'
        yield exchange.answer(body)

    return corrupt, None


FIXTURES: dict[str, Make] = {
    "shifted": _shifted, "error_as_200": _error_as_200, "spaced_ranges": editing_answers(_spaced_ranges),
    "envelope": _envelope,
}  # fmt: skip


# -- the runtime


def _upper_status(found: dict[str, Any]) -> dict[str, Any]:
    """A newer version, which writes its statuses in capitals."""
    if isinstance(found.get("status"), str):
        found["status"] = found["status"].upper()
    return found


def _stdout_capped(found: dict[str, Any]) -> dict[str, Any]:
    """A store of outputs with a small limit of its own, which it admits to."""
    if isinstance(found.get("stdout"), str) and len(found["stdout"]) > _LONGEST_STDOUT:
        found["stdout"] = found["stdout"][:_LONGEST_STDOUT]
        found["stdout_truncated"] = True
    return found


def _queue_full() -> Pair:
    """The queue of the runtime is full of the tasks of others, for a while."""
    posts = [0]
    error = '{"error": {"code": "resource_limit_exceeded", "message": "queue is full"}}'

    def change(sent: bytes, forward: Forward) -> Exchange:
        posts[0] += 1
        return refusal(429, error) if posts[0] <= _FULL_FOR else forward(sent)

    return as_it_is, change


def _no_capacity(sent: bytes, forward: Forward) -> Exchange:
    """A runtime whose operator reserved all of it for others."""
    message = (
        "insufficient resources: task requires 1 task slots but runtime capacity is 0 task slots"
    )
    return refusal(
        400, json.dumps({"error": {"code": "insufficient_resources", "message": message}})
    )


def _numbers_as_texts(found: dict[str, Any]) -> dict[str, Any]:
    """A gateway that turns JSON into a form and back."""
    return {
        name: str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        for name, value in found.items()
    }


def _of_env(edit: Callable[[str], str]) -> Make:
    def changed(found: dict[str, Any]) -> dict[str, Any]:
        if isinstance(found.get("env"), dict):
            found["env"] = {name: edit(value) for name, value in found["env"].items()}
        return found

    return editing_requests(changed)


def _acknowledgement_lost() -> Pair:
    """The runtime gets each submission, but its first answers to submissions are lost."""
    posts = [0]

    def change(sent: bytes, forward: Forward) -> Exchange:
        answer = forward(sent)
        posts[0] += 1
        if posts[0] <= _FULL_FOR:
            # The front then closes the connection.
            raise ConnectionError("the answer was lost")
        return answer

    return as_it_is, change


RUNTIME: dict[str, Make] = {
    "upper_status": editing_answers(_upper_status), "stdout_capped": editing_answers(_stdout_capped),
    "stdout_base64": _of_stdout(lambda text: base64.b64encode(text.encode()).decode()),
    "prefixed_lines": _of_stdout(
        lambda text: "".join(f"[worker-3] {line}\n" for line in text.splitlines())
    ),
    "queue_full": _queue_full, "no_capacity": with_request(_no_capacity),
    "numbers_as_texts": editing_requests(_numbers_as_texts),
    "quotes_sanitised": _of_env(lambda text: text.replace('"', "'")),
    "env_cut": _of_env(lambda text: text[:_LONGEST_VALUE]),
    "acknowledgement_lost": _acknowledgement_lost,
}  # fmt: skip
PREFIXED_LINES = RUNTIME["prefixed_lines"]
QUEUE_FULL = RUNTIME["queue_full"]


# -- ExecGo


def _double_encoded() -> Pair:
    """A gateway that encodes JSON as JSON again."""

    def corrupt(exchange: Exchange) -> Iterator[bytes]:
        yield exchange.answer(json.dumps(exchange.body.decode("utf-8", "replace")).encode())

    return corrupt, None


def _kept_for_ever() -> Pair:
    """A cache that keeps the first answer for each path."""
    lock = threading.Lock()
    kept: dict[str, Exchange] = {}

    def corrupt(exchange: Exchange) -> Iterator[bytes]:
        if exchange.method == "GET":
            with lock:
                exchange = kept.setdefault(exchange.path, exchange)
        yield exchange.answer()

    return corrupt, None


def _retention(exchange: Exchange) -> Iterator[bytes]:
    """A cleaner removes the records of tasks as soon as they have ended."""
    task = decoded(exchange.body)
    if exchange.method == "GET" and isinstance(task, dict) and task.get("status") in _FINAL:
        error = f"task not found: {exchange.path.rpartition('/')[2]}"
        yield exchange.answer(json.dumps({"error": error}).encode(), 404)
        return
    if exchange.method == "GET" and isinstance(task, list):
        left = [one for one in task if one.get("status") not in _FINAL]
        yield exchange.answer(json.dumps(left).encode())
        return
    yield exchange.answer()


def _not_modified() -> Pair:
    """A cache that answers 304 to clients that did not ask for it, from the second read on."""
    lock = threading.Lock()
    asked: Counter[str] = Counter()

    def corrupt(exchange: Exchange) -> Iterator[bytes]:
        with lock:
            asked[exchange.path] += exchange.method == "GET"
            again = asked[exchange.path] > 1
        if again:
            yield exchange.answer(b"", 304, headers=(("ETag", '"17"'),))
            return
        yield exchange.answer()

    return corrupt, None


def _sorted_lists(found: dict[str, Any]) -> dict[str, Any]:
    """A gateway that brings JSON into an order that shall be the same each time, lists too."""
    return {
        name: sorted(value)
        if isinstance(value, list) and all(isinstance(one, str) for one in value)
        else value
        for name, value in found.items()
    }


def _clock_stepped() -> Pair:
    """The clock of the machine of ExecGo is set back while tasks run."""
    began = monotonic()
    stepped: list[datetime] = []

    def earlier(found: dict[str, Any]) -> dict[str, Any]:
        for name, value in found.items():
            if name.endswith("_at") and isinstance(value, str):
                moment = datetime.fromisoformat(value)
                if stepped and moment >= stepped[0]:
                    found[name] = (moment - _STEP).isoformat()
        return found

    def corrupt(exchange: Exchange) -> Iterator[bytes]:
        if not stepped and monotonic() - began > _SECONDS_TO_STEP:
            stepped.append(datetime.now().astimezone())
        yield exchange.answer(edited(exchange.body, earlier))

    return corrupt, None


EXECGO: dict[str, Make] = {
    "double_encoded": _double_encoded, "kept_for_ever": _kept_for_ever,
    "retention": lambda: (_retention, None), "not_modified": _not_modified,
    "sorted_lists": editing_requests(_sorted_lists), "clock_stepped": _clock_stepped,
}  # fmt: skip
ERROR_AS_200 = FIXTURES["error_as_200"]
NOT_MODIFIED = EXECGO["not_modified"]


# -- links

Carry = Callable[[bytes], bytes]
"""What becomes of some bytes on their way."""
MakeLink = Callable[[], Link]


def _carried(
    client: socket.socket, address: tuple[str, int], upwards: Carry, downwards: Carry
) -> None:
    """Carry bytes both ways until one side ends, or nothing comes for long."""
    with socket.create_connection(address) as server, selectors.DefaultSelector() as selector:
        selector.register(client, selectors.EVENT_READ, (client, server, upwards))
        selector.register(server, selectors.EVENT_READ, (server, client, downwards))
        while ready := selector.select(_IDLE_SECONDS):
            for key, _ in ready:
                source, target, carry = key.data
                data = source.recv(_READ)
                if not data:
                    return
                target.sendall(carry(data))


def _same(data: bytes) -> bytes:
    return data


def _idle_drop() -> Link:
    """A router that forgets idle connections: only the first exchange of each goes well."""

    def link(number: int, client: socket.socket, address: tuple[str, int]) -> None:
        answered: list[bytes] = []

        def upwards(data: bytes) -> bytes:
            if answered:
                raise Reset
            return data

        def downwards(data: bytes) -> bytes:
            answered.append(data)
            return data

        _carried(client, address, upwards, downwards)

    return link


def _request_reset() -> Link:
    """The connection is reset in the middle of any long request."""

    def link(number: int, client: socket.socket, address: tuple[str, int]) -> None:
        total = [0]

        def upwards(data: bytes) -> bytes:
            total[0] += len(data)
            if total[0] > _BYTES_OF_REQUEST:
                raise Reset
            return data

        _carried(client, address, upwards, _same)

    return link


def _black_hole() -> Link:
    """A tunnel loses packets of full size, and does not report it."""

    def link(number: int, client: socket.socket, address: tuple[str, int]) -> None:
        def lossy() -> Carry:
            lost: list[bytes] = []

            def carry(data: bytes) -> bytes:
                if len(data) > _SEGMENT or lost:
                    lost.append(data)
                    return b""
                return data

            return carry

        _held(client, address, lossy(), lossy())

    return link


def _stalls() -> Link:
    """Answers stop after some bytes, and the connection stays open."""

    def link(number: int, client: socket.socket, address: tuple[str, int]) -> None:
        total = [0]

        def downwards(data: bytes) -> bytes:
            left = max(0, _BYTES_TO_STALL - total[0])
            total[0] += len(data)
            return data[:left]

        _held(client, address, _same, downwards)

    return link


def _held(
    client: socket.socket, address: tuple[str, int], upwards: Carry, downwards: Carry
) -> None:
    """As :func:`_carried`, but that the server ends the connection is not passed on."""
    _carried(client, address, upwards, downwards)
    deadline = monotonic() + _IDLE_SECONDS
    client.settimeout(_IDLE_SECONDS)
    while monotonic() < deadline and client.recv(_READ):
        pass


def _late_packet() -> Link:
    """One packet of the third page comes very late; all others are in time."""
    lock = threading.Lock()
    pages: list[int] = []

    def link(number: int, client: socket.socket, address: tuple[str, int]) -> None:
        late: list[bool] = []

        def upwards(data: bytes) -> bytes:
            if b"/advisories/" in data.partition(b"\r\n")[0]:
                with lock:
                    pages.append(number)
                    late.append(len(pages) == 3)
            return data

        def downwards(data: bytes) -> bytes:
            if late and late.pop():
                half = len(data) // 2
                client.sendall(data[:half])
                sleep(_LATE_PACKET_SECONDS)
                return data[half:]
            return data

        _carried(client, address, upwards, downwards)

    return link


def _half_closed() -> Link:
    """The way back is closed as soon as the request has gone through; the way there stays open."""

    def link(number: int, client: socket.socket, address: tuple[str, int]) -> None:
        asked: list[bytes] = []

        def upwards(data: bytes) -> bytes:
            if not asked:
                client.shutdown(socket.SHUT_WR)
            asked.append(data)
            return data

        _carried(client, address, upwards, lambda data: data[:0])

    return link


LINKS: dict[str, tuple[MakeLink, tuple[str, ...]]] = {
    "idle_drop": (_idle_drop, ("runtime", "execgo")),
    "request_reset": (_request_reset, ("runtime", "execgo")),
    "black_hole": (_black_hole, ("runtime", "execgo")),
    "stalls": (_stalls, ("fixtures", "execgo")),
    "late_packet": (_late_packet, ("fixtures",)),
    "half_closed": (_half_closed, ("fixtures", "runtime")),
}
"""With the services that each is before."""
IDLE_DROP = _idle_drop
