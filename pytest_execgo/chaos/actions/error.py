"""``error``: the fixtures server answers a trial's requests with an error status."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from pytest_execgo.chaos.action import Injection, ServiceAction, ServiceHandle
from pytest_execgo.direct_http import request
from pytest_execgo.models.document import Model

_TIMEOUT_SECONDS = 5.0


class FixtureError(ServiceAction):
    """Only requests of the trial itself are hit. ``times`` 0 means: all of them."""

    name = "error"
    summary = "fixtures answers with an error status"
    targets = frozenset({"fixtures"})

    class Params(Model):
        """``path_prefix`` as the fixtures server sees it, e.g. ``/advisories``."""

        status: int = Field(default=503, ge=400, le=599)
        path_prefix: str = "/"
        times: int = Field(default=0, ge=0)

    def inject(self, target: ServiceHandle, trial_id: str, params: Any) -> Injection:
        """Arm the fault at the server; it strikes with the first request that fits."""
        wanted = {
            "scope": trial_id,
            "effect": "error",
            "params": {"status": params.status},
            "path_prefix": params.path_prefix,
            "times": params.times,
        }
        control = f"{target.url}/__control/faults"
        reply = request("POST", control, json=wanted, timeout=_TIMEOUT_SECONDS)
        reply.raise_for_status()
        fault = f"{control}/{reply.json()['fault_id']}"

        def struck() -> float | None:
            found = request("GET", fault, timeout=_TIMEOUT_SECONDS)
            found.raise_for_status()
            first: float | None = found.json()["first_hit_at"]
            return first

        def undo() -> str:
            request("DELETE", fault, timeout=_TIMEOUT_SECONDS).raise_for_status()
            return "fixtures answers as usual"

        detail = f"fixtures answered {params.status} on {params.path_prefix}"
        return Injection(detail, undo, struck)
