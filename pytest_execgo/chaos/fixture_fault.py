"""Faults that wait at the fixtures server until their trial sends a request."""

from __future__ import annotations

from abc import abstractmethod
from random import Random
from typing import Any, ClassVar

from pydantic import Field

from pytest_execgo.chaos.action import Injection, ServiceAction
from pytest_execgo.ports import Target
from pytest_execgo.transport.client import request

_TIMEOUT_SECONDS = 5.0


class FixtureAction(ServiceAction[Target]):
    """Affects requests of its own trial only; it counts as injected once one was affected.

    ``path_prefix`` as the fixtures server sees it, such as ``/advisories``. ``times``: how many requests
    are affected, 0 for all.
    """

    targets = frozenset({"fixtures"})
    effect: ClassVar[str]

    path_prefix: str = "/"
    times: int = Field(default=0, ge=0)

    @abstractmethod
    def description(self) -> str:
        """What fixtures does, in words."""

    def inject(self, target: Target, trial_id: str, rng: Random) -> Injection:
        """Arm the fault at the server."""
        wanted = {
            "scope": trial_id,
            "effect": self.effect,
            "params": self.model_dump(exclude=set(FixtureAction.model_fields)),
            "path_prefix": self.path_prefix,
            "times": self.times,
        }
        control = f"{target.url}/__control/faults"
        fault = f"{control}/{_call('POST', control, json=wanted)['fault_id']}"
        removed: dict[str, Any] = {}

        def injected_at() -> float | None:
            found: float | None = (removed or _call("GET", fault))["first_injected_at"]
            return found

        def heal() -> str:
            removed.update(_call("DELETE", fault))
            return "fixtures answers normally"

        return Injection(f"{self.description()} on {self.path_prefix}", heal, injected_at)


def _call(method: str, url: str, **options: Any) -> dict[str, Any]:
    reply = request(method, url, timeout=_TIMEOUT_SECONDS, **options)
    reply.raise_for_status()
    return dict(reply.json())
