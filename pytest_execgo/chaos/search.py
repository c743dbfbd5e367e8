"""Searches for the smallest schedule of faults under which a plan fails.

Hypothesis proposes schedules of one to three faults. It keeps those that failed in a database and tries
them first the next time. Of its proposals, the search takes those with a pair of faults that was tried
less often than others: random triples alone would miss some pairs in hundreds of trials. Many failures
occur only in some trials, so each smaller schedule is tried several times, instead of once as the
shrinker of Hypothesis does.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_execgo.chaos.action import Action, ServiceAction
from pytest_execgo.models.chaos import Fault, When
from pytest_execgo.models.document import parse
from pytest_execgo.models.plan import StandardPlan
from pytest_execgo.system.proposals import Fails, propose

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

MOST_FAULTS = 3
_DELAYS_MS = (0, 0, 50, 200, 600)
_PROPOSALS_PER_TRIAL = 50

Schedule = tuple[Fault, ...]
Kind = tuple[str, str]
"""Action and target of a fault."""


@dataclass(frozen=True)
class Attempted:
    """The end of a trial under a schedule; ``cause`` is one line."""

    failed: bool
    cause: str = ""


@dataclass(frozen=True)
class FoundSchedule:
    """A schedule under which the plan failed in ``failed`` of ``of`` repetitions.

    ``minimal``: without any one of its faults, the plan failed in fewer than half as many repetitions.
    It is false if the budget ended before that was known.
    """

    schedule: Schedule
    failed: int
    of: int
    cause: str
    minimal: bool


@dataclass(frozen=True)
class Searched:
    """The result of a search. ``trials`` counts all, with those of the reduction; ``once`` counts the
    schedules that failed once and in no repetition."""

    trials: int
    once: int
    found: FoundSchedule | None


def candidates(actions: Sequence[type[Action]], plan: StandardPlan) -> list[Fault]:
    """The faults that the search combines, without their conditions: all from which a plan should
    recover, by ``ServiceAction.searched``. Raises :class:`UsageError` for parameters that the action
    does not have."""
    found = []
    for action in actions:
        searched = action.searched if issubclass(action, ServiceAction) else ()
        for index, params in enumerate(searched):
            one = parse(action, params, f"action {action.name}: searched[{index}]")
            found += [
                Fault(action=action.name, target=target, params=params, when=When(phase="runtime"))
                for target in sorted(action.targets)
                if not one.not_applicable(plan, target)
            ]
    return found


def conditions(plan: StandardPlan) -> list[When]:
    """Each stage's start, and its tasks' start and end."""
    found = []
    for stage in plan.stages:
        found.append(When(phase="runtime", stage=stage.stage_id))
        for task in ("*", *(task.id for task in stage.task_graph.tasks)):
            found += [
                When(phase="runtime", stage=stage.stage_id, task=task, after="task_running"),
                When(phase="runtime", stage=stage.stage_id, task=task, after="task_ended"),
            ]
    return found


def schedules(faults: Sequence[Fault], when: Sequence[When]) -> SearchStrategy[Schedule]:
    """One to three of the faults, each with a condition and a delay."""
    from hypothesis import strategies as st

    def fault(parts: tuple[Fault, When, int]) -> Fault:
        plain, condition, delay = parts
        return plain.model_copy(update={"when": condition.model_copy(update={"delay_ms": delay})})

    one = st.tuples(
        st.sampled_from(list(faults)), st.sampled_from(list(when)), st.sampled_from(_DELAYS_MS)
    ).map(fault)
    # Without the outer draw, most lists would be short.
    sizes = st.sampled_from((1, 2, MOST_FAULTS, MOST_FAULTS))
    return sizes.flatmap(
        lambda size: st.lists(one, min_size=size, max_size=size, unique_by=_kind).map(tuple)
    )


def _kind(fault: Fault) -> Kind:
    return fault.action, fault.target


def smaller(schedule: Schedule) -> Iterator[Schedule]:
    """Every schedule without one of its faults, if it has several."""
    for index in range(len(schedule) if len(schedule) > 1 else 0):
        yield schedule[:index] + schedule[index + 1 :]


def simpler(schedule: Schedule) -> Iterator[Schedule]:
    """Every schedule with a simpler condition of one fault."""
    for index, fault in enumerate(schedule):
        for update in ({"delay_ms": 0}, {"task": "*"}, {"stage": "*"}):
            when = fault.when.model_copy(update=update)
            if when != fault.when:
                changed = fault.model_copy(update={"when": when})
                yield (*schedule[:index], changed, *schedule[index + 1 :])


class _BudgetEnds(KeyboardInterrupt):
    """No trial is left. Hypothesis keeps the example of any other exception as one that failed."""


class _Coverage:
    """How often each kind of fault and each pair of kinds was tried."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        kinds = sorted({_kind(fault) for fault in faults})
        self._tried = Counter(dict.fromkeys([*combinations(kinds, 1), *combinations(kinds, 2)], 0))

    def lacks(self, schedule: Schedule) -> bool:
        """Whether a kind or pair of the schedule was tried least often of all."""
        least = min(self._tried.values())
        return any(self._tried[one] == least for one in self._parts(schedule))

    def add(self, schedule: Schedule) -> None:
        """Count a schedule that is tried."""
        self._tried.update(self._parts(schedule))

    @staticmethod
    def _parts(schedule: Schedule) -> list[tuple[Kind, ...]]:
        kinds = sorted({_kind(fault) for fault in schedule})
        return [*combinations(kinds, 1), *combinations(kinds, 2)]


