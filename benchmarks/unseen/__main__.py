"""How often attribution is wrong about faults that no rule was written for.

    python -m benchmarks.unseen --repetitions 3 > table.md

The services run behind fronts that corrupt answers; other faults affect the machine and the plan. Prints
a Markdown table: for each kind, how often the right layer was named, and how often with the right code;
how often attribution abstained, was wrong but unsure, and wrong and certain. ``harmless``: nothing
failed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from unittest.mock import patch

import psutil
from tabulate import tabulate

from benchmarks.unseen.fleet_site import Listener, Site
from benchmarks.unseen.front import Front
from benchmarks.unseen.kinds import Kind, kinds
from benchmarks.unseen.right_codes import right_codes
from pytest_execgo.extensions.registry import Registry
from pytest_execgo.harness.fleet import FleetSpec
from pytest_execgo.models.events import Event
from pytest_execgo.models.request import BenchmarkRunRequest
from pytest_execgo.models.trial_result import TrialResult
from pytest_execgo.models.verdict import Attribution
from pytest_execgo.observability.recorder import TimelineRecorder
from pytest_execgo.run import trial as trial_module
from pytest_execgo.run.baseline import TRIALS
from pytest_execgo.run.matrix import Matrix
from pytest_execgo.run.session import RunSession
from pytest_execgo.run.settings import Run
from pytest_execgo.scenario.library import Library, builtin_folder
from tests.processes import started

COLUMNS = ("right layer", "abstained", "wrong, unsure", "wrong and certain", "harmless")
_DISK_MB = 4
_OF_ROOT = (
    "no_space", "read_only", "no_inodes", "scratch_full", "output_immutable", "locked_and_dropped",
)  # fmt: skip
"""Kinds that mount a disk or lock a file; left out for a user who cannot."""
_ANY = "127.0.0.1:0"
_PROGRAMS = (
    ("fixtures", "fixtures_server", ["--port", "0"]),
    (
        "runtime",
        "pytest_execgo.emulators.runtime",
        ["--listen-addr", _ANY, "--data-dir", "runtime"],
    ),
    ("execgo", "pytest_execgo.emulators.execgo", ["-addr", _ANY, "-data-dir", "execgo"]),
)
E = TypeVar("E", bound=Event)


class _WatchedRecorder(TimelineRecorder):
    """Tells faults about events, with the workspace of the running trial."""

    listeners: ClassVar[list[Listener]] = []
    workspace: ClassVar[Path] = Path()

    def add(self, event: E, at_ms: float | None = None) -> E:
        """Call the listeners before the event is recorded."""
        for listener in tuple(self.listeners):
            listener(event, self.workspace)
        return super().add(event, at_ms)


@dataclass(frozen=True)
class Outcome:
    """What attribution made of one trial; ``column`` is one of :data:`COLUMNS`.

    ``has_right_code``: the layer is right, and so is the code.
    """

    kind: str
    scenario: str
    column: str
    causes: str
    has_right_code: bool = False


def main() -> int:
    """Print the table; 1 if any trial was wrong and certain."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--only", action="append", default=[], help="kinds that contain this text")
    parser.add_argument(
        "--batch", type=int, action="append", default=[], choices=(1, 2, 3, 4, 5, 6)
    )
    parser.add_argument(
        "--clean-first", action="store_true", help="run two clean trials of each plan first"
    )
    options = parser.parse_args()
    chosen = [
        kind
        for kind in kinds()
        if (not options.only or any(o in kind.name for o in options.only))
        and (not options.batch or kind.batch in options.batch)
    ]
    outcomes: list[Outcome] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="unseen-")))
        disk = stack.enter_context(_small_disk(folder / "disk"))
        tempfile.tempdir = str(disk) if disk else None
        stack.enter_context(patch.object(trial_module, "TimelineRecorder", _WatchedRecorder))
        for kind in chosen:
            if disk is not None or kind.name not in _OF_ROOT:
                outcomes += _outcomes(kind, options, folder, disk)
        tempfile.tempdir = None
    print(_table(chosen, outcomes))
    return int(any(one.column == "wrong and certain" for one in outcomes))


def _outcomes(
    kind: Kind, options: argparse.Namespace, folder: Path, disk: Path | None
) -> Iterator[Outcome]:
    """The trials of one kind, on services of its own: a fault may end them."""
    for scenario in kind.scenarios:
        with (
            _services(Path(tempfile.mkdtemp(dir=folder)), disk) as site,
            _session(folder, kind, scenario, site) as session,
        ):
            for _ in range(TRIALS * options.clean_first):
                session.run_cell(scenario, framework="reference", chaos="none")
            for _ in range(options.repetitions):
                found = _trial(session, kind, scenario, site)
                code = ", right code" if found.has_right_code else ""
                print(
                    f"{found.kind} {scenario} {found.column}{code} {found.causes}",
                    file=sys.stderr, flush=True,
                )  # fmt: skip
                yield found


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path | None]:
    """A disk of a few megabytes; ``None`` where this user cannot mount one."""
    folder.mkdir()
    size = f"size={_DISK_MB}m"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], check=False, capture_output=True
    )
    try:
        yield folder if done.returncode == 0 else None
    finally:
        if done.returncode == 0:
            subprocess.run(["umount", "-l", folder], check=True)


