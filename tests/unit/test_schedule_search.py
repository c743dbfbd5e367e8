"""The search for the fewest faults: what it proposes, and how it reduces what fails."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest

from pytest_execgo.chaos.actions.kill import Kill
from pytest_execgo.chaos.search import (
    Attempted,
    Schedule,
    ScheduleSearch,
    Searched,
    candidates,
    conditions,
    simpler,
    smaller,
)
from pytest_execgo.errors import UsageError
from pytest_execgo.extensions.registry import Registry
from pytest_execgo.models.chaos import ChaosProfile, Fault, When
from pytest_execgo.models.messages import Source
from pytest_execgo.models.plan import StandardPlan

REGISTRY = Registry.build()
PLAN = StandardPlan.model_validate(
    {
        "schema_version": "1", "plan_id": "p", "scenario_id": "s",
        "stages": [
            {"stage_id": "one", "task_graph": {"tasks": [
                {"id": "a", "type": "runtime", "input": {}},
                {"id": "b", "type": "http", "input": {"url": "${fixtures_url}/x"}},
            ]}},
            {"stage_id": "two", "task_graph": {"tasks": [{"id": "c", "type": "noop"}]}},
        ],
    }
)  # fmt: skip
FAULTS = candidates(list(REGISTRY.actions.values()), PLAN)


def fault(action: str, target: str, **when: object) -> Fault:
    condition = When.model_validate({"phase": "runtime", **when})
    return Fault(action=action, target=target, when=condition)


def names(schedule: Schedule) -> set[str]:
    return {f"{one.action} {one.target}" for one in schedule}


class Engine:
    """Fails as a test says; counts trials."""

    def __init__(self, fails: Callable[[Schedule, int], bool]) -> None:
        self.fails = fails
        self.trials: list[Schedule] = []

    def __call__(self, schedule: Schedule) -> Attempted:
        failed = self.fails(schedule, self.trials.count(schedule))
        self.trials.append(schedule)
        return Attempted(failed, f"cause of {len(schedule)}" if failed else "")


def search(engine: Engine, folder: Path, budget: int = 300, seed: int = 7) -> Searched:
    database = folder / "database"
    return ScheduleSearch(engine, FAULTS, conditions(PLAN), budget, 3, seed, database).run()


def both(schedule: Schedule, tries: int) -> bool:
    return {"kill runtime", "pause execgo"} <= names(schedule)


def test_every_proposed_fault_heals_and_can_be_loaded() -> None:
    profile = ChaosProfile(id="x", expectation="should_recover", faults=tuple(FAULTS))
    loaded = REGISTRY.loaded(profile, Source("x")).faults
    assert {one.action.name for one in loaded} == {
        "kill", "pause", "restart", "network", "limit", "error", "latency",
    }  # fmt: skip
    for one in loaded:
        assert one.fault.params.get("heal_after_ms") is not None or one.fault.params.get("times")


def test_faults_that_cannot_affect_the_plan_are_not_proposed() -> None:
    stages = PLAN.stages[1:]
    found = candidates(list(REGISTRY.actions.values()), PLAN.model_copy(update={"stages": stages}))
    assert {one.target for one in found} == {"execgo"}


def test_wrong_parameters_of_an_action_are_one_line() -> None:
    class Wrong(Kill):
        name = "wrong"
        searched = ({"heal_after": 1},)  # type: ignore[assignment]

    with pytest.raises(UsageError, match=r"^action wrong: searched\[0\]: heal_after: "):
        candidates([Wrong], PLAN)


def test_conditions_are_starts_of_stages_and_starts_and_ends_of_tasks() -> None:
    found = [(when.stage, when.task, when.after) for when in conditions(PLAN)]
    assert found[:5] == [
        ("one", "*", "phase_start"), ("one", "*", "task_running"), ("one", "*", "task_ended"),
        ("one", "a", "task_running"), ("one", "a", "task_ended"),
    ]  # fmt: skip
    assert len(found) == 7 + 5


@pytest.mark.parametrize("seed", range(20))
def test_a_defect_of_two_faults_is_reduced_to_them(tmp_path: Path, seed: int) -> None:
    engine = Engine(both)
    searched = search(engine, tmp_path, seed=seed)
    assert searched.found is not None
    assert names(searched.found.schedule) == {"kill runtime", "pause execgo"}
    assert len(searched.found.schedule) == 2
    for one in searched.found.schedule:
        assert (one.when.stage, one.when.task, one.when.delay_ms) == ("*", "*", 0)
    assert searched.found.failed == searched.found.of
    assert searched.found.minimal
    assert searched.found.cause == "cause of 2"
    assert searched.trials == len(engine.trials) <= 300


def test_a_defect_of_one_fault_is_reduced_to_it(tmp_path: Path) -> None:
    searched = search(Engine(lambda schedule, tries: "kill runtime" in names(schedule)), tmp_path)
    assert searched.found is not None
    assert names(searched.found.schedule) == {"kill runtime"}


def test_nothing_is_found_where_nothing_fails(tmp_path: Path) -> None:
    engine = Engine(lambda schedule, tries: False)
    assert search(engine, tmp_path, budget=40) == Searched(trials=40, once=0, found=None)
    assert len(engine.trials) == 40


def test_a_failure_that_does_not_come_again_is_counted_and_left(tmp_path: Path) -> None:
    engine = Engine(lambda schedule, tries: tries == 0 and len(engine.trials) == 5)
    searched = search(engine, tmp_path, budget=40)
    assert (searched.found, searched.once) == (None, 1)
    assert searched.trials == 40


def test_a_defect_that_shows_in_most_trials_is_reduced(tmp_path: Path) -> None:
    engine = Engine(lambda schedule, tries: both(schedule, tries) and tries != 1)
    searched = search(engine, tmp_path)
    assert searched.found is not None
    assert names(searched.found.schedule) == {"kill runtime", "pause execgo"}
    assert 0 < searched.found.failed < searched.found.of


def test_the_end_of_the_budget_is_reported(tmp_path: Path) -> None:
    first = search(Engine(both), tmp_path)
    assert first.found is not None
    # The database proposes the failing schedule at once, so there are trials to reproduce it with.
    searched = search(Engine(both), tmp_path, budget=4)
    assert searched.found is not None
    assert not searched.found.minimal
    assert searched.trials == 4


def test_what_failed_is_tried_first_the_next_time(tmp_path: Path) -> None:
    search(Engine(both), tmp_path)
    engine = Engine(both)
    search(engine, tmp_path, seed=99)
    assert both(engine.trials[0], 0)


def test_every_pair_of_faults_is_tried_before_pairs_come_often(tmp_path: Path) -> None:
    engine = Engine(lambda schedule, tries: False)
    search(engine, tmp_path, budget=150)
    pairs = {pair for one in engine.trials for pair in combinations(sorted(names(one)), 2)}
    kinds = names(tuple(FAULTS))
    assert pairs == set(combinations(sorted(kinds), 2))


def test_smaller_schedules_lack_one_fault() -> None:
    one, two = fault("kill", "runtime"), fault("pause", "execgo")
    assert list(smaller((one, two))) == [(two,), (one,)]
    assert list(smaller((one,))) == []


def test_simpler_schedules_have_one_simpler_condition() -> None:
    given = fault("kill", "runtime", stage="one", task="a", after="task_running", delay_ms=50)
    found = [(f.when.stage, f.when.task, f.when.delay_ms) for (f,) in simpler((given,))]
    assert found == [("one", "a", 0), ("one", "*", 50), ("*", "a", 50)]
    assert list(simpler((fault("kill", "runtime"),))) == []
