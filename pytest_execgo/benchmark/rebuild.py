"""The result of a run from its folder alone: for the plugin, ``report`` and ``merge``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_execgo.benchmark.aggregate import RunFacts, aggregate
from pytest_execgo.benchmark.collect import collect, unfinished
from pytest_execgo.benchmark.gates import judge_again, not_judged
from pytest_execgo.errors import UsageError
from pytest_execgo.files.writing import write_model, writing
from pytest_execgo.models.benchmark import BenchmarkResult
from pytest_execgo.models.comparison import Comparison
from pytest_execgo.models.document import load
from pytest_execgo.models.gate import GateRecord
from pytest_execgo.models.run_record import RunRecord

RUN_RECORD = "run.json"
COMPARISON = "comparison.json"


@dataclass(frozen=True)
class RebuiltRun:
    """The result of a run. ``damaged``: one line for each result of a trial that cannot be used."""

    result: BenchmarkResult
    damaged: tuple[str, ...]


def rebuild(folder: Path, record: RunRecord | None = None) -> RebuiltRun:
    """Read a folder ``reports/<run_id>``; raises :class:`UsageError` with one line for a document that
    is missing or not valid, other than a result of a trial. ``record``: what its ``run.json`` says, if
    that is known."""
    run = read_run_record(folder) if record is None else record
    found = collect(folder)
    ends = {name: (end.state, end.reason) for name, end in run.ends.items()}
    missing = unfinished(folder, run.planned, ends, found.damaged)
    without = {trial.trial_id for trial in missing}
    facts = RunFacts(
        run_id=found.run_id,
        request=found.request,
        environment=found.environment,
        trials=[trial for trial in found.trials if trial.trial_id not in without],
        unfinished=missing,
        not_applicable=run.not_applicable,
        findings={name: (one.reason, one.summary) for name, one in run.findings.items()},
        controls=found.controls,
        replays=run.replays,
        faults={
            name: [(one.fault, one.phase) for one in places] for name, places in run.faults.items()
        },
        attempts=found.attempts,
    )
    result = aggregate(facts)
    update = {
        "gates": tuple(_gates(run, result)),
        "comparison": _comparison(folder / COMPARISON),
    }
    return RebuiltRun(result.model_copy(update=update), tuple(found.damaged.values()))


def _gates(run: RunRecord, result: BenchmarkResult) -> Iterator[GateRecord]:
    """A gate is about the whole run: a shard says nothing about it."""
    if not run.shards:
        return judge_again(run.gates, result)
    names = sorted(gate.expression for gate in run.gates)
    return (not_judged(name, "judged when the shards are merged") for name in names)


def _comparison(path: Path) -> Comparison | None:
    return load(Comparison, path) if path.exists() else None


def read_run_record(folder: Path) -> RunRecord:
    """The ``run.json`` of a run; an empty one for a run without it."""
    path = folder / RUN_RECORD
    return load(RunRecord, path) if path.exists() else RunRecord()


def write_run_record(folder: Path, record: RunRecord) -> None:
    """Write ``run.json``; raises :class:`HarnessError`."""
    write_model(folder / RUN_RECORD, record)


def forget_comparison(folder: Path) -> None:
    """Remove the comparison of a run that goes on: it is about the trials of then."""
    for path in (folder / COMPARISON, folder / "comparison.md"):
        with writing(path):
            path.unlink(missing_ok=True)


def load_result(place: Path) -> BenchmarkResult:
    """The result of the run in a folder, or of a ``benchmark.json``; raises :class:`UsageError`."""
    if not place.is_dir():
        return load(BenchmarkResult, place)
    # Through the link ``latest``, the id of the run is the name of its folder.
    rebuilt = rebuild(place.resolve())
    if rebuilt.damaged:
        raise UsageError(rebuilt.damaged[0])
    return rebuilt.result
