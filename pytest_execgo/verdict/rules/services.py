"""Problems of services that health checks see, and the observers' own."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_execgo.models.benchmark import Confidence
from pytest_execgo.models.events import ServiceLimited, ServiceSilent, ServiceStopped
from pytest_execgo.verdict.evidence import Evidence, Health
from pytest_execgo.verdict.suspicion import Rule, Suspicion
from pytest_execgo.verdict.wording import LAYERS


def _suspect(evidence: Evidence) -> Iterator[Suspicion]:
    for service, layer in LAYERS.items():
        for event in evidence.health(service):
            code, confidence, message = _describe(event)
            window = evidence.window(event)
            yield Suspicion(
                layer, code, confidence, (event.event_id,), message, event.at_ms,
                windows=(window,), service=service, settled_at=window.end,
                notes=frozenset({"health"}),
            )  # fmt: skip


def _describe(event: Health) -> tuple[str, Confidence, str]:
    name = event.service
    if isinstance(event, ServiceStopped):
        return "process_stopped", "certain", f"the process of {name} was stopped"
    if isinstance(event, ServiceLimited):
        text = f"{name} ran with a new limit on {event.resource} ({event.limit})"
        return "limited", "certain", text
    if isinstance(event, ServiceSilent):
        return "silent", "likely", f"{name} ran, but did not answer: {event.message}"
    if event.how == "slow":
        text = f"{event.link_ms:.0f} ms over its link, {event.direct_ms:.0f} ms directly"
        return "link_slow", "certain", f"{name} is healthy, but its link is slow: {text}"
    return "link_broken", "certain", f"{name} is healthy, but its link is broken: {event.message}"


_CODES = ("process_stopped", "silent", "limited", "link_broken", "link_slow")
RULE = Rule("services", {"engine": _CODES, "runtime": _CODES, "fixture": _CODES}, _suspect)
