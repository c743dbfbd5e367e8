"""Cells, trial ids, shards."""

from __future__ import annotations

import pytest

from pytest_execgo.errors import UsageError
from pytest_execgo.models.trial import Cell, Shard, trials_of

CELLS = [Cell(f"s{i}", "pydantic-ai", "replay", "none") for i in range(5)]


def test_ids() -> None:
    trial = trials_of(CELLS, 2)[1]
    assert trial.trial_id == "s0-pydantic-ai-replay-none-r1"
    assert trial.item_name == "pydantic-ai-replay-none-r1"


def test_a_cell_can_be_read_from_its_id() -> None:
    assert Cell.parse(CELLS[3].cell_id) == CELLS[3]


def test_shards_are_a_partition() -> None:
    trials = trials_of(CELLS, 3)
    parts = [Shard.parse(f"{i}/4").of(trials) for i in range(1, 5)]
    assert sorted(t.trial_id for part in parts for t in part) == sorted(t.trial_id for t in trials)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "a/b", "1/2/3", "-1/2"])
def test_a_bad_shard_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected i/n"):
        Shard.parse(text)
