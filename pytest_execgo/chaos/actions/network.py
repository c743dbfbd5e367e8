"""``network``: the connection to a service is slow, is reset, or lets nothing through."""

from __future__ import annotations

from random import Random

from pydantic import Field, model_validator

from pytest_execgo.chaos.action import Injection, ServiceAction
from pytest_execgo.ports import Linked, LinkFaultKind, Target

_BETWEEN = {
    "execgo": "driver to execgo",
    "runtime": "execgo to runtime",
    "fixtures": "tasks to fixtures",
}


class Network(ServiceAction[Linked]):
    """The service itself works; its clients cannot reach it normally. The target names the connection:
    ``execgo`` from the driver, ``runtime`` from ExecGo, ``fixtures`` from tasks.

    ``latency_ms`` and ``jitter_ms`` (each way) belong to ``kind: latency``. From about 300 ms on, a
    health check reports a broken link instead of a slow one.
    """

    name = "network"
    needs_link = True
    searched = (
        {"kind": "latency", "latency_ms": 120, "heal_after_ms": 1000},
        {"kind": "reset", "heal_after_ms": 400},
        {"kind": "partition", "heal_after_ms": 1200},
    )

    kind: LinkFaultKind
    latency_ms: float = Field(default=120, ge=0, le=600_000)
    jitter_ms: float = Field(default=0, ge=0, le=600_000)

    @model_validator(mode="after")
    def _has_an_effect(self) -> Network:
        given = self.model_fields_set & {"latency_ms", "jitter_ms"}
        if self.kind != "latency" and given:
            raise ValueError(f"{min(given)} belongs to kind: latency; leave it out for {self.kind}")
        if self.kind == "latency" and not self.latency_ms and not self.jitter_ms:
            raise ValueError("latency_ms and jitter_ms of 0 delay nothing; give one of them")
        return self

    def unsupported(self, target: Target) -> str | None:
        """There must be a fault proxy on the connection."""
        if isinstance(target, Linked) and target.link is not None:
            return None
        return f"no fault proxy is on the connection from {_BETWEEN[target.name]}"

    def inject(self, target: Linked, trial_id: str, rng: Random) -> Injection:
        link = target.link
        if link is None:
            raise RuntimeError(self.unsupported(target))
        connection = f"the connection from {_BETWEEN[target.name]}"
        fault = link.inject(self.kind, self.latency_ms, self.jitter_ms, rng.randrange(2**32))

        def heal() -> str:
            link.heal()
            return f"{connection} works again"

        return Injection(f"{self.kind} on {connection}", heal, lambda: fault.injected_at)
