"""The fourth batch of faults of answers and requests: caches, replicas, limits and rewriting proxies.

Some have a state, which must begin anew for each trial. Each is therefore a function that makes a
:data:`Pair`.
"""

from __future__ import annotations

import gzip
import json
import threading
from collections import Counter
from collections.abc import Iterator
from time import monotonic

from benchmarks.unseen.front import Exchange, Forward
from benchmarks.unseen.pairs import (
    HTML,
    Make,
    Pair,
    as_it_is,
    decoded,
    refusal,
    with_answer,
    with_request,
)

_RETRY = (*HTML, ("Retry-After", "1"))
_SECONDS_PER_REQUEST = 0.15
_MOST_BODY_BYTES = 1024
_CACHED_SECONDS = 1.0
_UNAVAILABLE = 2
"""How many requests a service refuses until it has started."""
_LAGGING = 2
"""How often a replica is asked for a task before it knows it."""
_GATEWAY_TIMEOUTS = 2

# -- the fixtures server


def _shared_cache() -> Pair:
    """A cache that leaves the path out of its key: every page is the first one."""
    first: list[Exchange] = []

    def corrupt(exchange: Exchange) -> Iterator[bytes]:
        first.append(exchange)
        yield first[0].answer()

    return corrupt, None


def _older_data(exchange: Exchange) -> Iterator[bytes]:
    """A mirror that is behind: the newest advisory of each package is missing."""
    page = decoded(exchange.body)
    if isinstance(page, dict) and isinstance(page.get("advisories"), list):
        page["advisories"] = page["advisories"][:-1]
        yield exchange.answer(json.dumps(page).encode())
        return
    yield exchange.answer()


def _starting(exchange: Exchange) -> Iterator[bytes]:
    """A service that has not started yet, behind a proxy that has."""
    if exchange.number < _UNAVAILABLE:
        yield exchange.answer(b"<html>No server is available</html>", 503, headers=_RETRY)
        return
    yield exchange.answer()


def _compressed(exchange: Exchange) -> Iterator[bytes]:
    """A proxy that compresses for clients that did not ask for it."""
    headers = (*exchange.headers, ("Content-Encoding", "gzip"))
    yield exchange.answer(gzip.compress(exchange.body), headers=headers)


def _missing_page(exchange: Exchange) -> Iterator[bytes]:
    """One page was not published."""
    if exchange.path.endswith("/yamlish"):
        yield exchange.answer(b"<html>404 Not Found</html>", 404, headers=HTML)
        return
    yield exchange.answer()


FIXTURES: dict[str, Make] = {
    "shared_cache": _shared_cache, "older_data": with_answer(_older_data),
    "starting": with_answer(_starting), "compressed": with_answer(_compressed),
}  # fmt: skip
MISSING_PAGE = with_answer(_missing_page)


# -- the runtime


def _replica() -> Pair:
    """Reads go to a replica, which learns of a task a little later."""
    asked: Counter[str] = Counter()

    def corrupt(exchange: Exchange) -> Iterator[bytes]:
        if exchange.method == "GET":
            asked[exchange.path] += 1
            if asked[exchange.path] <= _LAGGING:
                name = exchange.path.rpartition("/")[2]
                error = {"code": "not_found", "message": f"task not found: {name}"}
                yield exchange.answer(json.dumps({"error": error}).encode(), 404)
                return
        yield exchange.answer()

    return corrupt, None


def _swapped_stdout() -> Pair:
    """A buffer is used again too early: each task has the output of the one that ended before it."""
    lock = threading.Lock()
    before: list[str] = []
    given: dict[str, str] = {}

    def corrupt(exchange: Exchange) -> Iterator[bytes]:
        task = decoded(exchange.body)
        if not isinstance(task, dict) or task.get("status") != "success":
            yield exchange.answer()
            return
        with lock:
            if exchange.path not in given:
                given[exchange.path] = before[-1] if before else task["stdout"]
                before.append(task["stdout"])
            task["stdout"] = given[exchange.path]
        yield exchange.answer(json.dumps(task).encode())

    return corrupt, None


