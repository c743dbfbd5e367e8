"""The part of ``index.html`` for readers without JavaScript: summary, heat map and failures."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from pytest_execgo.benchmark.reports.ended import ended_trials
from pytest_execgo.benchmark.reports.table import cause_lines, distrust, summary_line
from pytest_execgo.models.benchmark import BenchmarkResult, CellResult
from pytest_execgo.models.safe_text import for_html, for_terminal

MOST_FAILURES = 100


def plain_html(result: BenchmarkResult) -> Iterator[str]:
    """Elements of the body, with every text escaped."""
    passed = sum(cell.passed for cell in result.cells)
    yield f"<h1>{for_html(result.run_id)}</h1>\n"
    yield f"<p>{passed} of {len(result.trials)} trials passed.</p>\n"
    yield from _list(f"NOT TRUSTWORTHY: {line}" for line in distrust(result))
    yield from _list(f"{g.verdict}: {g.expression}: {g.reason}" for g in result.gates)
    yield from _list(cause_lines(result))
    yield from _list([summary_line(result)])
    yield from _heat_maps(result)
    yield from _failures(result)


def _list(lines: Iterator[str] | list[str]) -> Iterator[str]:
    for line in filter(None, lines):
        yield f"<p>{for_html(line)}</p>\n"


def _heat_maps(result: BenchmarkResult) -> Iterator[str]:
    """One table for each framework and mode: scenarios × chaos profiles."""

    def group(cell: CellResult) -> tuple[str, str]:
        return cell.framework, cell.mode

    for (framework, mode), found in groupby(sorted(result.cells, key=group), group):
        cells = {(cell.scenario, cell.chaos): cell for cell in found}
        scenarios = sorted({scenario for scenario, _ in cells})
        yield f"<table><caption>{for_html(framework)}, {mode}</caption>\n<tr><th></th>"
        yield "".join(f'<th scope="col">{for_html(name)}</th>' for name in scenarios)
        yield "</tr>\n"
        for chaos in sorted({chaos for _, chaos in cells}):
            yield f'<tr><th scope="row">{for_html(chaos)}</th>'
            yield "".join(f"<td>{_count(cells.get((name, chaos)))}</td>" for name in scenarios)
            yield "</tr>\n"
        yield "</table>\n"


def _count(cell: CellResult | None) -> str:
    if cell is None:
        return ""
    return f"{'' if cell.passed == cell.trials else '✗ '}{cell.passed}/{cell.trials}"


def _failures(result: BenchmarkResult) -> Iterator[str]:
    red = [one for one in ended_trials(result) if one.end in ("failed", "error")]
    for one in red[:MOST_FAILURES]:
        yield f"<details><summary>{for_html(one.trial_id)}: {for_html(one.message)}</summary>"
        text = for_terminal(one.text or one.message, keep_lines=True)
        yield f"<pre>{_escaped(text)}</pre></details>\n"
    if len(red) > MOST_FAILURES:
        yield f"<p>{len(red) - MOST_FAILURES} more failures are in benchmark.md.</p>\n"


def _escaped(text: str) -> str:
    return "\n".join(for_html(line) for line in text.split("\n"))
