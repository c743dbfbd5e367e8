"""``run`` and ``benchmark``: pytest with the options of a run."""

from __future__ import annotations

import argparse
import json

from pytest_execgo.models.benchmark import BenchmarkResult
from pytest_execgo.models.document import load
from pytest_execgo.options.table import OPTIONS
from pytest_execgo.plugin.invoke import LastRun, run_pytest

BENCHMARK_REPETITIONS = 5


def run(options: argparse.Namespace) -> int:
    """Call pytest and exit as it does."""
    args: list[str] = []
    for option in OPTIONS:
        found = getattr(options, option.name)
        if option.kind == "flag":
            args += [option.flag] if found else []
            continue
        for word in found if isinstance(found, list) else [found] if found is not None else []:
            args.append(f"{option.flag}={word}")
    if options.benchmark and options.request is None and options.repetitions is None:
        args.append(f"--execgo-repetitions={BENCHMARK_REPETITIONS}")
    if options.workers:
        args += ["-n", options.workers]
    status, last = run_pytest(
        [*args, *options.pytest_args],
        events_to_stdout=options.events == "-",
        quiet_stdout=options.json,
    )
    if options.json:
        print(json.dumps(_outcome(status, last), ensure_ascii=False))
    return status


def replay(options: argparse.Namespace) -> int:
    """Repeat what is recorded in a folder. Exits as pytest does: not with 0 if a trial came out
    otherwise, and neither if it came out as red as it was."""
    args = [f"--execgo-replay={options.folder}", *options.pytest_args]
    status, last = run_pytest(args, events_to_stdout=False, quiet_stdout=options.json)
    if options.json:
        print(json.dumps(_outcome(status, last), ensure_ascii=False))
    return status


def _outcome(status: int, last: LastRun) -> dict[str, object]:
    outcome: dict[str, object] = {"exit_status": status, "run_id": None, "folder": None}
    if last.folder is None:
        return outcome
    outcome |= {"run_id": last.folder.name, "folder": str(last.folder)}
    report = last.folder / "benchmark.json"
    if report.exists():
        result = load(BenchmarkResult, report)
        outcome["trustworthy"] = result.trustworthy
        outcome["cells"] = [
            cell.model_dump(mode="json", include=set(_CELL_FACTS)) for cell in result.cells
        ]
        if result.replays:
            outcome["replays"] = [replay.model_dump(mode="json") for replay in result.replays]
    return outcome


_CELL_FACTS = (
    "cell_id",
    "trials",
    "passed",
    "failed",
    "inconclusive",
    "errors",
    "skipped",
    "known_findings",
)
