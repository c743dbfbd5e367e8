"""Events of the fixtures server."""

from __future__ import annotations

from typing import Literal

from pytest_execgo.models.events.base import Event

_SLOW_REQUEST_MS = 300.0


class FixtureRequest(Event):
    """One request to the fixtures server, from its own access log.

    ``status`` 0 means that the request was still open when the log was read, ``duration_ms`` after
    it had arrived. ``reference_sha256`` is the digest of the fixture itself, ``sha256`` that of the
    answer. ``delay_ms``: how long the scenario itself lets the server wait.
    """

    event_type: Literal["fixture_request"] = "fixture_request"
    method: str
    path: str
    status: int
    duration_ms: float
    sha256: str | None = None
    reference_sha256: str | None = None
    delay_ms: float = 0

    @property
    def wrong(self) -> bool:
        """Whether the server answered, and not with the fixture's own content."""
        answered = self.status != 0
        known = self.reference_sha256 is not None
        return answered and known and self.sha256 != self.reference_sha256

    @property
    def slow(self) -> bool:
        """Whether the request took longer than the server needs: it answers from memory."""
        return self.duration_ms - self.delay_ms > _SLOW_REQUEST_MS

    def sentence(self) -> str | None:
        name = f"fixtures: {self.method} {self.path}"
        if self.wrong:
            content = "" if self.status >= 400 else " with other content than the fixture's"
            return f"{name} answered {self.status}{content}"
        if self.slow:
            answered = "was answered" if self.status else "was not answered"
            return f"{name} {answered} after {self.duration_ms:.0f} ms"
        return None


class AnswerDiffers(Event):
    """After a trial that failed, a client of fixtures got another answer than the one that fixtures has
    for this path. ``sha256`` is the digest of the body."""

    event_type: Literal["answer_differs"] = "answer_differs"
    path: str
    status: int
    sha256: str
    expected_sha256: str

    def sentence(self) -> str:
        return f"a later request for {self.path} gets another answer than fixtures gives"
