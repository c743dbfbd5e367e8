"""The layers that a cause can be in, and the cause that a profile or a finding expects."""

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
    """A cause that attribution must find. Without ``code``, any code of the layer fits; of several
    codes, each fits (a fault may have different symptoms on different kinds of fleets)."""

    layer: Layer
    code: str | tuple[str, ...] | None = None

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes that fit; empty if every code does."""
        if self.code is None:
            return ()
        return (self.code,) if isinstance(self.code, str) else self.code

    def fits(self, layer: str, code: str) -> bool:
        """Whether a named cause is the expected one."""
        return layer == self.layer and (not self.codes or code in self.codes)

    def __str__(self) -> str:
        """``layer``, ``layer/code`` or ``layer/code|code``."""
        return f"{self.layer}/{'|'.join(self.codes)}" if self.codes else self.layer
