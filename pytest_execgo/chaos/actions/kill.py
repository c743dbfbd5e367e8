"""``kill``: a service ends at once, as by a power cut."""

from __future__ import annotations

from random import Random

from pytest_execgo.chaos.action import Injection, ServiceAction
from pytest_execgo.ports import Killable


class Kill(ServiceAction[Killable]):
    """SIGKILL. ``heal_after_ms`` later the service is started again on the same address."""

    name = "kill"
    needs_process = True
    searched = ({"heal_after_ms": 200}, {"heal_after_ms": 1000})

    def inject(self, target: Killable, trial_id: str, rng: Random) -> Injection:
        def heal() -> str:
            target.revive()
            return f"{target.name} runs again on {target.url}"

        return Injection(f"killed {target.name} (exit status {target.kill()})", heal)
