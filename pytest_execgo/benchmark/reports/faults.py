"""The part of ``benchmark.md`` about faults: effects, named causes, coverage, controls."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tabulate import tabulate

from pytest_execgo.benchmark.named_causes import misnamed_lines
from pytest_execgo.benchmark.reports.table import duration, markdown_table
from pytest_execgo.models.benchmark import BenchmarkResult
from pytest_execgo.models.safe_text import for_html, for_markdown, for_markdown_code
from pytest_execgo.models.trial_result import FaultRecord, TrialResult


def fault_section(result: BenchmarkResult) -> Iterator[str]:
    """Lines of Markdown; none for a run without chaos."""
    fired = [(trial, fault) for trial in result.trials for fault in trial.faults]
    if not fired and not result.not_applicable:
        return
    yield "## Faults"
    yield ""
    if fired:
        rows = [_row(trial, fault) for trial, fault in fired]
        headers: tuple[str, ...] = _HEADERS
        if result.confirmations:
            headers = (*headers, "repeated")
            for row, (trial, _) in zip(rows, fired, strict=True):
                row.append(trial.confirmation.text if trial.confirmation else "–")
        yield from _table(rows, headers)
    yield from _coverage(result)
    yield from _scoreboard(result)
    yield from _controls(result)
    for trial in result.trials:
        green = trial.verdict.status == "passed"
        if green and any(fault.status == "fired" for fault in trial.faults):
            yield f"<details><summary>{trial.trial_id}: {for_html(trial.verdict.outcome)}</summary>"
            yield ""
            yield from chain(trial)
            yield "</details>"
            yield ""


def chain(trial: TrialResult) -> Iterator[str]:
    """The explanation of a trial as a block of code."""
    if not trial.verdict.explanation:
        return
    yield "```"
    for step in trial.verdict.explanation:
        yield f"{step.at_ms / 1000:8.3f} s  {for_markdown_code(step.text)}"
    yield "```"
    yield ""


_HEADERS = (
    "trial", "fault", "fired at", "what it did", "while these ran", "healed at", "cause", "detected",
    "outcome", "recovery",
)  # fmt: skip


def _row(trial: TrialResult, fault: FaultRecord) -> list[str]:
    causes = trial.verdict.attribution
    fired = fault.status == "fired"
    return [
        trial.trial_id,
        f"{fault.action} {fault.target}",
        duration(fault.at_ms) if fired else fault.status.replace("_", " "),
        fault.detail or fault.reason or "",
        ", ".join(fault.tasks_inside[:3]) + (" …" if len(fault.tasks_inside) > 3 else ""),
        duration(fault.healed_at_ms),
        ", ".join(c.name for c in causes if c.confidence != "possible")
        or f"{causes[0].name} (possibly)",
        duration(trial.metrics.detection_ms),
        trial.verdict.recovery.replace("_", " "),
        duration(trial.metrics.recovery_ms),
    ]


def _coverage(result: BenchmarkResult) -> Iterator[str]:
    if result.coverage:
        yield "### Coverage"
        yield ""
        rows = [
            [c.framework, c.action, c.phase, c.fired, c.armed_not_fired, c.not_exercised]
            for c in result.coverage
        ]
        names = ("framework", "fault", "phase", "fired", "armed, not fired", "not exercised")
        yield from _table(rows, names)
    reasons: dict[tuple[str, str], list[str]] = defaultdict(list)
    for pair in result.not_applicable:
        where = f" with {pair.framework} in mode {pair.mode}" if pair.framework else ""
        reasons[pair.chaos + where, pair.reason].append(pair.scenario)
    for (chaos, reason), scenarios in reasons.items():
        where = f"{chaos} is not applicable to {', '.join(scenarios)}"
        yield f"- {for_markdown(where)}: {for_markdown(reason)}"
    if reasons:
        yield ""


def _scoreboard(result: BenchmarkResult) -> Iterator[str]:
    """Injected causes against the causes that attribution named."""
    score = result.attribution
    if not score.confusion:
        return
    yield "### Attribution"
    yield ""
    if score.trials:
        yield (
            f"Named {score.correct} of {score.trials} injected causes (95 % lower bound "
            f"{score.lower_95:.3f}), abstained in {score.abstained}; wrong and certain in "
            f"{score.wrong_and_certain} trials."
        )
    mitigated = (
        f", in {score.mitigated} a problem of a model was mitigated" if score.mitigated else ""
    )
    yield (
        f"Clean trials: {score.clean}, in {score.false_causes} of them a cause was named "
        f"falsely{mitigated}."
    )
    yield ""
    lines = misnamed_lines(result.trials, most=len(result.trials))
    yield from (f"- {for_markdown(line)}" for line in lines)
    if lines:
        yield ""
    rows = [
        [injected, named, count]
        for injected, row in score.confusion.items()
        for named, count in row.items()
    ]
    yield from _table(rows, ("injected", "first named", "trials"))


def _controls(result: BenchmarkResult) -> Iterator[str]:
    if not result.controls:
        return
    yield "### Controls"
    yield ""
    rows = [
        [*map(for_markdown, (c.name, c.expected, c.got)), "yes" if c.ok else "**no**"]
        for c in result.controls
    ]
    yield tabulate(rows, ("control", "must be", "was", "holds"), tablefmt="github")
    yield ""


def _table(rows: list[list[str]] | list[list[object]], headers: tuple[str, ...]) -> Iterator[str]:
    yield markdown_table(rows, headers)
    yield ""
