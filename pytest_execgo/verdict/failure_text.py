"""The text of a failed test: verdict, causes, explanation, record and rerun command."""

from __future__ import annotations

from pytest_execgo.models.benchmark import TrialResult, VerdictStatus

STATUS_WORDS: dict[VerdictStatus, str] = {
    "passed": "PASSED",
    "failed": "FAILED",
    "inconclusive": "INCONCLUSIVE",
}


def failure_text(result: TrialResult, folder: str) -> str:
    """Several lines for the terminal about a trial that did not pass; ``folder`` has its record."""
    verdict = result.verdict
    lines = [f"{STATUS_WORDS[verdict.status]:12} {verdict.outcome}"]
    for cause in verdict.attribution:
        events = f" [{', '.join(cause.evidence)}]" if cause.evidence else ""
        head = "mitigated" if cause.mitigated else "cause"
        lines.append(
            f"{head:12} {cause.layer} · {cause.code} ({cause.confidence}): {cause.message}{events}"
        )
    label = "chain"
    for step in verdict.explanation:
        lines.append(f"{label:12} {step.at_ms / 1000:.3f} s  {step.text}")
        label = ""
    lines += [f"{'record':12} {folder}", f"{'rerun':12} {result.rerun}"]
    return "\n".join(lines)
