"""The fixtures server, by its own access log."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from pytest_execgo.models.events import AnswerDiffers, FixtureRequest
from pytest_execgo.models.verdict import Confidence
from pytest_execgo.verdict.evidence import Evidence, Window
from pytest_execgo.verdict.suspicion import Rule, Suspicion, notes_of_end


def _suspect(evidence: Evidence) -> Iterator[Suspicion]:
    for gone, window in zip(evidence.exits("fixtures"), evidence.away("fixtures"), strict=True):
        yield Suspicion(
            "fixture", "process_exited", "certain", (gone.event_id,), gone.ending, gone.at_ms,
            windows=(window,), service="fixtures", settled_at=window.end, notes=notes_of_end(gone),
        )  # fmt: skip
    yield from _wrong(evidence)
    yield from _altered(evidence)
    slow = [event for event in evidence.of(FixtureRequest) if event.slow]
    if slow:
        slowest = max(slow, key=lambda event: event.duration_ms)
        message = f"{slowest.method} {slowest.path} took {slowest.duration_ms:.0f} ms in the server"
        ids = tuple(event.event_id for event in slow)
        windows = tuple(evidence.fixtures_late())
        yield Suspicion(
            "fixture", "slow", "likely", ids, message, slow[0].at_ms, windows=windows,
            service="fixtures",
        )  # fmt: skip


def _altered(evidence: Evidence) -> Iterator[Suspicion]:
    """The server has the right answer, and a client gets another one: something between changes it."""
    found = evidence.of(AnswerDiffers)
    if found:
        message = f"clients of fixtures get another answer for {found[0].path} than it gives"
        ids = tuple(event.event_id for event in found)
        # It was seen after the trial, so it may have begun at any time.
        yield Suspicion(
            "fixture", "altered", "likely", ids, message, windows=(Window(-inf, inf),),
            service="fixtures", notes=frozenset({"used"}),
        )  # fmt: skip


def _wrong(evidence: Evidence) -> Iterator[Suspicion]:
    broken = evidence.wrong_requests()
    if not broken:
        return
    first = broken[0]
    code = "http_error" if first.status >= 400 else "wrong_content"
    message = (
        f"{first.method} {first.path} was answered with {first.status}"
        if code == "http_error"
        else f"{first.method} {first.path} was answered with content that is not the fixture's"
    )
    confidence: Confidence = "certain" if evidence.failed_with_fixtures() else "likely"
    # A task may use a wrong answer at any time after it.
    windows = tuple(Window(event.at_ms, inf) for event in broken)
    yield Suspicion(
        "fixture", code, confidence, tuple(event.event_id for event in broken), message,
        first.at_ms, windows=windows, service="fixtures",
        notes=frozenset({"used"}) if evidence.wrong_content_is_used() else frozenset(),
    )  # fmt: skip


RULE = Rule(
    "fixtures",
    {"fixture": ("process_exited", "http_error", "wrong_content", "slow", "altered")},
    _suspect,
)
