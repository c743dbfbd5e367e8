"""Protocols that several layers share. Each layer implements or uses them without importing another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

from pytest_execgo.models.events import Event
from pytest_execgo.models.plan import PlanStage, StandardPlan
from pytest_execgo.models.task import TaskGraph

E = TypeVar("E", bound=Event)
Listener = Callable[[Event], None]
LinkFaultKind = Literal["latency", "reset", "partition"]


class Clock(Protocol):
    """Time, so that tests can replace it."""

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""

    def now(self) -> datetime:
        """The wall clock, with time zone."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class Recorder(Protocol):
    """Where the facts of a trial go: on disk at once, and to listeners."""

    def add(self, event: E, at_ms: float | None = None) -> E:
        """Write ``event`` with its id and time (now, or ``at_ms`` on the trial's clock), then call the
        listeners in the same thread. Returns the event as written."""

    def snapshot(self, stage_id: str, round_: int, task_id: str, raw: dict[str, Any]) -> None:
        """Keep a task as ExecGo returned it."""

    def elapsed_ms(self) -> float:
        """Milliseconds since the start of the trial."""

    def at_wall(self, seconds: float) -> float:
        """A time of this trial in seconds since the epoch, as milliseconds on the trial's clock."""

    def subscribe(self, listener: Listener) -> None:
        """Call ``listener`` with every event that is added from now on, after it was written."""


class Delayed(Protocol):
    """Work that starts later, without holding up the caller."""

    def after(self, delay_ms: float, work: Callable[[], None]) -> None:
        """Run ``work`` in ``delay_ms`` milliseconds, unless :meth:`close` comes first."""

    def close(self) -> None:
        """Cancel what has not begun, and wait for what runs."""


class FleetView(Protocol):
    """What the runner may ask about the services of a fleet."""

    def will_return(self, service: str) -> bool:
        """Whether an unreachable service can be expected to answer again."""

    def unready(self) -> list[str]:
        """Names of the services that do not answer their clients now."""

    def processes_ended(self, pids: Sequence[int]) -> bool:
        """Whether none of these processes exists, where processes of the runtime's tasks can be seen;
        else false."""

    def cancel(self, handle_id: str) -> str:
        """Ask the runtime to cancel a task; its answer in a few words."""

    def task_status(self, handle_id: str) -> str | None:
        """The status of a task as the runtime itself answers; ``None`` if it does not."""

    def identity(self, service: str) -> int | None:
        """What changes when a service is started anew (its process id); ``None`` if unknown."""


class Chaos(Protocol):
    """What chaos changes before it is executed. Everything else it learns from the recorder's events."""

    def change_plan(self, plan: StandardPlan) -> StandardPlan:
        """The plan as it will be executed."""

    def change_graph(self, stage: PlanStage, graph: TaskGraph) -> TaskGraph:
        """The graph as it will be submitted; called once per stage, after the bindings."""

    def watches_tasks(self, stage_id: str) -> bool:
        """Whether every task of the stage must be polled, not only its sinks."""


class InjectedFault(Protocol):
    """A fault that waits for a client."""

    @property
    def injected_at(self) -> float | None:
        """When the first client met it, in seconds since the epoch; ``None`` while none has."""


class Link(Protocol):
    """The connection by which clients reach a service, where it can be made to fail."""

    def inject(
        self, kind: LinkFaultKind, latency_ms: float, jitter_ms: float, seed: int
    ) -> InjectedFault:
        """Put a fault in place; one at a time."""

    def heal(self) -> None:
        """Take it away."""


# -- what can be done to a service: capabilities


@runtime_checkable
class Target(Protocol):
    """What every target of a fault has."""

    name: str

    @property
    def url(self) -> str:
        """Base URL of the service itself, past its link."""

    def running(self) -> bool:
        """Whether its process is alive."""


@runtime_checkable
class Guarded(Protocol):
    """A service that refuses requests without its headers."""

    @property
    def headers(self) -> dict[str, str]:
        """The headers that clients of the fleet send."""


def headers_of(service: object) -> dict[str, str]:
    """The headers that requests to a service need; empty if it needs none."""
    return dict(service.headers) if isinstance(service, Guarded) else {}


@runtime_checkable
class Killable(Target, Protocol):
    """A service that can be killed and started again."""

    def kill(self) -> int:
        """End it with SIGKILL; its exit status."""

    def revive(self) -> None:
        """Start it again on the same address, and wait until it is ready."""


@runtime_checkable
class Restartable(Target, Protocol):
    """A service that can be stopped gracefully and started again."""

    def end(self) -> int:
        """End it with SIGTERM and wait for the end; its exit status."""

    def revive(self) -> None:
        """Start it again on the same address, and wait until it is ready."""


@runtime_checkable
class Pausable(Target, Protocol):
    """A service whose process can be stopped without ending it."""

    def pause(self) -> None:
        """Stop it: connections stay open, nothing is answered."""

    def resume(self) -> None:
        """Let it continue."""


@runtime_checkable
class Limitable(Target, Protocol):
    """A service whose resources can be limited: ``cpu`` (share of the time, 0 to 1), ``memory`` (MB),
    ``pids`` (further processes and threads)."""

    def cannot_limit(self, resource: str) -> str | None:
        """Why a resource cannot be limited here; ``None`` if it can."""

    def limit(self, resource: str, amount: float) -> None:
        """Put the limit in force."""

    def unlimit(self, resource: str) -> None:
        """Remove the limit."""

    def ready(self) -> bool:
        """Whether it is alive and answers."""

    def revive(self) -> None:
        """Start it again if it ended: some programs die of a limit."""


@runtime_checkable
class TaskHost(Protocol):
    """A service whose processes, and those of its tasks, are processes of this machine."""

    def has_process(self, pid: int) -> bool:
        """Whether the process exists and has not ended."""


@runtime_checkable
class Linked(Target, Protocol):
    """A service with a link; ``link`` is ``None`` where faults cannot be put on the connection."""

    @property
    def link(self) -> Link | None:
        """The connection that its clients use."""
