"""Events of the services: what the fleet reports, and what the health checks see from outside."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pytest_execgo.models.document import Document
from pytest_execgo.models.events.base import Event

# Less than that may be the time until an answer was seen.
_CLOCK_SECONDS = 1.0


class ServiceExited(Event):
    """A process of the fleet ended; ``exit_status`` is negative for a signal.

    ``limits``: the resource limits at its end that it did not have at its start, and ``out_of_memory``:
    whether the kernel killed it for lack of memory. Only containers report both.
    """

    event_type: Literal["service_exited"] = "service_exited"
    service: str
    pid: int
    exit_status: int
    limits: dict[str, str] = Field(default_factory=dict)
    out_of_memory: bool = False

    @property
    def ending(self) -> str:
        """How the process ended, in words."""
        reason = ", killed for lack of memory" if self.out_of_memory else ""
        return f"the process of {self.service} ended with exit status {self.exit_status}{reason}"

    def sentence(self) -> str:
        limits = ", ".join(f"{resource} {limit}" for resource, limit in self.limits.items())
        return self.ending + (f" (new limits: {limits})" if limits else "")


class ServiceReady(Event):
    """A service answered its readiness check (again)."""

    event_type: Literal["service_ready"] = "service_ready"
    service: str
    pid: int | None = None

    def sentence(self) -> str:
        return f"{self.service} is ready"


class ServiceStopped(Event):
    """The operating system reports a service's process as stopped (SIGSTOP, a frozen cgroup)."""

    event_type: Literal["service_stopped"] = "service_stopped"
    service: str
    pid: int

    def sentence(self) -> str:
        return f"the process of {self.service} is stopped"


class ServiceSilent(Event):
    """A running service did not answer several health checks in a row. ``waited_ms`` is the time
    since its last answer."""

    event_type: Literal["service_silent"] = "service_silent"
    service: str
    waited_ms: float
    message: str

    def sentence(self) -> str:
        return f"{self.service} runs, but has not answered for {self.waited_ms:.0f} ms"


class ServiceLimited(Event):
    """A service's process has a resource limit that it did not have when the trial began."""

    event_type: Literal["service_limited"] = "service_limited"
    service: str
    resource: str
    limit: str

    def sentence(self) -> str:
        return f"{self.service} runs with a new limit on {self.resource}: {self.limit}"


class LinkDegraded(Event):
    """A service answers directly, but not, or slowly, over the connection that its clients use.

    ``link_ms`` and ``direct_ms`` are the times of the same health check; ``link_ms`` is null if there
    was no answer. ``waited_ms`` is the time since the link was last seen healthy.
    """

    event_type: Literal["link_degraded"] = "link_degraded"
    service: str
    how: Literal["broken", "slow"]
    link_ms: float | None = None
    direct_ms: float
    waited_ms: float = 0.0
    message: str

    def sentence(self) -> str:
        return f"{self.service} answers directly, but its link is {self.how} ({self.message})"


class LinkProblem(Document):
    """A connection over a link that ended while a request waited for its answer.

    ``refused``: the service did not accept it. ``reset``: the service reset it. ``abandoned``: the
    client closed it. ``unanswered``: it ended otherwise. ``waited_ms`` is the time since the request.
    """

    how: Literal["refused", "reset", "unanswered", "abandoned"]
    at_ms: float
    waited_ms: float


class LinkUsed(Event):
    """What clients and a service sent each other over its link in a trial, without health checks.

    Bytes are counted at both ends: ``request_bytes`` are from the clients, and ``answer_bytes`` from the
    service; of both, the other end got as many as were ``passed_on``. ``slowest_first_byte_ms``: the
    longest time from a request to the first byte of its answer; ``longest_ms``: the longest time that a
    connection was open. ``problems`` has at most 20.
    """

    event_type: Literal["link_used"] = "link_used"
    service: str
    connections: int
    request_bytes: int
    request_bytes_passed_on: int
    answer_bytes: int
    answer_bytes_passed_on: int
    slowest_first_byte_ms: float
    longest_ms: float
    problems: tuple[LinkProblem, ...] = ()

    def sentence(self) -> str | None:
        if not self.problems:
            return None
        kinds = [one.how for one in self.problems]
        counts = ", ".join(f"{how} {kinds.count(how)}" for how in dict.fromkeys(kinds))
        return f"connections to {self.service} without an answer: {counts}"


