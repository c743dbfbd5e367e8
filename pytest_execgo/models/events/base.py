"""The base class of all events, and how a sentence lists many names."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pytest_execgo.models.document import Document

MAX_NAMES = 6


class Event(Document):
    """The fields of every event.

    ``at_ms`` counts milliseconds from the start of the trial. The recorder sets all three fields.
    """

    event_id: str = ""
    at_ms: float = 0.0
    wall_time: datetime | None = None

    def sentence(self) -> str | None:
        """One line for the explanation of a verdict; ``None`` if the event is not part of it."""
        return None


def few(names: Sequence[str]) -> str:
    """At most six names, and how many more there are."""
    shown = ", ".join(names[:MAX_NAMES])
    return f"{shown} and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else shown
