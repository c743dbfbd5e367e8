"""``benchmark.md``: the summary for people."""

from __future__ import annotations

from collections.abc import Iterator

from tabulate import tabulate

from pytest_execgo.benchmark.reports.table import cell_table, duration, finding_lines, summary_line
from pytest_execgo.models.benchmark import BenchmarkResult, TrialResult


class MarkdownReport:
    """A table of cells, every trial that is not green with its cause, faults, environment."""

    filename = "benchmark.md"

    def render(self, result: BenchmarkResult) -> str:
        """GitHub-flavoured Markdown."""
        return "\n".join(_lines(result)).rstrip() + "\n"


def _lines(result: BenchmarkResult) -> Iterator[str]:
    yield f"# Benchmark {result.run_id}"
    yield ""
    yield _verdict_line(result)
    yield ""
    yield cell_table(result, "github")
    yield ""
    line = summary_line(result)
    if line:
        yield line
        yield ""
    lines = finding_lines(result)
    yield from (f"- {line}" for line in lines)
    if lines:
        yield ""
    yield from _not_green(result)
    yield from _unfinished(result)
    yield from _faults(result)
    yield from _rates(result)
    yield from _environment(result)


def _verdict_line(result: BenchmarkResult) -> str:
    passed = sum(trial.verdict.status == "passed" for trial in result.trials)
    text = f"{passed} of {len(result.trials)} trials passed, seed {result.environment.seed}."
    if result.trustworthy:
        return text
    return f"**NOT TRUSTWORTHY: trials are missing or ended in harness errors (below).** {text}"


def _not_green(result: BenchmarkResult) -> Iterator[str]:
    red = [trial for trial in result.trials if trial.verdict.status != "passed"]
    if not red:
        return
    yield "## Not passed"
    yield ""
    for trial in red:
        yield from _trial(trial)


def _trial(trial: TrialResult) -> Iterator[str]:
    verdict = trial.verdict
    yield f"### {trial.trial_id}: {verdict.status}"
    yield ""
    if trial.known_finding:
        known = trial.known_finding
        yield f"- engine finding `{known.id}`, taken as known: {known.reason}"
    yield f"- {verdict.outcome}"
    for cause in verdict.attribution:
        evidence = f" (events {', '.join(cause.evidence)})" if cause.evidence else ""
        yield (
            f"- cause: **{cause.layer}** · `{cause.code}` ({cause.confidence}): "
            f"{cause.message}{evidence}"
        )
    for check in verdict.checks:
        if not check.ok:
            yield f"- check {check.kind}: {check.message}"
    yield f"- record: `trials/{trial.trial_id}`"
    yield f"- rerun: `{trial.rerun}`"
    yield ""
    yield from _chain(trial)


def _chain(trial: TrialResult) -> Iterator[str]:
    if not trial.verdict.explanation:
        return
    yield "```"
    for step in trial.verdict.explanation:
        yield f"{step.at_ms / 1000:8.3f} s  {step.text}"
    yield "```"
    yield ""


def _unfinished(result: BenchmarkResult) -> Iterator[str]:
    if not result.unfinished:
        return
    yield "## Without a result"
    yield ""
    for item in result.unfinished:
        yield f"- `{item.trial_id}`: {item.state.replace('_', ' ')}: {item.reason}"
    yield ""


def _faults(result: BenchmarkResult) -> Iterator[str]:
    struck = [(trial, fault) for trial in result.trials for fault in trial.faults]
    if not struck and not result.not_applicable:
        return
    yield "## Faults"
    yield ""
    rows = []
    for trial, fault in struck:
        first = trial.verdict.attribution[0]
        rows.append(
            [
                trial.trial_id,
                f"{fault.action} {fault.target}",
                fault.status.replace("_", " "),
                duration(fault.at_ms),
                duration(fault.healed_at_ms),
                f"{first.layer}/{first.code}",
                trial.verdict.recovery.replace("_", " "),
                duration(trial.metrics.recovery_ms),
            ]
        )
    headers = ["trial", "fault", "status", "fired at", "healed at", "cause", "outcome", "recovery"]
    if rows:
        yield tabulate(rows, headers, tablefmt="github", disable_numparse=True)
        yield ""
    if result.coverage:
        table = [
            [c.framework, c.action, c.phase, c.fired, c.armed_not_fired, c.not_exercised]
            for c in result.coverage
        ]
        names = ["framework", "fault", "phase", "fired", "armed, not fired", "not exercised"]
        yield tabulate(table, names, tablefmt="github")
        yield ""
    for trial in result.trials:
        green = trial.verdict.status == "passed"
        if green and any(fault.status == "fired" for fault in trial.faults):
            yield f"<details><summary>{trial.trial_id}: {trial.verdict.outcome}</summary>"
            yield ""
            yield from _chain(trial)
            yield "</details>"
            yield ""
    for pair in result.not_applicable:
        yield f"- {pair.scenario} × {pair.chaos} is not applicable: {pair.reason}"
    if result.not_applicable:
        yield ""
    score = result.attribution
    if score.trials:
        yield (
            f"Attribution named {score.correct} of {score.trials} injected causes "
            f"(95 % lower bound {score.lower_95:.3f})."
        )
        yield ""


def _rates(result: BenchmarkResult) -> Iterator[str]:
    repeated = [cell for cell in result.cells if cell.rates.success.of > 1]
    if not repeated:
        return
    yield "## Rates over repetitions"
    yield ""
    rows = []
    for cell in repeated:
        success, k = cell.rates.success, str(max(map(int, cell.rates.pass_hat)))
        rows.append(
            [
                cell.cell_id,
                f"{success.value:.2f} [{success.low:.2f}, {success.high:.2f}]",
                f"pass@{k} {cell.rates.pass_at[k]:.2f}",
                f"pass^{k} {cell.rates.pass_hat[k]:.2f}",
                f"{cell.rates.determinism_drift:.2f}",
            ]
        )
    headers = ["cell", "success (Wilson 95 %)", "at least one", "all", "drift"]
    yield tabulate(rows, headers, tablefmt="github", disable_numparse=True)
    yield ""


def _environment(result: BenchmarkResult) -> Iterator[str]:
    env = result.environment
    yield "## Environment"
    yield ""
    commit = f", commit {env.git_commit[:12]}" if env.git_commit else ""
    yield f"pytest-execgo {env.pytest_execgo}, Python {env.python}, {env.platform}{commit}."
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
    yield tabulate(rows, headers, tablefmt="github", disable_numparse=True)
