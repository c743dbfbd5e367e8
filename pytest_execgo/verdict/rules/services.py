"""Problems of services that health checks see, and the observers' own."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_execgo.models.cause import Layer
from pytest_execgo.models.events import ServiceLimited, ServiceSilent, ServiceStopped
from pytest_execgo.models.verdict import Confidence
from pytest_execgo.verdict.evidence import CHECK_MS, Evidence, Health, Window
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
                notes=frozenset({"health", *_resource(event)}),
            )  # fmt: skip
        yield from _limited_at_its_end(evidence, service, layer)
    yield from _overloaded(evidence)


def _overloaded(evidence: Evidence) -> Iterator[Suspicion]:
    """Services that are silent at the same time have a common reason: the machine, or the network."""
    silent = evidence.of(ServiceSilent)
    for event in silent:
        window = evidence.window(event)
        others = [
            other
            for other in silent
            if other.service != event.service
            and window.start <= evidence.window(other).start <= window.end
        ]
        if others:
            both = [event, *others]
            names = ", ".join(dict.fromkeys(one.service for one in both))
            yield Suspicion(
                "unknown", "overloaded", "possible", tuple(one.event_id for one in both),
                f"{names} did not answer at the same time; the machine may be too busy", event.at_ms,
                windows=tuple(evidence.window(one) for one in both), settled_at=window.end,
            )  # fmt: skip


def _limited_at_its_end(evidence: Evidence, service: str, layer: Layer) -> Iterator[Suspicion]:
    """A limit that no health check saw, because the service ended under it too soon."""
    if any(isinstance(event, ServiceLimited) for event in evidence.health(service)):
        return
    for gone, away in zip(evidence.exits(service), evidence.away(service), strict=True):
        if gone.limits:
            limits = ", ".join(f"{name} ({limit})" for name, limit in gone.limits.items())
            yield Suspicion(
                layer, "limited", "certain", (gone.event_id,),
                f"{service} ended under a new limit on {limits}", gone.at_ms,
                windows=(Window(gone.at_ms - CHECK_MS, away.end),), service=service,
                settled_at=away.end, notes=frozenset({"health", *gone.limits}),
            )  # fmt: skip


def _resource(event: Health) -> tuple[str, ...]:
    return (event.resource,) if isinstance(event, ServiceLimited) else ()


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
RULE = Rule(
    "services",
    {"engine": _CODES, "runtime": _CODES, "fixture": _CODES, "unknown": ("overloaded",)},
    _suspect,
)
