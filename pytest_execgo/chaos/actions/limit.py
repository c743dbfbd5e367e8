"""``limit``: a service and the processes it starts get less of the machine."""

from __future__ import annotations

from random import Random
from typing import Literal

from pydantic import Field, model_validator

from pytest_execgo.chaos.action import Injection, ServiceAction
from pytest_execgo.ports import Limitable, Target
from pytest_execgo.system.clock import monotonic, sleep

_SETTLES_WITHIN_SECONDS = 5.0
_LOOK_EVERY_SECONDS = 0.02


class Limit(ServiceAction[Limitable]):
    """``resource`` and ``amount``: ``cpu`` is the share of the time it may run, between 0 and 1;
    ``memory`` its address space in MB; ``pids`` how many more processes and threads it may
    start."""

    name = "limit"
    needs_process = True
    searched = ({"resource": "cpu", "amount": 0.2, "heal_after_ms": 1000},)

    resource: Literal["cpu", "memory", "pids"]
    amount: float = Field(ge=0, le=2**31)

    @model_validator(mode="after")
    def _check_share(self) -> Limit:
        if self.resource == "cpu" and not 0 < self.amount < 1:
            raise ValueError("cpu is a share of the time: more than 0 and less than 1")
        return self

    def unsupported(self, target: Target) -> str | None:
        """The service lacks the capability, or the machine does not allow the limit."""
        missing = super().unsupported(target)
        if missing or not isinstance(target, Limitable):
            return missing
        return target.cannot_limit(self.resource)

    def inject(self, target: Limitable, trial_id: str, rng: Random) -> Injection:
        target.limit(self.resource, self.amount)

        def heal() -> str:
            target.unlimit(self.resource)
            _settle(target)
            if not target.running():
                target.revive()
                return f"{target.name} had ended, and runs again"
            answers = "" if target.ready() else ", but does not answer yet"
            return f"the limit of {self.resource} for {target.name} is removed{answers}"

        return Injection(f"limited {self.resource} of {target.name} to {self.amount:g}", heal)


def _settle(target: Limitable) -> None:
    """Wait until it answers or has ended: a process that is dying of the limit still counts as
    running."""
    deadline = monotonic() + _SETTLES_WITHIN_SECONDS
    while target.running() and not target.ready() and monotonic() < deadline:
        sleep(_LOOK_EVERY_SECONDS)
