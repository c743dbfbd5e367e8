"""Shards of CI jobs: their numbers, and an even division of the time."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from pytest_execgo.benchmark.reports.json_report import JsonReport
from pytest_execgo.errors import UsageError
from pytest_execgo.models.trial import Cell, Shard, Trial
from pytest_execgo.run.shards import Weights, shard_of_ci
from tests.results import result, trial


@pytest.mark.parametrize(
    ("variables", "shard"),
    [
        ({"CI_NODE_INDEX": "2", "CI_NODE_TOTAL": "4"}, "2/4"),
        ({"CIRCLE_NODE_INDEX": "0", "CIRCLE_NODE_TOTAL": "3"}, "1/3"),
        ({"BUILDKITE_PARALLEL_JOB": "1", "BUILDKITE_PARALLEL_JOB_COUNT": "2"}, "2/2"),
        ({"STRATEGY_JOB_INDEX": "0", "STRATEGY_JOB_TOTAL": "1"}, "1/1"),
        ({"JOB_COMPLETION_INDEX": "4", "JOB_COMPLETIONS": "5"}, "5/5"),
    ],
)
def test_each_ci_system_numbers_its_jobs(variables: dict[str, str], shard: str) -> None:
    assert shard_of_ci(variables) == shard


@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        ({}, "no CI job is known here; it needs one of CI_NODE_INDEX .GitLab., "),
        ({"JOB_COMPLETION_INDEX": "0"}, "JOB_COMPLETIONS is not set; set it to the number of jobs"),
        ({"CI_NODE_INDEX": "x", "CI_NODE_TOTAL": "4"}, "CI_NODE_INDEX='x' and .* whole numbers"),
        ({"CI_NODE_INDEX": "5", "CI_NODE_TOTAL": "4"}, "shard '5/4': expected i/n"),
    ],
)
def test_a_job_without_a_number_is_one_line(variables: dict[str, str], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        shard_of_ci(variables)


def test_weights_are_the_median_time_of_each_cell(tmp_path: Path) -> None:
    path = tmp_path / "benchmark.json"
    path.write_text(JsonReport().render(result([trial(k) for k in (1, 5, 9)], [])))
    weights = Weights.read(path)
    assert weights.milliseconds == {"s-f-replay-none": 5}
    assert Weights({"s-f-replay-none": 5.0}).digest == weights.digest
    assert Weights({"s-f-replay-none": 6.0}).digest != weights.digest


def test_every_trial_is_in_one_shard_and_the_shards_take_equally_long() -> None:
    rng = Random(3)
    trials = [Trial(Cell("s", "f", "replay", f"c{k}"), 0) for k in range(60)]
    times = {one.cell.cell_id: rng.uniform(1, 100) for one in trials[:50]}
    weights = Weights(times)
    parts = [weights.part(trials, Shard(k, 4)) for k in (1, 2, 3, 4)]
    ids = [one.trial_id for part in parts for one in part]
    assert sorted(ids) == sorted(one.trial_id for one in trials)
    known = [sum(times.get(one.cell.cell_id, 50) for one in part) for part in parts]
    assert max(known) - min(known) < max(times.values())
    assert all(part == [one for one in trials if one in part] for part in parts), "in their order"


def test_a_longer_list_of_shards_than_trials_leaves_some_empty() -> None:
    one = [Trial(Cell("s", "f", "replay", "c"), 0)]
    parts = [Weights({}).part(one, Shard(k, 3)) for k in (1, 2, 3)]
    assert [len(part) for part in parts] == [1, 0, 0]