@dataclass
class ScheduleSearch:
    """``attempt`` runs one trial under a schedule of ``faults`` with the conditions ``when``.
    ``budget``: the most trials. ``repeats``: how often a schedule is repeated to see whether it fails
    again. ``database``: the folder for schedules that failed. ``report`` is called with the number of
    each trial and its schedule."""

    attempt: Callable[[Schedule], Attempted]
    faults: Sequence[Fault]
    when: Sequence[When]
    budget: int
    repeats: int
    seed: int
    database: Path
    report: Callable[[int, Schedule], None] = lambda number, schedule: None
    trials: int = field(default=0, init=False)
    _known: dict[str, list[Attempted]] = field(default_factory=dict, init=False)
    _failing: Schedule | None = field(default=None, init=False)
    _aside: set[str] = field(default_factory=set, init=False)
    _left_out: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._coverage = _Coverage(self.faults)

    def run(self) -> Searched:
        """Search until a schedule fails repeatedly or the budget ends; raises :class:`UsageError` if
        Hypothesis is not installed."""
        number = 0
        while self.trials < self.budget:
            self._failing = None
            with suppress(_BudgetEnds):
                propose(
                    partial(schedules, self.faults, self.when),
                    self._propose,
                    examples=self.budget * _PROPOSALS_PER_TRIAL,
                    seed=self.seed + number,
                    database=self.database,
                )
            number += 1
            if self._failing is None:
                break
            found = self._reduced(self._failing)
            if found is not None:
                return Searched(self.trials, len(self._aside), found)
            self._aside.add(_key(self._failing))
        return Searched(self.trials, len(self._aside), None)

    def _propose(self, schedule: Schedule) -> None:
        key = _key(schedule)
        if key in self._aside or not (key in self._known or self._is_wanted(schedule)):
            return
        # Hypothesis tries a schedule that failed a second time.
        outcomes = self._known.get(key) or [self._try(schedule)]
        if outcomes[0].failed:
            self._failing = schedule
            raise Fails

    def _is_wanted(self, schedule: Schedule) -> bool:
        """Whether a proposal is tried; the last one of many is tried in any case."""
        self._left_out += 1
        if self._coverage.lacks(schedule) or self._left_out == _PROPOSALS_PER_TRIAL:
            self._left_out = 0
            self._coverage.add(schedule)
            return True
        return False

    def _try(self, schedule: Schedule) -> Attempted:
        if self.trials >= self.budget:
            raise _BudgetEnds
        self.trials += 1
        self.report(self.trials, schedule)
        outcome = self.attempt(schedule)
        self._known.setdefault(_key(schedule), []).append(outcome)
        return outcome

    def _reduced(self, schedule: Schedule) -> FoundSchedule | None:
        """The smallest schedule that still fails; ``None`` if the schedule does not fail again."""
        minimal = True
        try:
            again = [self._try(schedule) for _ in range(self.repeats)]
            if not any(one.failed for one in again):
                return None
            schedule = self._smallest(schedule)
        except _BudgetEnds:
            minimal = False
        return self._found(schedule, minimal=minimal)

    def _found(self, schedule: Schedule, *, minimal: bool) -> FoundSchedule:
        outcomes = self._known[_key(schedule)]
        failed = [one for one in outcomes if one.failed]
        return FoundSchedule(schedule, len(failed), len(outcomes), failed[-1].cause, minimal)

    def _smallest(self, schedule: Schedule) -> Schedule:
        """Replace the schedule until it can be neither smaller nor simpler. A smaller one must fail at
        least half as often, a simpler one at least as often."""
        while True:
            often = self._failures(schedule)
            fewer = (one for one in smaller(schedule) if self._fails(one, ceil(often / 2)))
            alike = (one for one in simpler(schedule) if self._fails(one, often))
            found = next(fewer, None) or next(alike, None)
            if found is None:
                return schedule
            schedule = found

    def _failures(self, schedule: Schedule) -> int:
        """How often it fails in ``repeats`` trials, at least once."""
        outcomes = self._known[_key(schedule)]
        while len(outcomes) < self.repeats:
            self._try(schedule)
        # A schedule that Hypothesis proposed has one trial more than the repetitions.
        return max(1, sum(one.failed for one in outcomes[-self.repeats :]))

    def _fails(self, schedule: Schedule, needed: int) -> bool:
        """Whether the plan fails in ``needed`` repetitions; stops as soon as that is known."""
        outcomes = self._known.setdefault(_key(schedule), [])
        while True:
            failed = sum(one.failed for one in outcomes)
            if failed >= needed or failed + self.repeats - len(outcomes) < needed:
                return failed >= needed
            self._try(schedule)


def _key(schedule: Schedule) -> str:
    documents: list[Any] = [fault.model_dump(mode="json") for fault in schedule]
    return json.dumps(documents, sort_keys=True)
