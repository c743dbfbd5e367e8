"""``pause``: a service is there and does nothing, as a machine that swaps or a frozen container."""

from __future__ import annotations

from random import Random
from typing import Any, Protocol, runtime_checkable

from pydantic import Field

from pytest_execgo.chaos.action import Injection, ServiceAction, ServiceHandle
from pytest_execgo.models.document import Document


@runtime_checkable
class Pausable(Protocol):
    """The capability this action needs."""

    def pause(self) -> None:
        """From now on it does nothing."""

    def resume(self) -> None:
        """It goes on where it was."""


class Pause(ServiceAction):
    """Connections stay open, nothing is answered. Tasks of a paused runtime go on running."""

    name = "pause"
    summary = "a service hangs (SIGSTOP), and goes on after a while"
    targets = frozenset({"runtime", "execgo", "fixtures"})
    capability = Pausable

    class Params(Document):
        """``resume_after_ms``; without it the service hangs until the trial has ended."""

        resume_after_ms: int | None = Field(default=800, ge=0)

    def heals_after_ms(self, params: Any) -> int | None:
        """As the profile says."""
        after: int | None = params.resume_after_ms
        return after

    def inject(self, target: ServiceHandle, trial_id: str, params: Any, rng: Random) -> Injection:
        """Stop its process."""
        if not target.running():
            raise RuntimeError(f"{target.name} was down already")
        assert isinstance(target, Pausable)
        service: Pausable = target
        service.pause()

        def heal() -> str:
            service.resume()
            return f"{target.name} goes on"

        return Injection(f"paused {target.name}", heal)