class ServiceLogged(Event):
    """A line of level error in a service's log, from a trial that did not succeed. It is quoted, and no
    rule reads it."""

    event_type: Literal["service_logged"] = "service_logged"
    service: str
    line: str

    def sentence(self) -> str:
        return f"the log of {self.service}: {self.line}"


class ObserverStarved(Event):
    """For ``gap_ms``, up to now, it is not known what happened to the services: this process or the
    machine stood still, or was too busy to tell a link that lets nothing through from a late answer."""

    event_type: Literal["observer_starved"] = "observer_starved"
    gap_ms: float

    def sentence(self) -> str:
        return f"nothing was observed for {self.gap_ms:.0f} ms"


class FolderSeen(Document):
    """The file system of a folder. ``free_inodes`` is how many files can be created; null without a
    fixed number. ``writable`` is false if it is mounted read-only."""

    free_bytes: int
    free_inodes: int | None = None
    writable: bool = True


class ProcessSeen(Document):
    """The process of a service: open files and sockets, how many it may have, and its memory."""

    descriptors: int
    descriptor_limit: int | None = None
    memory_bytes: int


class MachineSeen(Event):
    """Figures of this machine at the start of a trial, at one of its first failures, or at its end.

    ``folders``: those that the trial writes to, and ``processes``: those of the services on this
    machine, both by name. ``cpu_busy``: the share of the processors' time in use since the look before
    (0 to 1); null at the start.
    ``available_memory`` is in bytes. ``oom_kills``: how many processes the kernel has killed since its
    start because memory ran out; null where it does not tell. ``engine_clock_ms``, at the end: by how
    much ExecGo's clock is ahead of this machine's, less the time until its answers were seen; null if it
    dated none.
    """

    event_type: Literal["machine_seen"] = "machine_seen"
    when: Literal["start", "failure", "end"]
    folders: dict[str, FolderSeen] = {}
    processes: dict[str, ProcessSeen] = {}
    cpu_busy: float | None = None
    available_memory: int
    oom_kills: int | None = None
    engine_clock_ms: float | None = None

    def sentence(self) -> str | None:
        seconds = (self.engine_clock_ms or 0.0) / 1000
        if abs(seconds) < _CLOCK_SECONDS:
            return None
        side = "ahead of" if seconds > 0 else "behind"
        return f"ExecGo's clock is {abs(seconds):.1f} s {side} this machine's"


class FileChanged(Event):
    """A file of the workspace has changed.

    With ``task_id``: a file of the scenario that this failed task names, at the end of the trial. With
    ``stage_id``: while no task ran, between the stage before and this one, or before the first stage.
    """

    event_type: Literal["file_changed"] = "file_changed"
    task_id: str | None = None
    stage_id: str | None = None
    path: str
    how: Literal["removed", "mode", "content"]

    def sentence(self) -> str:
        if self.task_id is None:
            states = {"removed": "removed", "mode": "given other permissions", "content": "changed"}
            when = f"before stage {self.stage_id}, while no task ran"
            return f"{self.path} was {states[self.how]} {when}"
        state = "is gone" if self.how == "removed" else "has other permissions than at the start"
        return f"{self.path}, which task {self.task_id} names, {state}"


class ServiceHealthy(Event):
    """A service that was seen stopped, silent, limited or hard to reach is healthy again."""

    event_type: Literal["service_healthy"] = "service_healthy"
    service: str

    def sentence(self) -> str:
        return f"{self.service} is healthy again"
