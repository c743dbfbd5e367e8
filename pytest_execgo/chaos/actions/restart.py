"""``restart``: a service is asked to stop (SIGTERM), stops in its own time, and is started again."""

from __future__ import annotations

from random import Random
from typing import Any, Protocol, runtime_checkable

from pydantic import Field

from pytest_execgo.chaos.action import Injection, ServiceAction, ServiceHandle
from pytest_execgo.models.document import Document


@runtime_checkable
class Restartable(Protocol):
    """The capability this action needs."""

    def end(self) -> int:
        """SIGTERM; the exit status, once it has ended."""

    def revive(self) -> None:
        """Back on the same address, ready."""


class Restart(ServiceAction):
    """How long the stop takes is the service's own affair; the window is measured, not assumed."""

    name = "restart"
    summary = "a service stops gracefully (SIGTERM) and is started again"
    targets = frozenset({"runtime", "execgo", "fixtures"})
    capability = Restartable
    takes_long = True

    class Params(Document):
        """``down_ms``: milliseconds between the end of the process and its new start."""

        down_ms: int = Field(default=0, ge=0)

    def heals_after_ms(self, params: Any) -> int | None:
        """As the profile says."""
        down: int = params.down_ms
        return down

    def inject(self, target: ServiceHandle, trial_id: str, params: Any, rng: Random) -> Injection:
        """Stop it; the undo starts it."""
        if not target.running():
            raise RuntimeError(f"{target.name} was down already")
        assert isinstance(target, Restartable)
        service: Restartable = target
        status = service.end()

        def heal() -> str:
            service.revive()
            return f"{target.name} is back on {target.url}"

        return Injection(f"stopped {target.name} (its process ended with {status})", heal)
