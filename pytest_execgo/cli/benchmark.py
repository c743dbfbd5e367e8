"""``report``, ``merge``, ``compare`` and ``matrix``: work on the folders of runs, without pytest."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pytest_execgo.benchmark.compare import compare, is_worse
from pytest_execgo.benchmark.gates import gate_line, parse_gate
from pytest_execgo.benchmark.merge import RunPart, find_runs, merge
from pytest_execgo.benchmark.rebuild import RebuiltRun, load_result, rebuild
from pytest_execgo.benchmark.reports.comparison import (
    HEADERS,
    change_lines,
    comparison_markdown,
    metric_rows,
    success_gate_line,
)
from pytest_execgo.benchmark.reports.github import step_summary
from pytest_execgo.benchmark.reports.writing import write_reports
from pytest_execgo.benchmark.viewer.page import DEFAULT_BUDGET_MIB, RunWithRecords, index_html
from pytest_execgo.cli.output import print_error, print_json, print_line, print_table
from pytest_execgo.errors import UsageError
from pytest_execgo.extensions.registry import Registry
from pytest_execgo.files.writing import append_text, write_text
from pytest_execgo.models.benchmark import BenchmarkResult
from pytest_execgo.models.comparison import Comparison
from pytest_execgo.options.values import Decimal
from pytest_execgo.plugin.project import project_registry

WORSE = 11
"""The exit code for a run that is worse than its base, or that a gate blocks."""
_PAGE_OF_RUNS = "html"
"""In place of the first run: ``report html RUN... -o FILE``."""
_MOST_SHARDS = 256
"""As many jobs as a matrix of GitHub may have."""


def report(options: argparse.Namespace) -> int:
    """Write the reports of each run anew. Exit 2 if a run or a result of a trial cannot be read; the
    others are written. Exit 11 if a gate of a run blocks."""
    if options.runs[0] == _PAGE_OF_RUNS:
        return _page_of_runs(options)
    if options.output:
        raise UsageError(
            "-o is for one page of several runs: python -m pytest_execgo report html RUN... -o FILE"
        )
    registry, written, status = project_registry(), [], 0
    budget = Decimal().read("--html-budget", options.html_budget)
    for folder in find_runs(map(Path, options.runs)):
        try:
            rebuilt = rebuild(folder)
        except UsageError as error:
            print_error(error)
            status = 2
            continue
        if not _write(folder, rebuilt, registry, budget):
            status = 2
        written.append(_facts(folder, rebuilt))
        if options.summary:
            append_text(Path(options.summary), step_summary(rebuilt.result))
    _show(written, options.json)
    blocked = any(facts["blocking"] for facts in written)
    return status or (WORSE if blocked else 0)


def _page_of_runs(options: argparse.Namespace) -> int:
    """``report html A B -o FILE``: one page of several runs, of which the last is compared with each
    earlier one."""
    places = list(map(Path, options.runs[1:]))
    if not places or not options.output:
        raise UsageError(
            "report html needs runs and a file: report html RUN... -o FILE; "
            "for a run in a folder html, write ./html"
        )
    if options.summary:
        raise UsageError("--summary is for reports of single runs; leave it out, or leave out html")
    *earlier, last = [load_result(place) for place in places]
    for number, result in enumerate(earlier):
        if result.run_id in {one.run_id for one in (*earlier[number + 1 :], last)}:
            raise UsageError(f"run {result.run_id} is given twice; name each run once")
    budget = Decimal().read("--html-budget", options.html_budget)
    others = [
        RunWithRecords(place, result, compare(result, last))
        for place, result in zip(places, earlier, strict=False)
    ]
    if others:
        last = last.model_copy(update={"comparison": others[-1].comparison})
    target = Path(options.output)
    write_text(target, index_html(places[-1], last, budget, others))
    if options.json:
        print_json({"file": str(target), "runs": [*(one.run_id for one in earlier), last.run_id]})
    else:
        print_line(f"{target}: {len(places)} run{'s' if others else ''}")
    return 0


def merge_runs(options: argparse.Namespace) -> int:
    """Make one run of several. Exit 2 if they do not belong together, or if a result cannot be read."""
    target = Path(options.output)
    parts, status = [], 0
    for folder in find_runs(map(Path, options.runs)):
        try:
            parts.append(RunPart.read(folder))
        except UsageError as error:
            print_error(error)
            status = 2
    if not parts:
        return 2
    merge(parts, target, partial=options.partial)
    for line in sorted({line for part in parts for line in part.damaged}):
        print_error(line)
        status = 2
    rebuilt = rebuild(target)
    if not _write(target, rebuilt, project_registry()):
        status = 2
    _show([_facts(target, rebuilt)], options.json)
    return status


def compare_runs(options: argparse.Namespace) -> int:
    """Compare two runs. Exit 11 if a gate blocks or a metric is worse, 2 for a run that cannot be
    read."""
    margin = _margin(options.margin)
    gates = [parse_gate(text, "--fail-if") for text in options.fail_if or ()]
    base, new = (load_result(Path(place)) for place in (options.base, options.new))
    found = compare(base, new, margin, gates)
    if options.html:
        _write_page(Path(options.html), options, base, new, found)
    if options.markdown:
        write_text(Path(options.markdown), comparison_markdown(found))
    if options.json:
        print_json(found.model_dump(mode="json"))
    else:
        _show_comparison(found)
    return WORSE if is_worse(found) else 0


def _write_page(
    target: Path,
    options: argparse.Namespace,
    base: BenchmarkResult,
    new: BenchmarkResult,
    found: Comparison,
) -> None:
    """One page of both runs. A run that is only a benchmark.json has no records to show."""
    result = new.model_copy(update={"comparison": found})
    other = RunWithRecords(Path(options.base), base, found)
    write_text(target, index_html(Path(options.new), result, others=[other]))


def _margin(text: str) -> float:
    try:
        margin = float(text)
    except ValueError:
        margin = -1
    if not 0 <= margin < 1:
        raise UsageError(f"--margin {text!r}: expected a number from 0 to 1, such as 0.05")
    return margin


def _show_comparison(found: Comparison) -> None:
    print_line(f"{found.new} compared with {found.base}")
    print_line(success_gate_line(found))
    for text in found.warnings:
        print_line(f"note: {text}")
    for gate in found.gates:
        print_line(f"{gate.verdict}: {gate.expression}: {gate.reason}")
    print_table(metric_rows(found), HEADERS)
    for title, names in change_lines(found):
        print_line(f"{title}: {', '.join(names)}")


def ci_matrix(options: argparse.Namespace) -> int:
    """Print the shards as the matrix of a CI system: for GitHub an object with ``include``, else a
    list."""
    text = options.shards
    count = int(text) if text.isascii() and text.isdecimal() else 0
    if not 1 <= count <= _MOST_SHARDS:
        raise UsageError(f"--shards {text!r}: expected a whole number from 1 to {_MOST_SHARDS}")
    shards = [{"shard": f"{k}/{count}"} for k in range(1, count + 1)]
    print_json({"include": shards} if options.format == "github" else shards)
    return 0


def _write(
    folder: Path,
    rebuilt: RebuiltRun,
    registry: Registry,
    html_budget_mib: float = DEFAULT_BUDGET_MIB,
) -> bool:
    """Write every format; whether all could be written and every result could be read."""
    problems = [
        *rebuilt.damaged,
        *write_reports(folder, rebuilt.result, registry.report_formats, html_budget_mib),
    ]
    for line in problems:
        print_error(line)
    return not problems


def _facts(folder: Path, rebuilt: RebuiltRun) -> dict[str, Any]:
    result = rebuilt.result
    return {
        "folder": str(folder),
        "trials": len(result.trials),
        "passed": sum(cell.passed for cell in result.cells),
        "unfinished": len(result.unfinished),
        "trustworthy": result.trustworthy,
        "blocking": [gate_line(gate) for gate in result.gates if gate.verdict == "BLOCK"],
    }


def _show(runs: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json(runs)
        return
    for run in runs:
        left = f", {run['unfinished']} without a result" if run["unfinished"] else ""
        trust = "" if run["trustworthy"] else "; NOT TRUSTWORTHY, see benchmark.md"
        print_line(
            f"{run['folder']}: {run['passed']} of {run['trials']} trials passed{left}{trust}"
        )
        for line in run["blocking"]:
            print_line(f"BLOCK: {line}")
