"""Events of chaos: what became of each fault. Attribution never sees them."""

from __future__ import annotations

from typing import Literal

from pytest_execgo.models.events.base import Event


class ChaosArmed(Event):
    """A fault waits for its condition. ``fault`` is its index in the profile; ``seed`` repeats its
    random draws."""

    event_type: Literal["chaos_armed"] = "chaos_armed"
    fault: int
    action: str
    target: str
    seed: str


class ChaosFired(Event):
    """A fault was injected; ``detail`` says what it did, ``task_id`` to which task."""

    event_type: Literal["chaos_fired"] = "chaos_fired"
    fault: int
    action: str
    target: str
    detail: str
    stage_id: str | None = None
    task_id: str | None = None

    def sentence(self) -> str:
        task = f" (task {self.task_id})" if self.task_id else ""
        return f"fault injected: {self.action} {self.target}{task}: {self.detail}"


class ChaosNotFired(Event):
    """A fault was not injected: by its random draw, because its condition never came true, or because
    the injection failed."""

    event_type: Literal["chaos_not_fired"] = "chaos_not_fired"
    fault: int
    action: str
    target: str
    reason: Literal["random_draw", "condition_never_met", "inject_failed"]
    message: str

    def sentence(self) -> str:
        return f"fault not injected: {self.action} {self.target}: {self.message}"


class ChaosHealed(Event):
    """A fault was healed."""

    event_type: Literal["chaos_healed"] = "chaos_healed"
    fault: int
    action: str
    target: str
    detail: str

    def sentence(self) -> str:
        return f"healed: {self.detail}"


class ChaosHealFailed(Event):
    """Healing a fault raised an error; the fleet is replaced before the next trial."""

    event_type: Literal["chaos_heal_failed"] = "chaos_heal_failed"
    fault: int
    action: str
    target: str
    message: str

    def sentence(self) -> str:
        return f"healing failed: {self.action} {self.target}: {self.message}"
