"""Connections over the links to the services that ended while a request waited."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_execgo.models.events import LinkProblem, LinkUsed
from pytest_execgo.models.verdict import Confidence
from pytest_execgo.verdict.evidence import NOTICED_WITHIN_MS, Evidence, Window
from pytest_execgo.verdict.suspicion import Rule, Suspicion
from pytest_execgo.verdict.wording import LAYERS

_CODES = {
    "refused": "refused", "reset": "reset", "unanswered": "closed", "abandoned": "timed_out",
}  # fmt: skip
_SENTENCES = {
    "refused": "did not accept a connection",
    "reset": "reset a connection on which a request waited",
    "unanswered": "gave no answer on a connection that ended",
    "abandoned": "let a client wait until it gave up",
}
# A client that ends for another reason also leaves its request.
_GAVE_UP_MS = 1000.0


def _suspect(evidence: Evidence) -> Iterator[Suspicion]:
    if not evidence.went_wrong():
        return
    for event in evidence.of(LinkUsed):
        for how in dict.fromkeys(one.how for one in event.problems):
            found = [one for one in event.problems if one.how == how and _counts(one)]
            if found:
                yield _suspicion(evidence, event, found)


def _counts(one: LinkProblem) -> bool:
    return one.how != "abandoned" or one.waited_ms >= _GAVE_UP_MS


def _suspicion(evidence: Evidence, event: LinkUsed, found: list[LinkProblem]) -> Suspicion:
    first = found[0]
    windows = tuple(
        Window(one.at_ms - one.waited_ms, one.at_ms + NOTICED_WITHIN_MS) for one in found
    )
    used = first.how != "abandoned" and _met_by_a_failed_task(evidence, event.service, windows)
    confidence: Confidence = "likely" if used else "possible"
    times = f" ({len(found)} times)" if len(found) > 1 else ""
    return Suspicion(
        LAYERS[event.service], _CODES[first.how], confidence, (event.event_id,),
        f"{event.service} {_SENTENCES[first.how]}{times}", first.at_ms, windows=windows,
        service=event.service, settled_at=evidence.recovered_after(first.at_ms),
        notes=frozenset({"ledger", "ledger_used"} if used else {"ledger"}),
    )  # fmt: skip


def _met_by_a_failed_task(evidence: Evidence, service: str, windows: tuple[Window, ...]) -> bool:
    """Whether a task that has the URL of the service failed while a connection ended."""
    return any(
        service in evidence.inputs(failed.task_id).services
        and any(window.start <= failed.at_ms <= window.end for window in windows)
        for failed in evidence.failures()
    )


_ALL = tuple(_CODES.values())
RULE = Rule("links", {"engine": _ALL, "runtime": _ALL, "fixture": _ALL}, _suspect)
