"""One run from several: shards, workers on other machines, and the parts of interrupted runs.

The result does not depend on the order of the parts, on how they were merged before, or on parts that
are given twice. Every choice between equal parts is made by content.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from pytest_execgo.benchmark.attempts import PROBLEM, RESULT, has_record
from pytest_execgo.benchmark.collect import read_results
from pytest_execgo.benchmark.gates import not_judged
from pytest_execgo.benchmark.rebuild import RUN_RECORD, read_run_record, write_run_record
from pytest_execgo.errors import UsageError
from pytest_execgo.files.writing import make_folder, write_model, writing
from pytest_execgo.models.benchmark import ControlRecord
from pytest_execgo.models.document import load, shown
from pytest_execgo.models.environment import Environment
from pytest_execgo.models.gate import GateRecord
from pytest_execgo.models.messages import show
from pytest_execgo.models.request import BenchmarkRunRequest
from pytest_execgo.models.run_record import RunRecord, TrialEnd
from pytest_execgo.models.trial import is_trial_id
from pytest_execgo.models.trial_result import TrialResult

_REQUEST, _ENVIRONMENT, _CONTROL = "request.json", "environment.json", "control.json"
_STATES = ("error", "skipped", "not_needed", "not_run")
"""The end that counts if no part has a result: the first one."""

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class RunPart:
    """The folder of a run, read. ``results`` by trial id; a damaged one is absent, and named in
    ``damaged``."""

    folder: Path
    request: BenchmarkRunRequest
    environment: Environment
    record: RunRecord
    results: Mapping[str, TrialResult]
    damaged: tuple[str, ...]

    @classmethod
    def read(cls, folder: Path) -> RunPart:
        """Raises :class:`UsageError` with one line for a document of the run that cannot be read."""
        results, damaged = read_results(folder)
        for path in sorted(folder.glob(f"controls/*/{_CONTROL}")):
            load(ControlRecord, path)
        return cls(
            folder,
            load(BenchmarkRunRequest, folder / _REQUEST),
            load(Environment, folder / _ENVIRONMENT),
            read_run_record(folder),
            {result.trial_id: result for result in results},
            tuple(damaged.values()),
        )

    @property
    def shards(self) -> tuple[str, ...]:
        """The shards that it holds; empty for a whole run."""
        own = (self.request.shard,) if self.request.shard else ()
        return self.record.shards or own

    def trial_folders(self) -> Iterator[Path]:
        """The folders of the trials that left a record."""
        for path in sorted(self.folder.glob("trials/*")):
            if is_trial_id(path.name) and has_record(path):
                yield path


def find_runs(places: Iterable[Path]) -> list[Path]:
    """The folders of runs at these places, at any depth, each once; raises :class:`UsageError` for a
    place without one."""
    found: dict[Path, Path] = {}
    for place in places:
        here = list(_runs_below(place))
        if not here:
            raise UsageError(
                f"{place}: no run there; give folders reports/RUN, or folders above them"
            )
        for path in here:
            found.setdefault(path.resolve(), path)
    return list(found.values())


def _runs_below(place: Path) -> Iterator[Path]:
    """A workspace of a task may look like a run, so nothing below a run is searched. Links are left out:
    ``latest`` is one."""
    if (place / _REQUEST).is_file() and (
        (place / RUN_RECORD).is_file() or (place / "trials").is_dir()
    ):
        yield place
    elif place.is_dir():
        for path in sorted(place.iterdir()):
            if path.is_dir() and not path.is_symlink():
                yield from _runs_below(path)


def merge(parts: Sequence[RunPart], target: Path, *, partial: bool = False) -> None:
    """Make the folder of one run from ``parts``. ``partial``: shards may be missing.

    Raises :class:`UsageError` with one line that names both sides if the parts do not belong together,
    and :class:`HarnessError` if the folder cannot be written; then there is no folder.
    """
    if target.exists():
        raise UsageError(f"{shown(target)} exists already; choose another folder with -o")
    ordered = sorted(parts, key=lambda part: _canonical(part.record) + str(part.folder))
    _check_alike(ordered)
    shards = _shards(ordered, partial=partial)
    chosen = _chosen_trials(ordered)
    make_folder(target.parent)
    with writing(target):
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        _write(temporary, ordered, shards, chosen)
        with writing(target):
            temporary.chmod(0o700)
            temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write(
    folder: Path, parts: Sequence[RunPart], shards: tuple[str, ...], chosen: Mapping[str, Path]
) -> None:
    whole = parts[0].request.model_copy(update={"shard": None})
    write_model(folder / _REQUEST, whole)
    write_model(folder / _ENVIRONMENT, _least([part.environment for part in parts]))
    write_run_record(folder, _record(parts, shards, chosen))
    with writing(folder):
        for trial_id, source in sorted(chosen.items()):
            shutil.copytree(source, folder / "trials" / trial_id, symlinks=True)
        for name, source in _controls(parts):
            shutil.copytree(source, folder / "controls" / name, symlinks=True, dirs_exist_ok=True)


def _record(
    parts: Sequence[RunPart], shards: tuple[str, ...], chosen: Mapping[str, Path]
) -> RunRecord:
    records = [part.record for part in parts]
    finished = {name for name, path in chosen.items() if _is_finished(path)}
    ends: dict[str, TrialEnd] = {}
    for record in records:
        for name, end in record.ends.items():
            if name not in finished:
                ends[name] = min((ends.get(name, end), end), key=_rank)
    return RunRecord(
        planned=tuple(sorted({name for record in records for name in record.planned})),
        shards=shards,
        ends=dict(sorted(ends.items())),
        not_applicable=_distinct(pair for record in records for pair in record.not_applicable),
        findings=_merged([record.findings for record in records]),
        faults=_merged([record.faults for record in records]),
        replays=_distinct(one for record in records for one in record.replays),
        gates=_gates(records),
    )


def _gates(records: Sequence[RunRecord]) -> tuple[GateRecord, ...]:
    """Each expression once. What a change came to in a part says nothing about the whole."""
    names = sorted({gate.expression for record in records for gate in record.gates})
    return tuple(map(not_judged, names))


def _rank(end: TrialEnd) -> tuple[int, str]:
    return _STATES.index(end.state), end.reason


def _distinct(values: Iterable[M]) -> tuple[M, ...]:
    found = {_canonical(value): value for value in values}
    return tuple(found[key] for key in sorted(found))


def _merged(tables: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Each name with its value; of several values, the first one in the order of their texts."""
    found: dict[str, Any] = {}
    for table in tables:
        for name, value in table.items():
            found[name] = min((found.get(name, value), value), key=repr)
    return dict(sorted(found.items()))


