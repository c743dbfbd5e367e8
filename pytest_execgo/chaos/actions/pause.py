"""``pause``: a service hangs, like a machine that swaps or a frozen container."""

from __future__ import annotations

from random import Random

from pydantic import Field

from pytest_execgo.chaos.action import Injection, ServiceAction
from pytest_execgo.models.document import A_DAY_MS
from pytest_execgo.ports import Pausable


class Pause(ServiceAction[Pausable]):
    """SIGSTOP: connections stay open and nothing is answered. Tasks of a paused runtime keep running."""

    name = "pause"
    needs_process = True
    searched = ({"heal_after_ms": 400}, {"heal_after_ms": 1200})

    heal_after_ms: int | None = Field(default=800, ge=0, le=A_DAY_MS)

    def inject(self, target: Pausable, trial_id: str, rng: Random) -> Injection:
        target.pause()

        def heal() -> str:
            target.resume()
            return f"{target.name} continues"

        return Injection(f"paused {target.name}", heal)
