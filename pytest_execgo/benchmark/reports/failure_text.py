"""The text about a trial: verdict, causes, explanation, record and rerun command."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_execgo.models.confirmation import Confirmation
from pytest_execgo.models.safe_text import LONGEST_TEXT, for_markdown, for_terminal, indented
from pytest_execgo.models.trial_result import TrialResult
from pytest_execgo.models.verdict import VerdictStatus

STATUS_WORDS: dict[VerdictStatus, str] = {
    "passed": "PASSED",
    "failed": "FAILED",
    "inconclusive": "INCONCLUSIVE",
}


def trial_summary(result: TrialResult, folder: str) -> str:
    """``summary.md`` of a trial with any verdict: the text of :func:`failure_text` as Markdown."""
    # Indented code: no text inside of it can end it.
    lines = (f"    {line}" for line in failure_text(result, folder).splitlines())
    return f"# {for_markdown(result.trial_id)}\n\n" + "\n".join(lines) + "\n"


def failure_text(result: TrialResult, folder: str) -> str:
    """Several lines for the terminal about a trial; ``folder`` has its record.

    What tasks, plans, engines and models wrote is safe to show.
    """
    verdict = result.verdict
    lines = [f"{STATUS_WORDS[verdict.status]:12} {for_terminal(verdict.outcome)}"]
    for cause in verdict.attribution:
        events = f" [{', '.join(cause.evidence)}]" if cause.evidence else ""
        head = "mitigated" if cause.mitigated else "cause"
        name = f"{cause.layer} · {for_terminal(cause.code)} ({cause.confidence})"
        lines.append(f"{head:12} {name}: {for_terminal(cause.message)}{events}")
    if verdict.next_step:
        lines.append(f"{'next':12} {for_terminal(verdict.next_step)}")
    if verdict.failed_task:
        lines.append(f"{'stderr':12} of task {for_terminal(verdict.failed_task.task_id)}:")
        lines += (f"{'':15}{indented(line)}" for line in verdict.failed_task.stderr)
    for check in verdict.checks:
        if check.diff:
            lines.append(f"{'difference':12} {for_terminal(check.message)}")
            lines += (f"{'':15}{indented(line)}" for line in check.diff)
    if result.confirmation:
        lines.append(f"{'repeated':12} {for_terminal(result.confirmation.text)}")
        lines += (f"{'':12} {for_terminal(line)}" for line in _arms(result.confirmation))
    label = "chain"
    for step in verdict.explanation:
        lines.append(f"{label:12} {step.at_ms / 1000:.3f} s  {for_terminal(step.text)}")
        label = ""
    lines.append(f"{'record':12} {for_terminal(folder)}")
    # A command that is cut is useless.
    lines.append(f"{'rerun':12} {for_terminal(result.rerun, limit=LONGEST_TEXT)}")
    return "\n".join(lines)


def _arms(confirmation: Confirmation) -> Iterator[str]:
    for arm in confirmation.arms:
        faults = " and ".join(arm.faults) or "no fault"
        other = arm.of - arm.same - arm.clean
        counts = f"{arm.same} the same, {arm.clean} clean, {other} otherwise"
        yield f"with {faults}: {counts}, of {arm.of}"


def failure_line(result: TrialResult) -> str:
    """The first cause of a trial in one line for the terminal."""
    return for_terminal(result.verdict.headline)
