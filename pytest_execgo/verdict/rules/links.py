"""Connections over the links to the services, on which requests got no answer."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from pytest_execgo.models.benchmark import Confidence
from pytest_execgo.models.events import EngineUnreachable, LinkProblem, LinkUsed
from pytest_execgo.verdict.evidence import NOTICED_WITHIN_MS, Evidence, Window
from pytest_execgo.verdict.suspicion import Rule, Suspicion
from pytest_execgo.verdict.wording import LAYERS

_CODES = {
    "refused": "refused",
    "reset": "reset",
    "unanswered": "closed",
    "lost": "link_broken",
    "abandoned": "timed_out",
}
_SENTENCES = {
    "refused": "did not accept a connection",
    "reset": "reset a connection on which a request waited",
    "unanswered": "closed a connection without an answer",
    "lost": "did not get what a client sent, or its client did not get the answer",
    "abandoned": "let a client wait until it gave up",
}
# A client that ends for another reason also leaves its request.
_GAVE_UP_MS = 1000.0


def _suspect(evidence: Evidence) -> Iterator[Suspicion]:
    if not (evidence.failures() or evidence.failed_stages() or evidence.of(EngineUnreachable)):
        return
    for event in evidence.of(LinkUsed):
        for how in dict.fromkeys(one.how for one in event.problems):
            found = [one for one in event.problems if one.how == how and _counts(one)]
            if found:
                yield _suspicion(event, found)


def _counts(one: LinkProblem) -> bool:
    return one.how != "abandoned" or one.waited_ms >= _GAVE_UP_MS


def _suspicion(event: LinkUsed, found: list[LinkProblem]) -> Suspicion:
    first = found[0]
    windows = tuple(
        Window(one.at_ms - one.waited_ms, one.at_ms + NOTICED_WITHIN_MS) for one in found
    )
    times = f" ({len(found)} times)" if len(found) > 1 else ""
    confidence: Confidence = "possible" if first.how == "abandoned" else "likely"
    return Suspicion(
        LAYERS[event.service], _CODES[first.how], confidence, (event.event_id,),
        f"{event.service} {_SENTENCES[first.how]}{times}", first.at_ms, windows=windows,
        service=event.service, settled_at=inf, notes=frozenset({"ledger"}),
    )  # fmt: skip


_ALL = tuple(_CODES.values())
RULE = Rule("links", {"engine": _ALL, "runtime": _ALL, "fixture": _ALL}, _suspect)
