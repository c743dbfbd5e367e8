"""Arms the faults of a profile, strikes when their conditions come true, and undoes everything.

The runner calls the hooks at each phase; a fault with a delay, and every revival, happens on a thread
of its own, so that waiting never holds up the trial. Dice are thrown once per trial and fault, from
(seed, what identifies the trial, index of the fault): the same trial with the same seed sees the same
faults.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol, TypeVar

from pytest_execgo.chaos.action import (
    Action,
    Injection,
    PlanAction,
    PlanScope,
    ServiceAction,
    ServiceHandle,
)
from pytest_execgo.chaos.schedule import Schedule
from pytest_execgo.models.chaos import Fault
from pytest_execgo.models.events import (
    ChaosArmed,
    ChaosFired,
    ChaosHealed,
    ChaosHealFailed,
    ChaosNotFired,
    Event,
)
from pytest_execgo.models.plan import PlanStage, StandardPlan
from pytest_execgo.models.task import EngineTask, TaskGraph

E = TypeVar("E", bound=Event)


class Recorder(Protocol):
    """Where facts go."""

    def add(self, event: E, at_ms: float | None = None) -> E:
        """Write an event."""

    def elapsed_ms(self) -> float:
        """Milliseconds since the start of the trial."""

    def at_wall(self, seconds: float) -> float:
        """A time since the epoch, in milliseconds on the trial's clock."""


@dataclass(frozen=True)
class LoadedFault:
    """A fault of a profile with its action and its parameters, both checked."""

    fault: Fault
    action: Action
    params: Any


_Waiting = tuple[Injection, str | None, str | None]
"""A fault that waits at its service, with the stage and task that met its condition."""


@dataclass
class _Armed:
    index: int
    loaded: LoadedFault
    rng: Random
    seed: str
    exercised: bool
    injections: int = 0
    busy: bool = False
    """It is in place, or about to be: it strikes again only once it is healed."""
    settled: bool = False
    waiting: list[_Waiting] = field(default_factory=list)

    @property
    def fault(self) -> Fault:
        return self.loaded.fault

    @property
    def scope(self) -> PlanScope:
        return PlanScope(self.fault.when.stage, self.fault.when.task)

    def facts(self) -> dict[str, Any]:
        return {"fault": self.index, "action": self.fault.action, "target": self.fault.target}


@dataclass
class _InPlace:
    armed: _Armed
    injection: Injection
    returns: bool
    healed: bool = False


def rng_seed(seed: str, rng_key: str, index: int) -> str:
    """What the dice of one fault of one trial are thrown from."""
    return f"{seed}:{rng_key}:{index}"


def draw(loaded: LoadedFault, seed: str) -> tuple[Random, str, bool]:
    """The dice after the throw that decides whether the fault is exercised, its seed, the answer."""
    rng = Random(seed)
    exercised = rng.random() < loaded.fault.probability
    return rng, seed, exercised


def all_left_out(faults: Sequence[LoadedFault], seed: str, rng_key: str) -> bool:
    """Whether the dice leave every fault of this trial out."""
    drawn = [draw(f, rng_seed(seed, rng_key, i))[2] for i, f in enumerate(faults)]
    return bool(drawn) and not any(drawn)


