"""Adaptive repetitions: when a cell has enough trials."""

from __future__ import annotations

import pytest

from pytest_execgo.benchmark.adaptive import (
    decided_after,
    decision,
    earlier_trials,
    limits_of,
    looks,
    spend_line,
)
from pytest_execgo.benchmark.gates import not_judged, parse_gate
from pytest_execgo.models.request import BenchmarkRunRequest
from pytest_execgo.models.trial import Cell, Trial
from pytest_execgo.options.table import BY_NAME
from pytest_execgo.options.values import AtMost
from tests.results import missing, result, trial


def test_only_limits_below_which_the_success_rate_fails_the_run_count() -> None:
    texts = (
        "success_rate < 0.9", "success_rate <= 80%", "success_rate > 0.5", "recovery_rate < 1",
        "success_rate drops 5%",
    )  # fmt: skip
    assert limits_of(map(parse_gate, texts)) == (0.9, 0.8)


@pytest.mark.parametrize(
    ("most", "expected"), [(1, [1]), (5, [5]), (7, [5, 7]), (40, [5, 10, 20, 40])]
)
def test_a_cell_is_looked_at_after_twice_as_many_trials(most: int, expected: list[int]) -> None:
    assert list(looks(most)) == expected


@pytest.mark.parametrize(
    ("passed", "of", "limit", "found"),
    [
        (20, 20, 0.8, "met"),
        (10, 10, 0.8, None),
        (0, 5, 0.8, "missed"),
        (4, 5, 0.8, None),
        (5, 10, 0.9, "missed"),
        (0, 0, 0.5, None),
    ],
)
def test_a_rate_is_decided_by_its_interval(
    passed: int, of: int, limit: float, found: str | None
) -> None:
    assert decision(passed, of, limit) == found


@pytest.mark.parametrize(
    ("passed", "limits", "after"),
    [
        ([True] * 19, [0.8], None),
        ([True] * 20, [0.8], 20),
        ([True] * 25, [0.8], 20),
        ([False] * 5, [0.8], 5),
        ([False] * 4, [0.8], None),
        ([True] * 20, [0.8, 0.9], None),
        ([False] * 5, [0.2, 0.9], 5),
        ([None] * 5 + [True] * 15, [0.8], None),
        ([None] * 3 + [True] * 17, [0.8], 20),
    ],
)
def test_a_cell_is_decided_above_all_limits_or_below_one(
    passed: list[bool | None], limits: list[float], after: int | None
) -> None:
    assert decided_after(passed, limits, 40) == after


def test_the_trials_before_a_trial_are_those_of_its_cell_and_its_shard() -> None:
    third = Trial(Cell("s", "f", "replay", "none"), 3)
    names = [f"s-f-replay-none-r{k}" for k in range(3)]
    assert earlier_trials(third, None) == names
    assert earlier_trials(third, [names[1], "s-f-replay-none-r4"]) == [names[1]]


def test_the_spend_names_what_was_spared_and_what_is_decided() -> None:
    run = result([trial(k) for k in range(20)], [missing(k, "not_needed") for k in range(20, 40)])
    assert spend_line(run) == ""
    request = BenchmarkRunRequest(schema_version="1", repetitions=40, adaptive=True)
    run = run.model_copy(update={"request": request, "gates": (not_judged("success_rate < 0.8"),)})
    line = "repetitions auto:40: 20 trials instead of 40; 1 of 1 cells decided"
    assert spend_line(run) == line
    assert run.trustworthy
    assert [(cell.trials, cell.skipped, cell.errors) for cell in run.cells] == [(20, 0, 0)]


def test_the_option_takes_a_number_or_the_most() -> None:
    option = BY_NAME["repetitions"]
    assert option.read("3") == 3
    assert option.read("auto:40") == AtMost(40)
