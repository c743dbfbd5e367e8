"""Stand-ins for what the runner and chaos work with. No process, no socket, no waiting.

Time passes only when code sleeps on the :class:`FakeClock`, so tests compare exact times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from pytest_execgo.models.events import Event, StageOutcome
from pytest_execgo.models.plan import PlanStage, StandardPlan
from pytest_execgo.models.task import EngineTask, Task, TaskGraph
from pytest_execgo.ports import Listener
from pytest_execgo.runner.client import SeenTask, Unreachable
from pytest_execgo.runner.collaborators import Collaborators, TrialTasks
from pytest_execgo.runner.engine import RestartWatch
from pytest_execgo.runner.stage import StageRun
from pytest_execgo.runner.trial import TrialRunner

E = TypeVar("E", bound=Event)
START = datetime(2026, 1, 1, tzinfo=UTC)
_MANY_SLEEPS = 10_000


class FakeClock:
    """Begins at 0 s, which is ``START``. ``sleeps`` holds the length of each sleep, in seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.sleeps: list[float] = []

    def monotonic(self) -> float:
        """Seconds since the start."""
        return self.seconds

    def now(self) -> datetime:
        """``START`` and the seconds since."""
        return START + timedelta(seconds=self.seconds)

    def sleep(self, seconds: float) -> None:
        """Let time pass at once. Fails a test that would never end."""
        assert seconds >= 0
        self.sleeps.append(seconds)
        assert len(self.sleeps) < _MANY_SLEEPS, "the code under test waits forever"
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass without a sleep."""
        # Rounded: sums of fractions must equal the times that tests write down.
        self.seconds = round(self.seconds + seconds, 9)


class RecordingRecorder:
    """Keeps events and snapshots in memory, stamped by ``clock``, and calls the listeners."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._listeners: list[Listener] = []
        self.events: list[Event] = []
        self.snapshots: list[tuple[str, int, str, dict[str, Any]]] = []

    def add(self, event: E, at_ms: float | None = None) -> E:
        """See :class:`pytest_execgo.ports.Recorder`."""
        stamped = event.model_copy(
            update={
                "event_id": f"e{len(self.events) + 1}",
                "at_ms": round(self.elapsed_ms() if at_ms is None else at_ms, 3),
                "wall_time": self._clock.now(),
            }
        )
        self.events.append(stamped)
        for listener in tuple(self._listeners):
            listener(stamped)
        return stamped

    def snapshot(self, stage_id: str, round_: int, task_id: str, raw: dict[str, Any]) -> None:
        """See :class:`pytest_execgo.ports.Recorder`."""
        self.snapshots.append((stage_id, round_, task_id, raw))

    def elapsed_ms(self) -> float:
        """Milliseconds since the start of the clock."""
        return self._clock.seconds * 1000

    def at_wall(self, seconds: float) -> float:
        """A time since the epoch, in milliseconds since the start of the clock."""
        return (seconds - START.timestamp()) * 1000

    def subscribe(self, listener: Listener) -> None:
        """Call ``listener`` with every event from now on."""
        self._listeners.append(listener)

    def of(self, kind: type[E]) -> list[E]:
        """The events of one type, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    def the(self, kind: type[E]) -> E:
        """The only event of one type."""
        (event,) = self.of(kind)
        return event

    def types(self) -> list[str]:
        """The ``event_type`` of each event, in order."""
        return [str(event.model_dump()["event_type"]) for event in self.events]


@dataclass
class FakeFleet:
    """A fleet whose services answer, unless a test sets it.

    ``unready_answers`` holds what the next calls of ``unready`` return; then all services are ready.
    """

    returning: bool | dict[str, bool] = True
    process_id: int | None = 1
    unready_answers: list[list[str]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    ended: set[int] = field(default_factory=set)
    """The processes of tasks that have ended."""
    cancelled: list[str] = field(default_factory=list)
    statuses: dict[str, str] = field(default_factory=dict)
    """What the runtime itself answers, by handle."""

    def processes_ended(self, pids: Sequence[int]) -> bool:
        """Whether all of them are in ``ended``."""
        return self.ended.issuperset(pids)

    def cancel(self, handle_id: str) -> str:
        """Note the handle."""
        self.cancelled.append(handle_id)
        return "status 200"

    def task_status(self, handle_id: str) -> str | None:
        """What ``statuses`` says about the handle."""
        return self.statuses.get(handle_id)

    def will_return(self, service: str) -> bool:
        """As ``returning`` says, for all services or by name."""
        self.asked.append(service)
        return self.returning if isinstance(self.returning, bool) else self.returning[service]

    def unready(self) -> list[str]:
        """The next of ``unready_answers``."""
        return self.unready_answers.pop(0) if self.unready_answers else []

    def identity(self, service: str) -> int | None:
        """``process_id`` for ExecGo; only ExecGo may be asked for."""
        assert service == "execgo"
        return self.process_id


@dataclass
class FakeChaos:
    """No chaos. ``watches`` holds the stages with a fault that waits for a task."""

    watches: set[str] = field(default_factory=set)
    on_plan: Callable[[StandardPlan], StandardPlan] = lambda plan: plan
    on_graph: Callable[[PlanStage, TaskGraph], TaskGraph] = lambda stage, graph: graph

    def change_plan(self, plan: StandardPlan) -> StandardPlan:
        """What ``on_plan`` returns."""
        return self.on_plan(plan)

    def change_graph(self, stage: PlanStage, graph: TaskGraph) -> TaskGraph:
        """What ``on_graph`` returns."""
        return self.on_graph(stage, graph)

    def watches_tasks(self, stage_id: str) -> bool:
        """Whether ``stage_id`` is in ``watches``."""
        return stage_id in self.watches


@dataclass
class Hang:
    """An answer that never comes: the request takes its whole timeout."""


@dataclass
class LostAnswer:
    """ExecGo accepts the submission, and its answer is lost."""


@dataclass
class Request:
    """One request that the engine received: when (seconds), which, and its timeout (seconds)."""

    at: float
    method: str
    name: str
    timeout: float | None


def refused() -> Unreachable:
    """What the client raises while no process listens."""
    return Unreachable("connection refused", refused=True)


def no_answer() -> Unreachable:
    """What the client raises when a connection ends without an answer."""
    return Unreachable("connection closed", refused=False)


Step = str | dict[str, Any] | Exception | Hang | Callable[[], Any] | None


class FakeEngine:
    """ExecGo, scripted: implements :class:`pytest_execgo.runner.client.EngineClient`.

    ``script(task, *steps)`` sets the answers to the requests for a task, one each; the last one is
    repeated. ``task`` is what follows the stage in an engine id: ``a``, or ``a.r1`` in round 1. A step
    is a status, members of the task as a mapping, ``None`` (404), an exception, :class:`Hang`, or a
    function that is called and returns a step. A task without a script succeeds at once.
    ``submissions`` holds what the next submissions do: exceptions, :class:`Hang`, :class:`LostAnswer`.
    """

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._scripts: dict[str, list[Step]] = {}
        self.submissions: list[Exception | Hang | LostAnswer] = []
        self.tasks: dict[str, dict[str, Any]] = {}
        self.graphs: list[TaskGraph] = []
        self.requests: list[Request] = []
        self.deleted: list[str] = []

    def script(self, task: str, *steps: Step) -> None:
        """Set the answers for a task."""
        self._scripts[task] = list(steps)

    def submit(self, graph: TaskGraph, *, timeout: float | None = None) -> list[str]:
        """Accept a graph, or do what ``submissions`` says."""
        self._record("POST", "", timeout)
        behaviour = self.submissions.pop(0) if self.submissions else None
        if isinstance(behaviour, Exception):
            raise behaviour
        if isinstance(behaviour, Hang):
            self._hang(timeout)
        self.graphs.append(graph)
        now = self._clock.now().isoformat()
        for task in graph.tasks:
            self.tasks[task.id] = {
                "id": task.id,
                "type": task.type,
                "status": "pending",
                "created_at": now,
                "updated_at": now,
            }
        if isinstance(behaviour, LostAnswer):
            raise no_answer()
        return [task.id for task in graph.tasks]

    def get(self, task_id: str, *, timeout: float | None = None) -> SeenTask | None:
        """A task in the state of its script."""
        self._record("GET", task_id, timeout)
        if task_id not in self.tasks:
            return None
        raw = self.tasks[task_id]
        step = self._next_step(task_id)
        if isinstance(step, Exception):
            raise step
        if isinstance(step, Hang):
            self._hang(timeout)
        if step is None:
            return None
        members: Any = {"status": step} if isinstance(step, str) else step
        if any(raw.get(name) != value for name, value in members.items()):
            raw = self.tasks[task_id] = (
                raw | {"updated_at": self._clock.now().isoformat()} | members
            )
        return SeenTask(EngineTask.model_validate(raw), dict(raw))

    def delete(self, task_id: str, *, timeout: float | None = None) -> bool:
        """Forget a task."""
        self._record("DELETE", task_id, timeout)
        self.deleted.append(task_id)
        return self.tasks.pop(task_id, None) is not None

    def polled(self) -> list[tuple[float, str]]:
        """When (milliseconds) and for which task the engine was asked."""
        return [
            (round(request.at * 1000, 6), request.name)
            for request in self.requests
            if request.method == "GET"
        ]

    def _next_step(self, task_id: str) -> Step:
        steps = self._scripts.get(task_id.split(".", 2)[2], ["success"])
        step = steps.pop(0) if len(steps) > 1 else steps[0]
        if callable(step):
            answer: Step = step()
            return answer
        return step

    def _record(self, method: str, name: str, timeout: float | None) -> None:
        self.requests.append(Request(self._clock.seconds, method, name, timeout))

    def _hang(self, timeout: float | None) -> None:
        assert timeout is not None
        self._clock.advance(timeout)
        raise Unreachable("no answer in time", refused=False)


def graph_of(*names: str, **dependencies: Iterable[str]) -> TaskGraph:
    """Tasks ``names``; ``b=["a"]`` makes ``b`` depend on ``a``."""
    tasks = [
        Task(id=name, type="noop", depends_on=tuple(dependencies.get(name, ()))) for name in names
    ]
    return TaskGraph(tasks=tuple(tasks))


def stage_of(
    *names: str,
    stage_id: str = "s",
    dependencies: dict[str, list[str]] | None = None,
    **policy: Any,
) -> PlanStage:
    """A stage of the tasks ``names``; ``policy`` holds members of its submit policy."""
    return PlanStage.model_validate(
        {
            "stage_id": stage_id,
            "task_graph": graph_of(*names, **(dependencies or {})).model_dump(),
            "submit_policy": policy,
        }
    )


def plan_of(*stages: PlanStage) -> StandardPlan:
    """A plan of ``stages``."""
    return StandardPlan(plan_id="p1", scenario_id="demo", stages=stages)


class RunnerWorld:
    """All fakes of the runner, connected to one clock. Engine ids begin with ``run``."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.recorder = RecordingRecorder(self.clock)
        self.engine = FakeEngine(self.clock)
        self.fleet = FakeFleet()
        self.chaos = FakeChaos()
        self.tasks = TrialTasks("run")
        self.restarts = RestartWatch(self.fleet, self.clock)

    @property
    def tools(self) -> Collaborators:
        """The fakes as the runner takes them."""
        return Collaborators(self.engine, self.recorder, self.fleet, self.chaos, self.clock)

    def run_stage(self, stage: PlanStage) -> StageOutcome:
        """Run ``stage`` to its end."""
        return StageRun(stage, self.tools, self.tasks, self.restarts).run(stage.task_graph)

    def trial_runner(self) -> TrialRunner:
        """A runner of one trial."""
        return TrialRunner(self.engine, self.recorder, self.fleet, self.chaos, self.clock)
