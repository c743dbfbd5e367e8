"""``restart``: a service is asked to stop (SIGTERM), stops in its own time, and is started again."""

from __future__ import annotations

from random import Random

from pydantic import Field

from pytest_execgo.chaos.action import Injection, ServiceAction
from pytest_execgo.models.document import A_DAY_MS
from pytest_execgo.ports import Restartable


class Restart(ServiceAction[Restartable]):
    """How long the stop takes depends on the service. ``heal_after_ms`` counts from the end of its
    process to the new start; ``None``: it stays down until the trial ends."""

    name = "restart"
    needs_process = True
    searched = ({"heal_after_ms": 0}, {"heal_after_ms": 800})
    takes_long = True

    heal_after_ms: int | None = Field(default=0, ge=0, le=A_DAY_MS)

    def inject(self, target: Restartable, trial_id: str, rng: Random) -> Injection:
        def heal() -> str:
            target.revive()
            return f"{target.name} runs again on {target.url}"

        return Injection(f"stopped {target.name} (exit status {target.end()})", heal)