@contextmanager
def _services(folder: Path, disk: Path | None) -> Iterator[Site]:
    with ExitStack() as stack:
        stack.callback(_end_tasks, folder)
        fronts: dict[str, Front] = {}
        pids: dict[str, int] = {}
        for service, module, words in _PROGRAMS:
            behind = {"EXECGO_RUNTIME_URL": fronts["runtime"].url} if service == "execgo" else {}
            before = set(psutil.Process().children())
            ready = stack.enter_context(started(module, folder, *words, **behind))
            (process,) = set(psutil.Process().children()) - before
            fronts[service] = stack.enter_context(Front(ready["url"]))
            pids[service] = process.pid
        yield Site(fronts, pids, disk, _WatchedRecorder.listeners)


def _end_tasks(folder: Path) -> None:
    """End the scripts that still run when their runtime has ended, such as an endless loop."""
    for process in psutil.process_iter(["cmdline"]):
        if any(str(folder) in word for word in process.info["cmdline"] or ()):
            with suppress(psutil.Error):
                process.kill()


@contextmanager
def _session(folder: Path, kind: Kind, scenario: str, site: Site) -> Iterator[RunSession]:
    scenarios = builtin_folder()
    if kind.edit:
        scenarios = folder / f"scenarios-{kind.name}"
        shutil.copytree(builtin_folder() / scenario, scenarios / scenario, dirs_exist_ok=True)
        plan = scenarios / scenario / "plan.yaml"
        text = plan.read_text()
        assert kind.edit[0] in text
        plan.write_text(text.replace(*kind.edit))
    request = BenchmarkRunRequest()
    matrix = Matrix(Library(scenarios), Registry.build(), request)
    choices = tuple((name, f"external:{front.url}") for name, front in site.fronts.items())
    reports = folder / "reports"
    run = Run(request, folder, reports, f"{kind.name}-{scenario}", fleet=FleetSpec(choices=choices))
    session = RunSession(run, matrix)
    session.ensure_fleet()
    try:
        yield session
    finally:
        session.close()


def _trial(session: RunSession, kind: Kind, scenario: str, site: Site) -> Outcome:
    trial_id = f"{scenario}-reference-replay-none-r"
    # The next repetition.
    number = 0
    while session.run.trial_folder(f"{trial_id}{number}").exists():
        number += 1
    _WatchedRecorder.workspace = session.fleet.work_root / f"{trial_id}{number}"
    with kind.inject(site) if kind.inject else nullcontext():
        try:
            result = session.run_cell(scenario, framework="reference", chaos="none")
        except Exception as error:
            return Outcome(
                kind.name, scenario, "abstained", f"{type(error).__name__}: {str(error)[:90]}"
            )
    column = _column(kind, result, session)
    code = _blamed(result).code
    has_right_code = column == "right layer" and any(
        fnmatchcase(code, pattern) for pattern in right_codes(kind.name)
    )
    return Outcome(kind.name, scenario, column, _causes(result), has_right_code)


def _column(kind: Kind, result: TrialResult, session: RunSession) -> str:
    causes = result.verdict.attribution
    lines = (session.run.trial_folder(result.trial_id) / "timeline.jsonl").read_text().splitlines()
    types = Counter(json.loads(line)["event_type"] for line in lines)
    quiet = result.verdict.status == "passed" and causes[0].layer in ("none", "unknown")
    if quiet and not types["resubmitted"]:
        if kind.name != "driver_stopped":
            return "harmless"
        return "abstained" if causes[0].layer == "unknown" else "wrong and certain"
    if any(
        c.confidence == "certain" and not c.mitigated and c.layer not in kind.right for c in causes
    ):
        return "wrong and certain"
    layer = _blamed(result).layer
    if layer in kind.right:
        return "right layer"
    if layer in ("unknown", "none"):
        return "abstained"
    return "wrong, unsure"


def _blamed(result: TrialResult) -> Attribution:
    """The first cause from which the trial did not recover, or else the first."""
    causes = result.verdict.attribution
    return next((cause for cause in causes if not cause.mitigated), causes[0])


def _causes(result: TrialResult) -> str:
    return (
        result.verdict.status
        + " "
        + ", ".join(
            f"{c.layer}/{c.code} {c.confidence}{' mitigated' if c.mitigated else ''}"
            for c in result.verdict.attribution
        )
    )


def _table(chosen: list[Kind], outcomes: list[Outcome]) -> str:
    rows = [_row(kind.name, [o for o in outcomes if o.kind == kind.name]) for kind in chosen]
    rows.append(_row("all", outcomes))
    names = (COLUMNS[0], "right code", *COLUMNS[1:])
    table = tabulate(rows, ["kind", "trials", *names], tablefmt="github")
    *counts, harmless = rows[-1][2:]
    harmful = len(outcomes) - harmless
    shares = ", ".join(
        f"{name} {count / max(1, harmful):.0%}" for name, count in zip(names, counts, strict=False)
    )
    return f"{table}\n\nOf {harmful} harmful trials: {shares}."


def _row(name: str, outcomes: list[Outcome]) -> list[Any]:
    counts = Counter(one.column for one in outcomes)
    codes = sum(one.has_right_code for one in outcomes)
    layer, *others = (counts[column] for column in COLUMNS)
    return [name, len(outcomes), layer, codes, *others]


if __name__ == "__main__":
    sys.exit(main())