def _least(values: Sequence[M]) -> M:
    return min(values, key=_canonical)


def _canonical(value: BaseModel) -> str:
    return json.dumps(value.model_dump(mode="json"), sort_keys=True)


# -- what belongs together


def _check_alike(parts: Sequence[RunPart]) -> None:
    """Raise :class:`UsageError` for parts with other requests or other services than the first one."""
    first = parts[0]
    for other in parts[1:]:
        for name, mine, theirs in _differences(first, other):
            raise UsageError(
                f"{shown(first.folder)} and {shown(other.folder)} are parts of different runs: "
                f"{name} is {show(mine)} and {show(theirs)}"
            )


def _differences(one: RunPart, other: RunPart) -> Iterator[tuple[str, Any, Any]]:
    requests = (part.request.model_dump(mode="json", exclude={"shard"}) for part in (one, other))
    mine, theirs = requests
    for key in mine:
        if mine[key] != theirs[key]:
            yield f"{_REQUEST}: {key}", mine[key], theirs[key]
    for name in sorted({*one.environment.services, *other.environment.services}):
        infos = [part.environment.services.get(name) for part in (one, other)]
        if None in infos:
            # A part in which no trial ran started no fleet.
            continue
        for key in ("launcher", "version", "digest"):
            values = [getattr(info, key) for info in infos]
            if values[0] != values[1]:
                yield f"{_ENVIRONMENT}: {key} of {name}", *values


def _shards(parts: Sequence[RunPart], *, partial: bool) -> tuple[str, ...]:
    """The shards of the merged run; empty if they are the whole."""
    if not all(part.shards for part in parts):
        return ()
    held = sorted({shard for part in parts for shard in part.shards}, key=_numbers)
    counts = sorted({_numbers(shard)[1] for shard in held})
    if len(counts) > 1:
        names = [next(s for s in held if _numbers(s)[1] == count) for count in counts[:2]]
        raise UsageError(f"shards {names[0]} and {names[1]} are parts of different divisions")
    (count,) = counts
    missing = [f"{k}/{count}" for k in range(1, count + 1) if f"{k}/{count}" not in held]
    if not missing:
        return ()
    if not partial:
        raise UsageError(
            f"shard {', '.join(missing)} is missing (given: {', '.join(held)}); add its folder, or "
            "merge without it: --partial"
        )
    return tuple(held)


def _numbers(shard: str) -> tuple[int, int]:
    index, _, count = shard.partition("/")
    return int(index), int(count)


def _chosen_trials(parts: Sequence[RunPart]) -> dict[str, Path]:
    """The folder of each trial: one with a result, else one with a problem."""
    finished: dict[str, tuple[str, Path]] = {}
    others: dict[str, list[Path]] = {}
    for part in parts:
        for path in part.trial_folders():
            result = part.results.get(path.name)
            if result is None:
                others.setdefault(path.name, []).append(path)
                continue
            content = _canonical(result)
            before = finished.setdefault(path.name, (content, path))
            if before[0] != content:
                raise UsageError(
                    f"{shown(before[1])} and {shown(path)} are the same trial with different "
                    "results; leave out one of them"
                )
    chosen = {name: path for name, (_, path) in finished.items()}
    for name, paths in others.items():
        if name not in chosen:
            chosen[name] = min(paths, key=_content)
    return chosen


def _is_finished(folder: Path) -> bool:
    return (folder / RESULT).exists() and not (folder / PROBLEM).exists()


def _controls(parts: Sequence[RunPart]) -> Iterator[tuple[str, Path]]:
    """Each control under a name that depends on its record alone: several processes ran them."""
    for part in parts:
        for path in sorted(part.folder.glob(f"controls/*/{_CONTROL}")):
            # The name was checked when the part was read, and may be that of an extension.
            name = re.sub(r"[^A-Za-z0-9_-]", "_", load(ControlRecord, path).name)[:80]
            yield f"{name}-{_content(path.parent)[:12]}", path.parent


def _content(folder: Path) -> str:
    """The digest of the documents of a record."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.json*")):
        digest.update(f"{path.name}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
