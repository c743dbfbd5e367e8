"""Faults that wait at the fixtures server until a request of their trial comes by."""

from __future__ import annotations

from abc import abstractmethod
from random import Random
from typing import Any, ClassVar

from pydantic import Field

from pytest_execgo.chaos.action import Injection, ServiceAction, ServiceHandle
from pytest_execgo.models.document import Document
from pytest_execgo.transport.local import request

_TIMEOUT_SECONDS = 5.0


class FixtureParams(Document):
    """``path_prefix`` as the fixtures server sees it, e.g. ``/advisories``; ``times`` 0: every
    request."""

    path_prefix: str = "/"
    times: int = Field(default=0, ge=0)


class FixtureAction(ServiceAction):
    """Only requests of the trial itself are hit; the fault has struck when one was."""

    targets = frozenset({"fixtures"})
    effect: ClassVar[str]

    @abstractmethod
    def description(self, params: Any) -> str:
        """What fixtures does, in words."""

    def inject(self, target: ServiceHandle, trial_id: str, params: Any, rng: Random) -> Injection:
        """Arm the fault at the server; it strikes with the first request that fits."""
        own = params.model_dump(exclude=set(FixtureParams.model_fields))
        wanted = {
            "scope": trial_id,
            "effect": self.effect,
            "params": own,
            "path_prefix": params.path_prefix,
            "times": params.times,
        }
        control = f"{target.url}/__control/faults"
        reply = request("POST", control, json=wanted, timeout=_TIMEOUT_SECONDS)
        reply.raise_for_status()
        fault = f"{control}/{reply.json()['fault_id']}"

        last: dict[str, Any] = {}

        def injected_at() -> float | None:
            if last:
                return _first_injection(last)
            found = request("GET", fault, timeout=_TIMEOUT_SECONDS)
            found.raise_for_status()
            return _first_injection(found.json())

        def heal() -> str:
            gone = request("DELETE", fault, timeout=_TIMEOUT_SECONDS)
            gone.raise_for_status()
            last.update(gone.json())
            return "fixtures answers as usual"

        return Injection(f"{self.description(params)} on {params.path_prefix}", heal, injected_at)


def _first_injection(fault: dict[str, Any]) -> float | None:
    found: float | None = fault["first_injected_at"]
    return found
