"""``kill``: a service dies as by a power cut, and may come back."""

from __future__ import annotations

from random import Random
from typing import Any, Protocol, runtime_checkable

from pydantic import Field

from pytest_execgo.chaos.action import Injection, ServiceAction, ServiceHandle
from pytest_execgo.models.document import Document


@runtime_checkable
class Killable(Protocol):
    """The capability this action needs."""

    def kill(self) -> int:
        """SIGKILL; the exit status."""

    def revive(self) -> None:
        """Back on the same address, ready."""


class Kill(ServiceAction):
    """SIGKILL. Without ``revive_after_ms`` the service stays away until the trial has ended."""

    name = "kill"
    summary = "a service dies at once (SIGKILL), and comes back after a while if asked"
    targets = frozenset({"runtime", "execgo", "fixtures"})
    capability = Killable

    class Params(Document):
        """Milliseconds from the death to the revival."""

        revive_after_ms: int | None = Field(default=None, ge=0)

    def heals_after_ms(self, params: Any) -> int | None:
        """As the profile says."""
        after: int | None = params.revive_after_ms
        return after

    def inject(self, target: ServiceHandle, trial_id: str, params: Any, rng: Random) -> Injection:
        """Kill it now."""
        if not target.running():
            raise RuntimeError(f"{target.name} was dead already")
        assert isinstance(target, Killable)
        service: Killable = target
        status = service.kill()

        def heal() -> str:
            service.revive()
            return f"{target.name} is back on {target.url}"

        return Injection(f"killed {target.name} (its process ended with {status})", heal)
