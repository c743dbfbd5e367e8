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

    def fits(self, layer: str, code: str) -> bool:
        """Whether a named cause is this one."""
        return layer == self.layer and self.code in (None, code)

    def __str__(self) -> str:
        """``layer`` or ``layer/code``."""
        return f"{self.layer}/{self.code}" if self.code else self.layer
