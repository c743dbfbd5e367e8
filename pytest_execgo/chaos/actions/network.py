"""``network``: the connection to a service is slow, is reset, or lets nothing through."""

from __future__ import annotations

from random import Random
from typing import Any, Literal

from pydantic import Field

from pytest_execgo.chaos.action import Injection, ServiceAction, ServiceHandle
from pytest_execgo.models.document import Document

_BETWEEN = {
    "execgo": "driver to execgo",
    "runtime": "execgo to runtime",
    "fixtures": "tasks to fixtures",
}


class Network(ServiceAction):
    """The service itself is well; its clients do not reach it as they should. The target says which
    connection: execgo's from the driver, the runtime's from ExecGo, that of fixtures from tasks."""

    name = "network"
    summary = "the connection to a service is slow, reset, or dead"
    targets = frozenset({"runtime", "execgo", "fixtures"})
    needs_link = True

    class Params(Document):
        """``latency_ms`` and ``jitter_ms`` (each way) belong to ``kind: latency``; from about 300 ms
        a health check sees a dead link instead of a slow one. Without ``heal_after_ms`` the fault
        lasts until the trial has ended."""

        kind: Literal["latency", "reset", "partition"]
        latency_ms: float = Field(default=120, ge=0)
        jitter_ms: float = Field(default=0, ge=0)
        heal_after_ms: int | None = Field(default=None, ge=0)

    def unsupported(self, target: ServiceHandle, params: Any) -> str | None:
        """There must be a proxy in between."""
        if target.link is None:
            return f"the connection to {target.name} ({_BETWEEN[target.name]}) is not ours"
        return None

    def heals_after_ms(self, params: Any) -> int | None:
        """As the profile says."""
        after: int | None = params.heal_after_ms
        return after

    def inject(self, target: ServiceHandle, trial_id: str, params: Any, rng: Random) -> Injection:
        """Put the fault into the proxy."""
        link = target.link
        assert link is not None
        seed = rng.randrange(2**32)
        placed = link.inject(params.kind, params.latency_ms, params.jitter_ms, seed)

        def heal() -> str:
            link.heal()
            return f"the connection from {_BETWEEN[target.name]} is well"

        detail = f"{params.kind} from {_BETWEEN[target.name]}"
        return Injection(detail, heal, injected_at=lambda: placed.injected_at)
