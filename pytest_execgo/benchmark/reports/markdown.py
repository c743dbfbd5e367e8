"""``benchmark.md``: the summary for people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from pytest_execgo.benchmark.adaptive import spend_line
from pytest_execgo.benchmark.reports.base import ReportFormat
from pytest_execgo.benchmark.reports.comparison import comparison_lines
from pytest_execgo.benchmark.reports.faults import chain, fault_section
from pytest_execgo.benchmark.reports.rates import rates_section, totals_section
from pytest_execgo.benchmark.reports.table import (
    cause_lines,
    cell_table,
    distrust,
    finding_lines,
    markdown_table,
    summary_line,
)
from pytest_execgo.models.benchmark import BenchmarkResult
from pytest_execgo.models.safe_text import (
    LONGEST_TEXT,
    for_html,
    for_markdown,
    for_markdown_code,
    indented,
)
from pytest_execgo.models.trial_result import TrialResult

_MOST_OPEN_ROWS, _MOST_OPEN_TRIALS = 20, 5
"""Longer tables and further trials are folded."""


class MarkdownReport(ReportFormat):
    """A table of cells, every trial that is not green with its cause, faults, environment."""

    filename = "benchmark.md"

    def render(self, result: BenchmarkResult) -> str:
        """GitHub-flavoured Markdown."""
        return "\n".join(_lines(result)).rstrip() + "\n"


def _lines(result: BenchmarkResult) -> Iterator[str]:
    """The verdict and what changed first, then what did not pass; everything else is folded."""
    yield f"# Benchmark {result.run_id}"
    yield ""
    yield _verdict_line(result)
    yield ""
    lines = [*_gates(result), *_changes(result), *_causes(result)]
    yield from lines
    if lines:
        yield ""
    for line in filter(None, (summary_line(result), spend_line(result))):
        yield line
        yield ""
    if len(result.cells) > _MOST_OPEN_ROWS:
        yield from folded(["## Cells", "", cell_table(result), ""])
    else:
        yield from (cell_table(result), "")
    yield from _not_green(result)
    yield from _unfinished(result)
    for section in (
        _frameworks(result),
        _landing(result),
        _attempts(result),
        fault_section(result),
        rates_section(result),
        totals_section(result),
        _environment(result),
    ):
        yield from folded(list(section))


def folded(lines: Sequence[str]) -> Iterator[str]:
    """A section that opens when its title is clicked; no lines for one without lines."""
    if lines:
        yield f"<details><summary>{lines[0].lstrip('# ')}</summary>"
        yield from lines[1:]
        yield from ("</details>", "")


def _verdict_line(result: BenchmarkResult) -> str:
    passed = sum(trial.verdict.status == "passed" for trial in result.trials)
    text = f"{passed} of {len(result.trials)} trials passed, seed {result.environment.seed}."
    if result.trustworthy:
        return text
    return f"**NOT TRUSTWORTHY: {for_markdown('; '.join(distrust(result)))}.** {text}"


def _gates(result: BenchmarkResult) -> Iterator[str]:
    for gate in result.gates:
        text = f"`{for_markdown_code(gate.expression)}`: {for_markdown(gate.reason)}"
        yield f"- {'**BLOCK**' if gate.verdict == 'BLOCK' else gate.verdict}: {text}"


def _changes(result: BenchmarkResult) -> Iterator[str]:
    if result.comparison is not None:
        yield from (f"- {for_markdown(line)}" for line in comparison_lines(result.comparison))


def _causes(result: BenchmarkResult) -> Iterator[str]:
    lines = [*cause_lines(result), *finding_lines(result)]
    yield from (f"- {for_markdown(line)}" for line in lines)


def _frameworks(result: BenchmarkResult) -> Iterator[str]:
    """The totals of each framework, if there are several."""
    names = sorted({cell.framework for cell in result.cells})
    if len(names) < 2:
        return
    counts = ("trials", "passed", "failed", "inconclusive", "errors", "skipped", "known_findings")
    rows = []
    for name in names:
        cells = [cell for cell in result.cells if cell.framework == name]
        rows.append([name, *(sum(getattr(cell, count) for cell in cells) for count in counts)])
    yield "## Frameworks"
    yield ""
    yield markdown_table(rows, ["framework", *(count.replace("_", " ") for count in counts)])
    yield ""


def _landing(result: BenchmarkResult) -> Iterator[str]:
    """How often plans of models were legal; no lines if no model made a plan."""
    rows = []
    asked: dict[str, list[TrialResult]] = defaultdict(list)
    for trial in result.trials:
        if trial.model:
            asked[trial.cell_id].append(trial)
    for cell in result.cells:
        members = asked[cell.cell_id]
        landing, first = cell.rates.landing, cell.rates.landing_at_first
        if not members or landing is None or first is None:
            continue
        repairs = sum(trial.metrics.repair_count or 0 for trial in members)
        rules = sorted({rule for trial in members for rule in trial.broken_rules})
        models = ", ".join(sorted({str(trial.model) for trial in members}))
        rows.append(
            [
                cell.scenario,
                cell.framework,
                cell.mode,
                cell.chaos,
                models,
                f"{landing.count}/{landing.of}",
                f"{first.count}/{first.of}",
                repairs,
                sum(trial.metrics.model_retries or 0 for trial in members),
                cell.rates.plan_shapes,
                ", ".join(rules) or "–",
            ]
        )
    if rows:
        headers = [
            "scenario", "framework", "mode", "chaos", "model", "landed", "at first", "repairs",
            "retries", "shapes", "broken rules",
        ]  # fmt: skip
        yield "## Landing"
        yield ""
        yield markdown_table(rows, headers)
        yield ""


def _not_green(result: BenchmarkResult) -> Iterator[str]:
    red = [trial for trial in result.trials if trial.verdict.status != "passed"]
    if not red:
        return
    yield "## Not passed"
    yield ""
    for number, trial in enumerate(red):
        yield from _trial(trial, is_open=number < _MOST_OPEN_TRIALS)


def _trial(trial: TrialResult, *, is_open: bool) -> Iterator[str]:
    verdict = trial.verdict
    title = f"{trial.trial_id}: {verdict.status}"
    if is_open:
        yield f"### {title}"
    else:
        yield f"<details><summary>{title}: {for_html(verdict.headline)}</summary>"
    yield ""
    if trial.known_finding:
        known = trial.known_finding
        yield f"- engine finding `{known.id}`, taken as known: {for_markdown(known.reason)}"
    yield f"- {for_markdown(verdict.outcome)}"
    for cause in verdict.attribution:
        evidence = f" (events {', '.join(cause.evidence)})" if cause.evidence else ""
        yield (
            f"- {'mitigated' if cause.mitigated else 'cause'}: **{cause.layer}** · "
            f"`{for_markdown_code(cause.code)}` ({cause.confidence}): "
            f"{for_markdown(cause.message)}{evidence}"
        )
    if verdict.next_step:
        yield f"- next: {for_markdown(verdict.next_step)}"
    if verdict.failed_task:
        yield f"- task `{for_markdown_code(verdict.failed_task.task_id)}` wrote to stderr:"
        yield ""
        yield from (f"      {indented(line)}" for line in verdict.failed_task.stderr)
        yield ""
    if trial.confirmation:
        yield f"- repeated: {for_markdown(trial.confirmation.text)}"
    for check in verdict.checks:
        if not check.ok:
            yield f"- check {check.kind}: {for_markdown(check.message)}"
        if check.diff:
            yield ""
            yield from (f"      {indented(line)}" for line in check.diff)
            yield ""
    yield f"- record: `trials/{trial.trial_id}`"
    yield f"- rerun: `{for_markdown_code(trial.rerun, LONGEST_TEXT)}`"
    yield ""
    yield from chain(trial)
    if not is_open:
        yield from ("</details>", "")


def _unfinished(result: BenchmarkResult) -> Iterator[str]:
    missing = [one for one in result.unfinished if one.state != "not_needed"]
    if not missing:
        return
    yield "## Without a result"
    yield ""
    for item in missing:
        verdict = f" after the verdict {item.verdict}" if item.verdict else ""
        state = item.state.replace("_", " ") + verdict
        yield f"- `{item.trial_id}`: {state}: {for_markdown(item.reason)}"
    yield ""


def _attempts(result: BenchmarkResult) -> Iterator[str]:
    """Attempts that were followed by another one. The rest of the report is about the last ones."""
    if not result.attempts:
        return
    yield "## Earlier attempts"
    yield ""
    for one in result.attempts:
        ended = one.verdict if one.state == "finished" else one.state.replace("_", " ")
        yield (
            f"- `{one.trial_id}`, attempt {one.attempt}: {ended}: {for_markdown(one.reason)} "
            f"(record: `trials/{one.trial_id}/attempts/{one.attempt}`)"
        )
    yield ""


def _environment(result: BenchmarkResult) -> Iterator[str]:
    env = result.environment
    yield "## Environment"
    yield ""
    commit = f", commit {env.git_commit[:12]}" if env.git_commit else ""
    versions = f"pytest-execgo {env.pytest_execgo}, Python {env.python}, {env.platform}{commit}."
    yield for_markdown(versions)
    yield ""
    rows = [
        [
            name,
            info.launcher,
            info.version,
            info.image or info.path or info.url or "",
            (info.digest or "")[:12],
        ]
        for name, info in env.services.items()
    ]
    headers = ["service", "launcher", "version", "what", "sha256"]
    yield markdown_table(rows, headers)
