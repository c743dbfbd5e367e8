"""What the runner asks of its surroundings. Others implement it; the runner imports none of them."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from pytest_execgo.models.events import Event
from pytest_execgo.models.plan import PlanStage, StandardPlan
from pytest_execgo.models.task import TaskGraph

E = TypeVar("E", bound=Event)


class TimelineRecorder(Protocol):
    """Where facts go, at once and for good."""

    def add(self, event: E, at_ms: float | None = None) -> E:
        """Write ``event`` with its id and time (now, or ``at_ms`` on the trial's clock)."""

    def snapshot(self, stage_id: str, round_: int, task_id: str, raw: dict[str, Any]) -> None:
        """Keep a task as ExecGo returned it."""

    def elapsed_ms(self) -> float:
        """Milliseconds since the start of the trial."""


class Services(Protocol):
    """What is known about the fleet."""

    def will_return(self, service: str) -> bool:
        """Whether an unreachable service can be expected to answer again."""

    def unready(self) -> list[str]:
        """Names of the services that do not answer now."""

    def identity(self, service: str) -> int | None:
        """What changes when a service is started anew (its process id); ``None`` if unknown."""


class Chaos(Protocol):
    """Gets a say at every phase; without faults it changes nothing."""

    def change_plan(self, plan: StandardPlan) -> StandardPlan: ...

    def change_graph(self, stage: PlanStage, graph: TaskGraph) -> TaskGraph: ...

    def watches_tasks(self, stage_id: str) -> bool: ...

    def heal(self) -> None:
        """Undo everything. Called exactly once, whatever happened."""
