"""Tables of Markdown, and the lines about a run that the terminal and Markdown share."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence

from tabulate import tabulate

from pytest_execgo.models.benchmark import BenchmarkResult, CellResult
from pytest_execgo.models.safe_text import for_markdown

_MOST_CAUSES = 8
_LONGEST_CAUSE = 160
HEADERS = (
    "scenario",
    "framework",
    "mode",
    "chaos",
    "passed",
    "recovered",
    "wall p50",
    "engine",
    "overhead",
)


def cell_table(result: BenchmarkResult) -> str:
    """One row per cell, in GitHub-flavoured Markdown."""
    rows = [[for_markdown(text) for text in _row(cell)] for cell in result.cells]
    align = ["left"] * 4 + ["right"] * 5
    return tabulate(rows, HEADERS, tablefmt="github", colalign=align, disable_numparse=True)


def cell_notes(cell: CellResult) -> list[str]:
    """What happened in a cell besides passed and failed trials, with counts."""
    counts = (
        (cell.errors, "error", ""),
        (cell.failed_attempts, "failed attempt", " before"),
        (cell.known_findings, "known finding", ""),
    )
    notes = [f"{n} {word}{'s' if n > 1 else ''}{more}" for n, word, more in counts if n]
    return [*notes, f"{cell.skipped} skipped"] if cell.skipped else notes


def _row(cell: CellResult) -> list[str]:
    recovery = cell.rates.recovery
    notes = "".join(f" ({note})" for note in cell_notes(cell))
    return [
        cell.scenario,
        cell.framework,
        cell.mode,
        cell.chaos,
        f"{cell.passed}/{cell.trials}{notes}",
        f"{recovery.count}/{recovery.of}" if recovery.of else "–",
        duration(cell.metrics["wall_time_ms"].median),
        duration(cell.metrics["engine_time_ms"].median),
        duration(cell.metrics["overhead_ms"].median),
    ]


def markdown_table(rows: Sequence[Sequence[object]], headers: Sequence[str]) -> str:
    """A table of GitHub-flavoured Markdown. Its cells are plain text."""
    safe = [[for_markdown(cell) for cell in row] for row in rows]
    return tabulate(safe, headers, tablefmt="github", disable_numparse=True)


def duration(ms: float | None) -> str:
    """Milliseconds for people: ``12 ms``, ``1.05 s``, ``–``."""
    if ms is None:
        return "–"
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.2f} s"


def distrust(result: BenchmarkResult) -> list[str]:
    """Why the run cannot be trusted, a line each; empty if it can."""
    lines = [
        f"control {control.name}: expected {control.expected}; got {control.got}"
        for control in result.controls
        if not control.ok
    ]
    if any(item.state in ("error", "not_run") for item in result.unfinished):
        lines.append("trials are missing or ended in errors")
    if not result.controls and any(row.fired for row in result.coverage):
        lines.append("faults fired, but no control was run")
    return lines


def controls_failed(result: BenchmarkResult) -> bool:
    """Whether a control has another outcome than its known one, or faults fired without a control."""
    fired = any(row.fired for row in result.coverage)
    return any(not control.ok for control in result.controls) or (fired and not result.controls)


def finding_lines(result: BenchmarkResult) -> list[str]:
    """One line per finding that the run accepts as known, whether it was seen or not, and one per
    finding whose cause was named in trials that it does not excuse."""
    lines = []
    for finding in result.known_findings:
        count = len(finding.trials)
        seen = f"{count} trial{'s' if count > 1 else ''}" if count else "not seen in this run"
        lines.append(f"engine finding {finding.id}: {seen} ({finding.summary}): {finding.reason}")
    for name, verdicts in sorted(_named_findings(result).items()):
        passed = sum(status == "passed" for status in verdicts)
        lines.append(
            f"engine finding {name}: its cause was named in {len(verdicts)} "
            f"trial{'s' if len(verdicts) > 1 else ''}, of which {passed} passed"
        )
    return lines


def _named_findings(result: BenchmarkResult) -> dict[str, list[str]]:
    """The verdicts of the trials that name each finding and are not excused by it."""
    found: dict[str, list[str]] = {}
    for trial in result.trials:
        excused = trial.known_finding.id if trial.known_finding else None
        for name in trial.findings:
            if name != excused:
                found.setdefault(name, []).append(trial.verdict.status)
    return found


def not_run_line(result: BenchmarkResult, places: Sequence[str] = ()) -> str:
    """How many trials did not run, and the command that runs them; empty if all ran. ``places`` are the
    options for the folders of scenarios and reports."""
    left = [one for one in result.unfinished if one.state == "not_run"]
    if not left:
        return ""
    ran = len(result.trials)
    again = shlex.join(["pytest", "--execgo-matrix", *places, "--execgo-resume", result.run_id])
    return f"{ran} of {ran + len(left)} trials ran; run the others with: {again}"


def cause_lines(result: BenchmarkResult) -> list[str]:
    """One line for each cause of trials that did not pass, with its count, the most frequent first:
    layer and code, the failed task, and the last line that it wrote."""
    red = [t for t in result.trials if t.verdict.status != "passed" and not t.known_finding]
    groups = Counter(_shortened(trial.verdict.headline) for trial in red)
    lines = [f"{count} × {cause}" for cause, count in groups.most_common(_MOST_CAUSES)]
    left = len(groups) - len(lines)
    if left > 0:
        lines.append(f"{left} more causes: see benchmark.md")
    broken = {t.scenario for t in red if t.chaos == "none"}
    also = [t for t in red if t.scenario in broken]
    if any(t.chaos != "none" for t in also):
        names = ", ".join(sorted(broken))
        lines.append(
            f"{names} fails without any fault, so fix its plan first: {len(also)} of {len(red)} red "
            "trials are of it, and attribution over them is not counted"
        )
    return lines


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_CAUSE else f"{text[:_LONGEST_CAUSE]} …"


def summary_line(result: BenchmarkResult) -> str:
    """Faults and causes of the run in one line; empty without chaos."""
    fired = sum(row.fired for row in result.coverage)
    armed = fired + sum(row.armed_not_fired for row in result.coverage)
    score = result.attribution
    parts = []
    if armed:
        parts.append(f"faults fired {fired}/{armed}")
    if score.trials:
        parts.append(f"causes named {score.correct}/{score.trials}")
        if score.clean:
            parts.append(f"false causes {score.false_causes}/{score.clean}")
    if result.confirmations:
        counts = result.confirmations.items()
        parts += [f"{status.replace('_', ' ')} {count}" for status, count in counts]
    if result.controls:
        held = sum(control.ok for control in result.controls)
        parts.append(f"controls {held}/{len(result.controls)}")
    return " · ".join(parts)
