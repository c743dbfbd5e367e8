"""``run``, ``benchmark`` and ``replay``: pytest with the options of a run."""

from __future__ import annotations

import argparse
import io
import sys
from contextlib import nullcontext, redirect_stdout
from typing import Any

from pytest_execgo.cli.output import print_json, print_line
from pytest_execgo.models.benchmark import BenchmarkResult
from pytest_execgo.models.document import load
from pytest_execgo.options.table import OPTIONS, Option
from pytest_execgo.plugin.estimate import estimate_run
from pytest_execgo.plugin.invoke import LastRun, run_pytest
from pytest_execgo.plugin.parent import ending_with_parent

BENCHMARK_REPETITIONS = 5


def run(options: argparse.Namespace) -> int:
    """Run the matrix. Exits as pytest does."""
    args = _arguments(options)
    # A request file, a resumed run and a recorded run have their own number of repetitions.
    decided = (options.repetitions, options.request, options.resume, options.replay)
    if options.benchmark and not any(decided):
        args.append(f"--execgo-repetitions={BENCHMARK_REPETITIONS}")
    if options.workers:
        args += ["-n", options.workers]
    args += options.pytest_args
    return _run(args, options, events_to_stdout=options.events == "-")


def estimate(options: argparse.Namespace) -> int:
    """Count the trials of a run without running them. Exits as pytest does if that is not possible."""
    args = _arguments(options)
    if options.workers:
        args += ["-n", options.workers]
    # pytest prints the name of each trial, which is not asked for.
    with redirect_stdout(io.StringIO()) as printed:
        status, found = estimate_run([*args, *options.pytest_args])
    if found is None:
        print(printed.getvalue(), end="", file=sys.stderr)
        return status
    if options.json:
        print_json(found.model_dump(mode="json"))
        return 0
    count = f"{found.trials} trial{'' if found.trials == 1 else 's'}"
    if found.seconds is None:
        print_line(f"{count}; no earlier run tells how long they take")
    else:
        print_line(f"{count}, about {found.seconds:.0f} s by the times of {found.measured_in}")
    return 0


def _arguments(options: argparse.Namespace) -> list[str]:
    return [word for option in OPTIONS for word in _words(option, getattr(options, option.name))]


def _run(args: list[str], options: argparse.Namespace, *, events_to_stdout: bool) -> int:
    with ending_with_parent() if options.stop_with_parent else nullcontext() as watch:
        status, last = run_pytest(
            args,
            events_to_stdout=events_to_stdout,
            quiet_stdout=options.json,
            plugins=[watch] if watch else [],
        )
        if options.json:
            print_json(_outcome(status, last))
    return status


def _words(option: Option, given: Any) -> list[str]:
    """The arguments for pytest that repeat what was given on our command line."""
    if option.kind == "flag":
        return [option.flag] if given else []
    texts = given if isinstance(given, list) else [] if given is None else [given]
    # With "=", because a value may begin with "-".
    return [f"{option.flag}={text}" for text in texts]


def replay(options: argparse.Namespace) -> int:
    """Repeat the recorded trials of a folder. Exits as pytest does: with 0 only if every trial passed
    and equals its recording."""
    args = [f"--execgo-replay={options.folder}", *options.pytest_args]
    return _run(args, options, events_to_stdout=options.events == "-")


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
