"""Arms the faults of a profile, injects each when its condition comes true, and heals all of them.

The controller listens to the events of a trial: the runner does not call it, except to have a plan or
a graph changed. A fault with a delay, and every healing by time, happens on a thread of its own, so
that waiting never holds up the trial.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pytest_execgo.chaos.action import Change, Injection, PlanAction, ServiceAction
from pytest_execgo.chaos.conditions import Moment, in_words, is_met, moments, scope_of
from pytest_execgo.chaos.draws import Draw, draw
from pytest_execgo.chaos.loaded_profile import LoadedFault
from pytest_execgo.chaos.schedule import Schedule
from pytest_execgo.errors import checked_return
from pytest_execgo.models.chaos import Fault
from pytest_execgo.models.events import (
    ChaosArmed,
    ChaosFired,
    ChaosHealed,
    ChaosHealFailed,
    ChaosNotFired,
    Event,
    PlanFailed,
    PlanReady,
)
from pytest_execgo.models.plan import PlanStage, StandardPlan
from pytest_execgo.models.task import TaskGraph
from pytest_execgo.ports import Delayed, Recorder, Target

NotFiredReason = Literal["random_draw", "condition_never_met", "inject_failed"]


@dataclass
class _Armed:
    """One fault of the trial and what became of it."""

    index: int
    fault: Fault
    draw: Draw
    injections: int = 0
    busy: bool = False
    """It is in place, or about to be: it is injected again only once it is healed."""
    settled: bool = False
    """The record says whether it fired."""
    waiting: list[tuple[Injection, Moment]] = field(default_factory=list)
    """What waits at its target for a client."""

    @property
    def ready(self) -> bool:
        return self.draw.exercised and self.injections < self.fault.when.times and not self.busy

    def facts(self) -> dict[str, Any]:
        return {"fault": self.index, "action": self.fault.action, "target": self.fault.target}


@dataclass
class _InPlace:
    armed: _Armed
    injection: Injection
    returns: bool
    healed: bool = False


class ChaosController:
    """The chaos of one trial: implements :class:`pytest_execgo.ports.Chaos`, listens to ``recorder``.

    ``targets`` maps names to what can be acted on. ``seed`` and ``rng_key`` decide the random draws.
    """

    def __init__(
        self,
        faults: Sequence[LoadedFault],
        targets: Mapping[str, Target],
        recorder: Recorder,
        *,
        trial_id: str,
        rng_key: str,
        seed: str,
        schedule: Delayed | None = None,
    ) -> None:
        self._targets, self._recorder, self._trial_id = targets, recorder, trial_id
        # One fault at a time at each target: healing one must not meet another half in place.
        self._at_target: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)
        self._schedule = schedule or Schedule()
        self._in_place: list[_InPlace] = []
        self._returning: Counter[str] = Counter()
        self._healed = False
        self.heal_failed = False
        self._plan_faults: list[tuple[_Armed, PlanAction]] = []
        self._service_faults: list[tuple[_Armed, ServiceAction[Any]]] = []
        self._armed: list[_Armed] = []
        for index, loaded in enumerate(faults):
            armed = _Armed(index, loaded.fault, draw(loaded, seed, rng_key))
            self._armed.append(armed)
            if isinstance(loaded.action, PlanAction):
                self._plan_faults.append((armed, loaded.action))
            elif isinstance(loaded.action, ServiceAction):
                self._service_faults.append((armed, loaded.action))
        recorder.subscribe(self._on_event)

    def arm(self) -> None:
        """Record what is armed, and what the random draw left out."""
        for armed in self._armed:
            self._recorder.add(ChaosArmed(**armed.facts(), seed=armed.draw.seed))
            if not armed.draw.exercised:
                self._not_fired(armed, "random_draw", f"probability {armed.fault.probability}")

    def returning(self, service: str) -> bool:
        """Whether a service that is down now will be started again during the trial."""
        return self._returning[service] > 0

    # -- what the runner asks for

    def change_plan(self, plan: StandardPlan) -> StandardPlan:
        """The plan after the faults of phase ``plan``."""
        for armed, action in self._plan_faults:
            if armed.ready and armed.fault.when.phase == "plan":
                plan = self._change(armed, action, plan)
        return plan

    def change_graph(self, stage: PlanStage, graph: TaskGraph) -> TaskGraph:
        """The graph after the faults of phase ``submit``."""
        for armed, action in self._plan_faults:
            if armed.ready and armed.fault.when.phase == "submit":
                current = stage.model_copy(update={"task_graph": graph})
                alone = StandardPlan(plan_id="-", scenario_id="-", stages=(current,))
                graph = self._change(armed, action, alone).stages[0].task_graph
        return graph

    def watches_tasks(self, stage_id: str) -> bool:
        """Whether a fault waits for the state of a task of this stage."""
        return any(
            armed.draw.exercised
            and armed.injections < armed.fault.when.times
            and armed.fault.when.waits_for_a_task
            and scope_of(armed.fault.when).matches(stage_id)
            for armed in self._armed
        )

    def _change(self, armed: _Armed, action: PlanAction, plan: StandardPlan) -> StandardPlan:
        try:
            change = checked_return(
                action.change(plan, scope_of(armed.fault.when), armed.draw.rng),
                (Change, type(None)),
                f"change() of {action.name}",
            )
        except Exception as error:
            # Actions are code of third parties. The plan stays unchanged, and the record says why.
            armed.injections += 1
            self._not_fired(armed, "inject_failed", f"{type(error).__name__}: {error}")
            return plan
        if change is None:
            return plan
        armed.injections += 1
        self._fired(
            armed, change.detail, Moment("plan", "phase_start", change.stage_id, change.task_id)
        )
        return change.plan

    # -- what the controller learns from events

    def _on_event(self, event: Event) -> None:
        if self._healed:
            return
        if isinstance(event, (PlanReady, PlanFailed)):
            self._end_planning()
        for moment in moments(event):
            for armed, action in self._service_faults:
                if armed.ready and is_met(armed.fault.when, moment):
                    self._trigger(armed, action, moment)

    def _end_planning(self) -> None:
        """The model is not asked any more: heal what was done to it."""
        for placed in reversed(self._in_place):
            if placed.armed.fault.when.phase == "plan":
                self._heal(placed)
        for armed in self._armed:
            if armed.fault.when.phase == "plan":
                self._settle(armed)

    def _trigger(self, armed: _Armed, action: ServiceAction[Any], moment: Moment) -> None:
        """The condition is met: inject now, or after the delay."""
        armed.injections += 1
        armed.busy = True
        delay = armed.fault.when.delay_ms
        if delay or action.takes_long:
            self._schedule.after(delay, lambda: self._inject(armed, action, moment))
        else:
            self._inject(armed, action, moment)

    def _inject(self, armed: _Armed, action: ServiceAction[Any], moment: Moment) -> None:
        target = self._targets[armed.fault.target]
        returns = action.heal_after_ms is not None
        self._returning[target.name] += returns
        at_ms = self._recorder.elapsed_ms()
        try:
            with self._at_target[target.name]:
                injection = self._put_in_place(action, target, armed)
        except Exception as error:
            # Actions are code of third parties. The fault is not in place, and the record says why.
            self._returning[target.name] -= returns
            armed.busy = False
            self._not_fired(armed, "inject_failed", f"{type(error).__name__}: {error}")
            return
        placed = _InPlace(armed, injection, returns)
        self._in_place.append(placed)
        if injection.injected_at is None:
            self._fired(armed, injection.detail, moment, at_ms)
        else:
            armed.waiting.append((injection, moment))
        if action.heal_after_ms is not None:
            self._schedule.after(action.heal_after_ms, lambda: self._heal(placed))

    def _put_in_place(self, action: ServiceAction[Any], target: Target, armed: _Armed) -> Injection:
        reason = action.unsupported(target)
        if reason:
            raise RuntimeError(reason)
        if action.needs_process and not target.running():
            raise RuntimeError(f"{target.name} is not running")
        injection = action.inject(target, self._trial_id, armed.draw.rng)
        return checked_return(injection, Injection, f"inject() of {action.name}")

    # -- healing

    def heal(self) -> None:
        """Cancel what waits, heal in reverse order, and record what became of each fault. Never raises;
        calling it twice does nothing."""
        if self._healed:
            return
        self._healed = True
        self._schedule.close()
        # Heal first: a target that is down must be back to report when a client met its fault.
        for placed in reversed(self._in_place):
            self._heal(placed)
        for armed in self._armed:
            self._settle(armed)
            if not armed.settled:
                met = "its condition was met, but the trial ended before the delay had passed"
                never = f"no stage or task met its condition: {in_words(armed.fault.when)}"
                self._not_fired(armed, "condition_never_met", met if armed.injections else never)

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
                self._returning[target] -= placed.returns

    def _settle(self, armed: _Armed) -> None:
        """Record whether clients met the faults that waited for them."""
        while armed.waiting:
            injection, moment = armed.waiting.pop(0)
            self._record_meeting(armed, injection, injection.injected_at, moment)

    def _record_meeting(
        self,
        armed: _Armed,
        injection: Injection,
        injected_at: Callable[[], float | None] | None,
        moment: Moment,
    ) -> None:
        try:
            seconds = injected_at() if injected_at else None
        except Exception as error:
            message = f"cannot find out: {type(error).__name__}: {error}"
            self._not_fired(armed, "inject_failed", message)
            return
        if seconds is None:
            self._not_fired(armed, "condition_never_met", "no client met the fault")
            return
        self._fired(armed, injection.detail, moment, self._recorder.at_wall(seconds))

    # -- the record

    def _fired(
        self, armed: _Armed, detail: str, moment: Moment, at_ms: float | None = None
    ) -> None:
        armed.settled = True
        event = ChaosFired(
            **armed.facts(), detail=detail, stage_id=moment.stage_id, task_id=moment.task_id
        )
        self._recorder.add(event, at_ms)

    def _not_fired(self, armed: _Armed, reason: NotFiredReason, message: str) -> None:
        armed.settled = True
        self._recorder.add(ChaosNotFired(**armed.facts(), reason=reason, message=message))
