"""Layers to blame, and a cause that somebody expects."""

from __future__ import annotations

from typing import Literal

from pytest_execgo.models.document import Model

Layer = Literal[
    "adapter",
    "plan",
    "dsl",
    "binding",
    "engine",
    "runtime",
    "task",
    "fixture",
    "verifier",
    "harness",
    "none",
    "unknown",
]


class ExpectedCause(Model):
    """What attribution must find; without ``code`` the layer alone is compared."""

    layer: Layer
    code: str | None = None