def _rate_limited() -> Pair:
    """A proxy that allows one request per interval, and refuses the others without a queue."""
    lock = threading.Lock()
    last = [0.0]

    def admits() -> bool:
        with lock:
            now = monotonic()
            if now - last[0] < _SECONDS_PER_REQUEST:
                return False
            last[0] = now
            return True

    def corrupt(exchange: Exchange) -> Iterator[bytes]:
        if exchange.method == "GET" and not admits():
            yield exchange.answer(
                b"<html>Service Temporarily Unavailable</html>", 503, headers=_RETRY
            )
            return
        yield exchange.answer()

    def change(sent: bytes, forward: Forward) -> Exchange:
        if admits():
            return forward(sent)
        return refusal(503, "<html>Service Temporarily Unavailable</html>")

    return corrupt, change


def _late_gateway() -> Pair:
    """A gateway that passes submissions on, but says of the first ones that no answer came."""
    posts = [0]

    def change(sent: bytes, forward: Forward) -> Exchange:
        answer = forward(sent)
        posts[0] += 1
        if posts[0] > _GATEWAY_TIMEOUTS:
            return answer
        return refusal(504, "<html>504 Gateway Time-out</html>")

    return as_it_is, change


def _firewall(sent: bytes, forward: Forward) -> Exchange:
    """A firewall for web applications, which takes the script of a task for an attack."""
    if b"import json, os" in sent:
        return refusal(406, "<html><h1>Not Acceptable!</h1> Generated by Mod_Security.</html>")
    return forward(sent)


def _lost_env(sent: bytes, forward: Forward) -> Exchange:
    """A gateway with an older schema, which drops a member that it does not know."""
    task = decoded(sent)
    if isinstance(task, dict) and isinstance(task.get("execution"), dict):
        task["execution"].pop("env", None)
        return forward(json.dumps(task).encode())
    return forward(sent)


RUNTIME: dict[str, Make] = {
    "replica": _replica, "swapped_stdout": _swapped_stdout, "rate_limited": _rate_limited,
    "late_gateway": _late_gateway, "firewall": with_request(_firewall),
    "lost_env": with_request(_lost_env),
}  # fmt: skip


# -- ExecGo


def _standby() -> Pair:
    """After the first submission the leader changes. The proxy goes on to send writes to the old one."""
    posts = [0]

    def change(sent: bytes, forward: Forward) -> Exchange:
        posts[0] += 1
        if posts[0] == 1:
            return forward(sent)
        return refusal(421, '{"error": "this node is a standby, it does not accept writes"}')

    return as_it_is, change


def _lost_dependencies(sent: bytes, forward: Forward) -> Exchange:
    """A gateway with an older schema, which drops a member that it does not know."""
    graph = decoded(sent)
    if isinstance(graph, dict) and isinstance(graph.get("tasks"), list):
        for task in graph["tasks"]:
            task.pop("depends_on", None)
        return forward(json.dumps(graph).encode())
    return forward(sent)


def _body_limit(sent: bytes, forward: Forward) -> Exchange:
    """A proxy with a small limit for the body of requests."""
    if len(sent) > _MOST_BODY_BYTES:
        return refusal(413, "<html><h1>413 Request Entity Too Large</h1>nginx</html>")
    return forward(sent)


def _microcache() -> Pair:
    """A cache that keeps a read for a second, and does not tell one task from another."""
    lock = threading.Lock()
    kept: list[tuple[float, Exchange]] = []

    def corrupt(exchange: Exchange) -> Iterator[bytes]:
        if exchange.method == "GET":
            with lock:
                if not kept or monotonic() - kept[-1][0] > _CACHED_SECONDS:
                    kept.append((monotonic(), exchange))
                exchange = kept[-1][1]
        yield exchange.answer()

    return corrupt, None


def _first_looks(exchange: Exchange) -> Iterator[bytes]:
    """The first reads go to a node that has not caught up yet."""
    if exchange.number < _LAGGING:
        yield exchange.answer(b'{"error": "task not found"}', 404)
        return
    yield exchange.answer()


EXECGO: dict[str, Make] = {
    "standby": _standby, "lost_dependencies": with_request(_lost_dependencies),
    "body_limit": with_request(_body_limit), "microcache": _microcache,
}  # fmt: skip
FIRST_LOOKS = with_answer(_first_looks)
