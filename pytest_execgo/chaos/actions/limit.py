"""``limit``: a service and what it starts get less of the machine."""

from __future__ import annotations

from random import Random
from time import monotonic, sleep
from typing import Any, Literal, Protocol, runtime_checkable

from pydantic import Field, model_validator

from pytest_execgo.chaos.action import Injection, ServiceAction, ServiceHandle
from pytest_execgo.models.document import Document

_SETTLES_WITHIN_SECONDS = 5.0
_LOOK_EVERY_SECONDS = 0.02


@runtime_checkable
class Limitable(Protocol):
    """The capability this action needs."""

    def cannot_limit(self, resource: str) -> str | None:
        """Why a resource cannot be limited here; ``None`` if it can."""

    def limit(self, resource: str, amount: float) -> None:
        """Put the limit in force."""

    def unlimit(self, resource: str) -> None:
        """Take it away."""

    def ready(self) -> bool:
        """Whether it is alive and answers."""

    def revive(self) -> None:
        """Back on the same address, ready: some programs die of a limit."""


class Limit(ServiceAction):
    """``cpu``: the share of time it may run, 0 to 1. ``memory``: its address space in MB. ``pids``:
    how many more processes and threads it may start."""

    name = "limit"
    summary = "a service gets less cpu, memory or processes"
    targets = frozenset({"runtime", "execgo", "fixtures"})
    capability = Limitable

    class Params(Document):
        """``heal_after_ms``; without it the limit holds until the trial has ended."""

        resource: Literal["cpu", "memory", "pids"]
        amount: float = Field(ge=0)
        heal_after_ms: int | None = Field(default=None, ge=0)

        @model_validator(mode="after")
        def _possible(self) -> Limit.Params:
            if self.resource == "cpu" and not 0 < self.amount < 1:
                raise ValueError("cpu is a share of the time: more than 0 and less than 1")
            return self

    def unsupported(self, target: ServiceHandle, params: Any) -> str | None:
        """The process must be ours, and the machine must let us."""
        missing = super().unsupported(target, params)
        if missing or not isinstance(target, Limitable):
            return missing
        return target.cannot_limit(params.resource)

    def heals_after_ms(self, params: Any) -> int | None:
        """As the profile says."""
        after: int | None = params.heal_after_ms
        return after

    def inject(self, target: ServiceHandle, trial_id: str, params: Any, rng: Random) -> Injection:
        """Put the limit in force."""
        if not target.running():
            raise RuntimeError(f"{target.name} was down already")
        assert isinstance(target, Limitable)
        service: Limitable = target
        service.limit(params.resource, params.amount)

        def heal() -> str:
            service.unlimit(params.resource)
            # One that is dying of the limit still counts as running; it answers no more.
            deadline = monotonic() + _SETTLES_WITHIN_SECONDS
            while target.running() and not service.ready() and monotonic() < deadline:
                sleep(_LOOK_EVERY_SECONDS)
            if target.running() and not service.ready():
                return f"{target.name} has its {params.resource} back, and does not answer yet"
            if target.running():
                return f"{target.name} has its {params.resource} back"
            service.revive()
            return f"{target.name} was down, and is back"

        return Injection(f"limited {params.resource} of {target.name} to {params.amount:g}", heal)
