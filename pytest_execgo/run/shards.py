"""The part of the trials that a CI job runs, numbered by the CI system and divided by times."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from pytest_execgo.errors import UsageError
from pytest_execgo.models.benchmark import BenchmarkResult
from pytest_execgo.models.document import load
from pytest_execgo.models.trial import Shard, Trial

AUTO = "auto"


@dataclass(frozen=True)
class _CiSystem:
    """The variables with the number of a job and the number of all jobs; ``first`` is the number of the
    first job."""

    name: str
    index: str
    count: str
    first: int


_SYSTEMS = (
    _CiSystem("GitLab", "CI_NODE_INDEX", "CI_NODE_TOTAL", 1),
    _CiSystem("CircleCI", "CIRCLE_NODE_INDEX", "CIRCLE_NODE_TOTAL", 0),
    _CiSystem("Buildkite", "BUILDKITE_PARALLEL_JOB", "BUILDKITE_PARALLEL_JOB_COUNT", 0),
    _CiSystem("GitHub Actions", "STRATEGY_JOB_INDEX", "STRATEGY_JOB_TOTAL", 0),
    _CiSystem("a Kubernetes Indexed Job", "JOB_COMPLETION_INDEX", "JOB_COMPLETIONS", 0),
)


def shard_of_ci(environment: Mapping[str, str]) -> str:
    """``i/n`` of the CI job with these variables; raises :class:`UsageError` without one."""
    for system in _SYSTEMS:
        if system.index not in environment:
            continue
        if system.count not in environment:
            raise UsageError(
                f"--execgo-shard auto: {system.name} sets {system.index}, but {system.count} is not "
                "set; set it to the number of jobs"
            )
        index, count = environment[system.index], environment[system.count]
        if not (index.isdecimal() and count.isdecimal()):
            raise UsageError(
                f"--execgo-shard auto: {system.index}={index!r} and {system.count}={count!r} must be "
                "whole numbers"
            )
        text = f"{int(index) - system.first + 1}/{int(count)}"
        Shard.parse(text)
        return text
    names = ", ".join(f"{system.index} ({system.name})" for system in _SYSTEMS)
    raise UsageError(f"--execgo-shard auto: no CI job is known here; it needs one of {names}")


@dataclass(frozen=True)
class Weights:
    """How long trials took in an earlier run, by cell, in milliseconds."""

    milliseconds: Mapping[str, float]

    @classmethod
    def read(cls, path: Path) -> Weights:
        """The weights of a ``benchmark.json``; raises :class:`UsageError`."""
        found: dict[str, list[float]] = {}
        for trial in load(BenchmarkResult, path).trials:
            found.setdefault(trial.cell_id, []).append(trial.metrics.wall_time_ms)
        return cls({cell: round(median(times), 3) for cell, times in sorted(found.items())})

    @property
    def digest(self) -> str:
        """Equal for equal weights: all shards of a run must have the same."""
        text = json.dumps(self.milliseconds, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def part(self, trials: Sequence[Trial], shard: Shard) -> list[Trial]:
        """The trials of one shard, in their order: the longest ones are dealt first, each to the shard
        with the least time. A cell without a time counts as the median of the others."""
        other = median(self.milliseconds.values()) if self.milliseconds else 1.0
        times = [self.milliseconds.get(trial.cell.cell_id, other) for trial in trials]
        loads = [0.0] * shard.count
        owner: dict[int, int] = {}
        for position in sorted(range(len(trials)), key=lambda k: (-times[k], k)):
            least = min(range(shard.count), key=lambda k: (loads[k], k))
            loads[least] += times[position]
            owner[position] = least
        return [trial for k, trial in enumerate(trials) if owner[k] == shard.index - 1]
