"""Recordings of the requests that made a plan: ``scenarios/<scenario>/traces/<framework>.json``."""

from __future__ import annotations

from typing import Any

from pytest_execgo.models.document import Document, VersionedDocument


class Exchange(Document):
    """One request to a model, and its answer.

    ``path`` is relative to the base URL, ``asked`` is the request body as JSON, ``answer`` the body of
    the answer as text. ``status`` is 0 if there was no answer; ``late`` tells whether the reason was a
    timeout. API keys and headers are never recorded, except ``retry_after`` (seconds).
    """

    path: str
    asked: Any
    status: int
    content_type: str
    answer: str
    retry_after: float | None = None
    late: bool = False


class Recording(VersionedDocument):
    """The exchanges of one planning. ``provider`` and ``model`` made the answers (``scripted``: a
    script, not a model). ``plan_digest`` is the sha256 of what the plan submits."""

    scenario_id: str
    framework: str
    packages: dict[str, str]
    provider: str
    model: str
    max_repairs: int
    exchanges: tuple[Exchange, ...]
    plan_digest: str