class ChaosController:
    """One trial's chaos; implements what the runner asks of it."""

    def __init__(
        self,
        faults: list[LoadedFault],
        services: Mapping[str, ServiceHandle],
        recorder: Recorder,
        *,
        trial_id: str,
        rng_key: str,
        seed: str,
    ) -> None:
        self._services, self._recorder, self._trial_id = services, recorder, trial_id
        # One fault at a time at each service: an undo must not meet another fault half-way.
        self._at_target: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)
        self._schedule = Schedule()
        self._in_place: list[_InPlace] = []
        self._returning: Counter[str] = Counter()
        self._healed = False
        self.heal_failed = False
        self._armed = [
            _Armed(index, loaded, *draw(loaded, rng_seed(seed, rng_key, index)))
            for index, loaded in enumerate(faults)
        ]

    def arm(self) -> None:
        """Record what is armed, and what the dice left out."""
        for armed in self._armed:
            self._recorder.add(ChaosArmed(**armed.facts(), seed=armed.seed))
            if not armed.exercised:
                self._not_fired(armed, "random_draw", f"probability {armed.fault.probability}")

    def returning(self, service: str) -> bool:
        """Whether a service that is down now will come back during the trial."""
        return self._returning[service] > 0

    # -- hooks of the runner

    def on_planning(self) -> None:
        """Faults of phase ``plan`` that wait for the model to be asked."""
        for armed in self._ready("plan", "phase_start"):
            if isinstance(armed.loaded.action, ServiceAction):
                self._trigger(armed, None, None)

    def on_planned(self) -> None:
        """The model is asked no more: what was done to it is undone."""
        for placed in reversed(self._in_place):
            if placed.armed.fault.when.phase == "plan":
                self._heal(placed)
        for armed in self._armed:
            if armed.fault.when.phase == "plan":
                self._settle(armed)

    def on_plan(self, plan: StandardPlan) -> StandardPlan:
        """Logical faults of phase ``plan``."""
        for armed in self._ready("plan", "phase_start"):
            if isinstance(armed.loaded.action, PlanAction):
                plan = self._change(armed, plan)
        return plan

    def on_submit(self, stage: PlanStage, graph: TaskGraph) -> TaskGraph:
        """Logical faults of phase ``submit``, and service faults that wait for a stage to begin."""
        for armed in self._ready("submit", "phase_start"):
            if isinstance(armed.loaded.action, PlanAction):
                current = stage.model_copy(update={"task_graph": graph})
                small = StandardPlan(plan_id="-", scenario_id="-", stages=(current,))
                graph = self._change(armed, small).stages[0].task_graph
            elif armed.scope.matches(stage.stage_id):
                self._trigger(armed, stage.stage_id, None)
        for armed in self._ready("runtime", "phase_start"):
            if armed.scope.matches(stage.stage_id):
                self._trigger(armed, stage.stage_id, None)
        return graph

    def watches(self, stage_id: str) -> bool:
        """Whether a fault waits for the state of a task of this stage."""
        return any(
            armed.exercised
            and armed.injections < armed.fault.when.times
            and armed.fault.when.waits_for_a_task
            and armed.scope.matches(stage_id)
            for armed in self._armed
        )

    def on_task(self, stage_id: str, task_id: str, task: EngineTask) -> None:
        """Faults that wait until ExecGo says that a task runs, or has ended."""
        after = "task_ended" if task.terminal else "task_running"
        if task.status == "pending":
            return
        for phase in ("runtime", "poll"):
            for armed in self._ready(phase, after):
                if armed.scope.matches(stage_id, task_id):
                    self._trigger(armed, stage_id, task_id)
        for armed in self._ready("poll", "phase_start"):
            if armed.scope.matches(stage_id, task_id):
                self._trigger(armed, stage_id, task_id)

    def on_verify(self) -> None:
        """Faults of phase ``verify``."""
        for armed in self._ready("verify", "phase_start"):
            self._trigger(armed, None, None)

    def heal(self) -> None:
        """Call off what waits, settle what was armed, and undo in reverse order. Never raises."""
        if self._healed:
            return
        self._healed = True
        self._schedule.close()
        # Undone first: a service that was taken away must be back to tell what it saw.
        for placed in reversed(self._in_place):
            self._heal(placed)
        for armed in self._armed:
            self._settle(armed)
            if not armed.settled:
                met = "its condition was met, but the trial ended before the delay had passed"
                never = f"no stage or task met its condition: {_condition(armed.fault)}"
                message = met if armed.injections else never
                self._not_fired(armed, "condition_never_met", message)

    # -- striking

    def _ready(self, phase: str, after: str) -> list[_Armed]:
        return [
            armed
            for armed in self._armed
            if armed.exercised
            and armed.fault.when.phase == phase
            and armed.fault.when.after == after
            and armed.injections < armed.fault.when.times
            and not armed.busy
        ]

    def _change(self, armed: _Armed, plan: StandardPlan) -> StandardPlan:
        action = armed.loaded.action
        assert isinstance(action, PlanAction)
        try:
            change = action.change(plan, armed.scope, armed.loaded.params, armed.rng)
        except Exception as error:
            # Whatever an action raises: the plan is as it was, and the record must say so.
            armed.injections += 1
            self._not_fired(armed, "inject_failed", f"{type(error).__name__}: {error}")
            return plan
        if change is None:
            return plan
        armed.injections += 1
        self._fired(armed, change.detail, change.stage_id, change.task_id, None)
        return change.plan

    def _trigger(self, armed: _Armed, stage_id: str | None, task_id: str | None) -> None:
        """The condition is met: strike now, or after the delay."""
        armed.injections += 1
        armed.busy = True
        delay = armed.fault.when.delay_ms
        if delay or _takes_long(armed):
            self._schedule.after(delay, lambda: self._inject(armed, stage_id, task_id))
        else:
            self._inject(armed, stage_id, task_id)

    def _inject(self, armed: _Armed, stage_id: str | None, task_id: str | None) -> None:
        action, params = armed.loaded.action, armed.loaded.params
        assert isinstance(action, ServiceAction)
        target = self._services[armed.fault.target]
        heals_after = action.heals_after_ms(params)
        if heals_after is not None:
            self._returning[target.name] += 1
        at_ms = self._recorder.elapsed_ms()
        try:
            with self._at_target[target.name]:
                injection = action.inject(target, self._trial_id, params, armed.rng)
        except Exception as error:
            # Whatever an action raises: the fault is not in place, and the record must say so.
            if heals_after is not None:
                self._returning[target.name] -= 1
            armed.busy = False
            self._not_fired(armed, "inject_failed", f"{type(error).__name__}: {error}")
            return
        placed = _InPlace(armed, injection, returns=heals_after is not None)
        self._in_place.append(placed)
        if injection.injected_at is None:
            self._fired(armed, injection.detail, stage_id, task_id, at_ms)
        else:
            armed.waiting.append((injection, stage_id, task_id))
        if heals_after is not None:
            self._schedule.after(heals_after, lambda: self._heal(placed))

    def _settle(self, armed: _Armed) -> None:
        """Ask for whom the faults that waited have struck."""
        while armed.waiting:
            self._ask_struck(armed, armed.waiting.pop(0))

    def _ask_struck(self, armed: _Armed, waiting: _Waiting) -> None:
        injection, stage_id, task_id = waiting
        assert injection.injected_at is not None
        try:
            seconds = injection.injected_at()
        except Exception as error:
            self._not_fired(armed, "inject_failed", f"cannot tell: {type(error).__name__}: {error}")
            return
        if seconds is None:
            self._not_fired(armed, "condition_never_met", "nobody met the fault")
            return
        self._fired(armed, injection.detail, stage_id, task_id, self._recorder.at_wall(seconds))

    def _heal(self, placed: _InPlace) -> None:
        target = placed.armed.fault.target
        with self._at_target[target]:
            if placed.healed:
                return
            placed.healed = True
            placed.armed.busy = False
            facts = placed.armed.facts()
            try:
                detail = placed.injection.heal()
            except Exception as error:
                self.heal_failed = True
                message = f"{type(error).__name__}: {error}"
                self._recorder.add(ChaosHealFailed(**facts, message=message))
            else:
                self._recorder.add(ChaosHealed(**facts, detail=detail))
            finally:
                if placed.returns:
                    self._returning[target] -= 1

    def _fired(
        self,
        armed: _Armed,
        detail: str,
        stage_id: str | None,
        task_id: str | None,
        at_ms: float | None,
    ) -> None:
        armed.settled = True
        event = ChaosFired(**armed.facts(), detail=detail, stage_id=stage_id, task_id=task_id)
        self._recorder.add(event, at_ms)

    def _not_fired(self, armed: _Armed, reason: Any, message: str) -> None:
        armed.settled = True
        self._recorder.add(ChaosNotFired(**armed.facts(), reason=reason, message=message))


def _takes_long(armed: _Armed) -> bool:
    action = armed.loaded.action
    return isinstance(action, ServiceAction) and action.takes_long


def _condition(fault: Fault) -> str:
    when = fault.when
    parts = [f"phase {when.phase}", f"stage {when.stage}", f"task {when.task}", when.after]
    return ", ".join(parts)
