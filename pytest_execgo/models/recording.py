"""What models and frameworks said when a plan was made: ``scenarios/<s>/traces/<framework>.json``."""

from __future__ import annotations

from typing import Any

from pytest_execgo.models.document import Document, VersionedDocument


class Exchange(Document):
    """One request to a model and its answer. ``path`` is below the base URL; ``asked`` the body as JSON;
    ``answer`` the body as text. Keys and headers are never kept, but for ``retry_after`` (seconds).
    ``status`` 0: there was none, and ``late`` says whether it was waited for in vain."""

    path: str
    asked: Any
    status: int
    content_type: str
    answer: str
    retry_after: float | None = None
    late: bool = False


class Recording(VersionedDocument):
    """One planning. ``provider`` and ``model`` say with what it was recorded (``scripted`` is no model);
    ``plan_digest`` is the sha256 of what the plan submits."""

    scenario_id: str
    framework: str
    packages: dict[str, str]
    provider: str
    model: str
    max_repairs: int
    exchanges: tuple[Exchange, ...]
    plan_digest: str
