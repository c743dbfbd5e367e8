"""Faults that wait at the fixtures server until their trial sends a request."""

from __future__ import annotations

from abc import abstractmethod
from random import Random
from typing import Any, ClassVar
from urllib.parse import quote

from pydantic import Field

from pytest_execgo.chaos.action import Injection, ServiceAction
from pytest_execgo.errors import HarnessError
from pytest_execgo.ports import Target, headers_of
from pytest_execgo.transport.bounded import fetch

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
        control, headers = f"{target.url}/__control/faults", headers_of(target)
        answer = _call("POST", control, headers, wanted)
        if not isinstance(answer.get("fault_id"), str):
            raise HarnessError("fixtures returned no id of the fault")
        fault = f"{control}/{quote(answer['fault_id'], safe='')}"
        removed: dict[str, Any] = {}

        def injected_at() -> float | None:
            found = (removed or _call("GET", fault, headers)).get("first_injected_at")
            return None if found is None else float(found)

        def heal() -> str:
            removed.update(_call("DELETE", fault, headers))
            return "fixtures answers normally"

        return Injection(f"{self.description()} on {self.path_prefix}", heal, injected_at)


def _call(method: str, url: str, headers: dict[str, str], payload: Any = None) -> dict[str, Any]:
    """The answer of fixtures; raises :class:`HarnessError` and the errors of :func:`fetch`."""
    reply = fetch(method, url, json=payload, headers=headers, timeout=_TIMEOUT_SECONDS)
    if reply.status >= 400:
        raise HarnessError(f"fixtures refused {reply.request}: {reply.status}: {reply.shown()}")
    return reply.object()
