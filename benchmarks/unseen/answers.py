"""Ways to corrupt the answers of a service. Each is a :data:`Corrupt`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from time import sleep
from typing import Any

from benchmarks.unseen.front import Ask, Corrupt, Exchange, Forward, Reset, wait

_DRIP_SECONDS = 0.05
_LATE_SECONDS = 2.0
_BYTES_PER_SECOND = 500
_LONG_HEADER = 200_000


def _closed(exchange: Exchange) -> Iterator[bytes]:
    yield b""


def _reset(exchange: Exchange) -> Iterator[bytes]:
    yield exchange.answer()[:20]
    raise Reset


def _half_open(exchange: Exchange) -> Iterator[bytes]:
    yield b""
    wait()


def _slow_body(exchange: Exchange) -> Iterator[bytes]:
    whole = exchange.answer()
    head = len(whole) - len(exchange.body)
    yield whole[:head]
    for position in range(head, len(whole)):
        sleep(_DRIP_SECONDS)
        yield whole[position : position + 1]


def _cut_body(exchange: Exchange) -> Iterator[bytes]:
    yield exchange.answer(exchange.body[: len(exchange.body) // 2], length=len(exchange.body))


def _cut_right_length(exchange: Exchange) -> Iterator[bytes]:
    yield exchange.answer(exchange.body[: len(exchange.body) // 2])


def _duplicated(exchange: Exchange) -> Iterator[bytes]:
    third = len(exchange.body) // 3
    again = exchange.body[third : 2 * third]
    yield exchange.answer(exchange.body[: 2 * third] + again + exchange.body[2 * third :])


def _every_second(exchange: Exchange) -> Iterator[bytes]:
    if exchange.number % 2 == 0:
        yield b""
        raise Reset
    yield exchange.answer()


def _html(exchange: Exchange) -> Iterator[bytes]:
    headers = (("Content-Type", "text/html"),)
    yield exchange.answer(b"<html><h1>It works!</h1></html>", 200, headers=headers)


def _forbidden(exchange: Exchange) -> Iterator[bytes]:
    headers = (("Content-Type", "text/html"),)
    yield exchange.answer(b"<html>blocked by policy</html>", 403, headers=headers)


def _gateway(exchange: Exchange) -> Iterator[bytes]:
    yield exchange.answer(b"Bad Gateway", 502, headers=(("Content-Type", "text/plain"),))


def _bad_request(exchange: Exchange) -> Iterator[bytes]:
    yield exchange.answer(b'{"error": "no"}', 400)


def _empty(exchange: Exchange) -> Iterator[bytes]:
    yield exchange.answer(b"")


def _flipped(exchange: Exchange) -> Iterator[bytes]:
    """One character of a number or word in the body changes; it stays JSON."""
    text = exchange.body.decode("utf-8", "replace")
    yield exchange.answer(text.replace("1", "7").encode())


def _failed(exchange: Exchange) -> Iterator[bytes]:
    text = exchange.body.decode("utf-8", "replace")
    yield exchange.answer(text.replace('"success"', '"failed"').encode())


FIRST: dict[str, Corrupt] = {
    "closed": _closed, "reset": _reset, "half_open": _half_open, "slow_body": _slow_body,
    "cut_body": _cut_body, "cut_right_length": _cut_right_length, "duplicated": _duplicated,
    "every_second": _every_second, "html": _html, "forbidden": _forbidden, "gateway": _gateway,
    "bad_request": _bad_request, "empty": _empty, "flipped": _flipped, "says_failed": _failed,
}  # fmt: skip


def _redirect(exchange: Exchange) -> Iterator[bytes]:
    yield exchange.answer(b"", 302, headers=(("Location", exchange.path),))


def _too_many(exchange: Exchange) -> Iterator[bytes]:
    yield exchange.answer(b"slow down", 429, headers=(("Content-Type", "text/plain"),))


def _bad_chunks(exchange: Exchange) -> Iterator[bytes]:
    head = f"HTTP/1.1 {exchange.status} X\r\nTransfer-Encoding: chunked\r\n\r\n"
    yield head.encode() + b"zz\r\n" + exchange.body + b"\r\n0\r\n\r\n"


def _not_gzip(exchange: Exchange) -> Iterator[bytes]:
    yield exchange.answer(headers=(*exchange.headers, ("Content-Encoding", "gzip")))


def _late(exchange: Exchange) -> Iterator[bytes]:
    sleep(_LATE_SECONDS)
    yield exchange.answer()


def _half_a_head(exchange: Exchange) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Ty"


def _null(exchange: Exchange) -> Iterator[bytes]:
    yield exchange.answer(b"null")


def _empty_object(exchange: Exchange) -> Iterator[bytes]:
    yield exchange.answer(b"{}")


def _third_time(exchange: Exchange) -> Iterator[bytes]:
    yield exchange.answer() if exchange.number % 3 else b""


SECOND: dict[str, Corrupt] = {
    "redirect": _redirect, "too_many": _too_many, "bad_chunks": _bad_chunks, "not_gzip": _not_gzip,
    "late": _late, "half_a_head": _half_a_head, "null": _null, "empty_object": _empty_object,
    "third_time": _third_time,
}  # fmt: skip


def _byte_order_mark(exchange: Exchange) -> Iterator[bytes]:
    yield exchange.answer(b"\xff\xfe" + exchange.body)


def _trailing(exchange: Exchange) -> Iterator[bytes]:
    yield exchange.answer(exchange.body + b"\x00\x00garbage")


def _not_utf8(exchange: Exchange) -> Iterator[bytes]:
    yield exchange.answer(exchange.body.replace(b"e", b"\xff", 1))


def _no_content(exchange: Exchange) -> Iterator[bytes]:
    yield exchange.answer(b"", 204)


def _long_head(exchange: Exchange) -> Iterator[bytes]:
    yield exchange.answer(headers=(*exchange.headers, ("X-Filler", "x" * _LONG_HEADER)))


def _bandwidth(exchange: Exchange) -> Iterator[bytes]:
    whole = exchange.answer()
    step = _BYTES_PER_SECOND // 10
    for position in range(0, len(whole), step):
        sleep(0.1)
        yield whole[position : position + step]


def _old_protocol(exchange: Exchange) -> Iterator[bytes]:
    """As a server that speaks another protocol."""
    yield b"SSH-2.0-OpenSSH_9.6\r\n"


def _edited(exchange: Exchange, edit: Callable[[dict[str, Any]], None]) -> Iterator[bytes]:
    """The answer with every JSON object in it changed by ``edit``; as it is, if it is not JSON."""
    try:
        whole = json.loads(exchange.body)
    except ValueError:
        yield exchange.answer()
        return
    _each_object(whole, edit)
    yield exchange.answer(json.dumps(whole).encode())


def _each_object(value: Any, edit: Callable[[dict[str, Any]], None]) -> None:
    if isinstance(value, dict):
        edit(value)
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, (dict, list)):
            _each_object(inner, edit)


def _set(name: str, value: Any) -> Corrupt:
    def edit(found: dict[str, Any]) -> None:
        if name in found:
            found[name] = value

    return lambda exchange: _edited(exchange, edit)


def _without(name: str) -> Corrupt:
    return lambda exchange: _edited(exchange, lambda found: found.pop(name, None) and None)


THIRD: dict[str, Corrupt] = {
    "utf16_mark": _byte_order_mark, "trailing": _trailing, "not_utf8": _not_utf8,
    "no_content": _no_content, "long_head": _long_head, "bandwidth": _bandwidth,
    "other_protocol": _old_protocol,
}  # fmt: skip
OF_TASKS: dict[str, Corrupt] = {
    "no_stdout": _set("stdout", ""), "exit_3": _set("exit_code", 3),
    "no_status": _without("status"), "always_running": _set("status", "running"),
    "no_output": _without("output"),
}  # fmt: skip
"""Of ExecGo and the runtime only."""


# -- requests on their way to the service


def _sent_altered(sent: bytes, forward: Forward) -> Exchange:
    return forward(sent.replace(b"1", b"7"))


def _sent_twice(sent: bytes, forward: Forward) -> Exchange:
    forward(sent)
    return forward(sent)


def _sent_cut(sent: bytes, forward: Forward) -> Exchange:
    return forward(sent[: len(sent) // 2])


def _sent_empty(sent: bytes, forward: Forward) -> Exchange:
    return forward(b"")


REQUESTS: dict[str, Ask] = {
    "sent_altered": _sent_altered, "sent_twice": _sent_twice, "sent_cut": _sent_cut,
    "sent_empty": _sent_empty,
}  # fmt: skip
