"""Which trials a run consists of: cells, repetitions, ids, shards."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pytest_execgo.errors import UsageError
from pytest_execgo.models.plan import Mode


@dataclass(frozen=True)
class Cell:
    """Scenario × framework × mode × chaos profile."""

    scenario: str
    framework: str
    mode: Mode
    chaos: str

    @property
    def cell_id(self) -> str:
        """``<scenario>-<framework>-<mode>-<chaos>``."""
        return f"{self.scenario}-{self.framework}-{self.mode}-{self.chaos}"

    @classmethod
    def parse(cls, cell_id: str) -> Cell:
        """The cell of an id; only the framework's name may hold hyphens."""
        scenario, _, rest = cell_id.partition("-")
        framework, mode, chaos = rest.rsplit("-", 2)
        return cls(scenario, framework, "live" if mode == "live" else "replay", chaos)

    @classmethod
    def of_trial(cls, trial_id: str) -> Cell:
        """The cell of a trial's id, ``<cell_id>-r<k>``."""
        return cls.parse(trial_id.rpartition("-r")[0])


@dataclass(frozen=True)
class Trial:
    """One repetition of a cell: one pytest item.

    ``caller`` is the node id of the test that asked for it, if one did. ``rng_override`` replaces the
    trial id as the key of the random draws, for trials whose number depends on what ran before.
    """

    cell: Cell
    repetition: int
    rng_override: str = ""
    caller: str = ""

    @property
    def rng_key(self) -> str:
        """The key of its random draws: the same key and seed give the same faults."""
        return self.rng_override or self.trial_id

    @property
    def trial_id(self) -> str:
        """``<cell_id>-r<k>``."""
        return f"{self.cell.cell_id}-r{self.repetition}"

    @property
    def item_name(self) -> str:
        """The part of the pytest id behind the scenario's file."""
        cell = self.cell
        return f"{cell.framework}-{cell.mode}-{cell.chaos}-r{self.repetition}"

    def renamed(self, scenario: str) -> Trial:
        """The trial with another name of its scenario. Its random draws stay the same."""
        if scenario == self.cell.scenario:
            return self
        return replace(self, cell=replace(self.cell, scenario=scenario), rng_override=self.rng_key)


def is_trial_id(text: str) -> bool:
    """Whether ``text`` has the form of a trial's id."""
    return re.fullmatch(r"[^-/]+-[^/]+-(replay|live)-[^-/]+-r[0-9]+", text) is not None


def trials_of(cells: Iterable[Cell], repetitions: int) -> list[Trial]:
    """All repetitions of all cells, cell by cell."""
    return [Trial(cell, k) for cell in cells for k in range(repetitions)]


@dataclass(frozen=True)
class Shard:
    """Part ``index`` (from 1) of ``count``: every trial is in exactly one part."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """``i/n`` with 1 <= i <= n; raises :class:`UsageError`."""
        found = re.fullmatch(r"([0-9]+)/([0-9]+)", text)
        if found and 1 <= int(found[1]) <= int(found[2]):
            return cls(int(found[1]), int(found[2]))
        raise UsageError(f"shard {text!r}: expected i/n with 1 <= i <= n, as in 2/4")

    def of(self, trials: Sequence[Trial]) -> list[Trial]:
        """Its trials: every ``count``-th, so that the cells of one scenario spread evenly."""
        return [trial for k, trial in enumerate(trials) if k % self.count == self.index - 1]
