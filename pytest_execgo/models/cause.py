"""Layers to blame, and a cause that somebody expects."""

from __future__ import annotations

from typing import Literal

from pytest_execgo.models.document import Document

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


class ExpectedCause(Document):
    """What attribution must find; without ``code`` the layer alone is compared. A list of codes: any of
    them, for a fault that shows otherwise from one kind of fleet to the other."""

    layer: Layer
    code: str | tuple[str, ...] | None = None

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes that will do; none: any."""
        if self.code is None:
            return ()
        return (self.code,) if isinstance(self.code, str) else self.code

    def fits(self, layer: str, code: str) -> bool:
        """Whether a named cause is this one."""
        return layer == self.layer and (not self.codes or code in self.codes)

    def __str__(self) -> str:
        """``layer``, ``layer/code`` or ``layer/code|code``."""
        return f"{self.layer}/{'|'.join(self.codes)}" if self.codes else self.layer
