"""What GitHub Actions shows of a run: the summary of a job, and annotations for failures."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_execgo.benchmark.reports.ended import ended_trials
from pytest_execgo.benchmark.reports.markdown import MarkdownReport
from pytest_execgo.models.benchmark import BenchmarkResult
from pytest_execgo.models.safe_text import one_line

MOST_BYTES = 900_000
"""GitHub drops a summary of more than 1 MiB; other steps of the job add to it."""
MOST_ANNOTATIONS = 10
"""GitHub shows no more of one step."""


def step_summary(result: BenchmarkResult) -> str:
    """``benchmark.md`` without the lines for which there is no room."""
    text = MarkdownReport().render(result)
    if len(text.encode()) <= MOST_BYTES:
        return text
    kept, size = [], 0
    for line in text.splitlines(keepends=True):
        size += len(line.encode())
        if size > MOST_BYTES:
            break
        kept.append(line)
    # A section or a block of code that was cut must not swallow the last line.
    # What tasks wrote is indented, so it begins no line.
    inside = "".join(kept)
    fence = "```\n" if sum(line.startswith("```") for line in kept) % 2 else ""
    opened = sum(line.startswith("<details>") for line in kept)
    open_sections = opened - sum(line.startswith("</details>") for line in kept)
    ends = fence + "</details>\n" * open_sections
    return f"{inside}{ends}\n**The rest is in benchmark.md: a summary of a job has too little room.**\n"


def annotation_lines(result: BenchmarkResult) -> Iterator[str]:
    """One workflow command for each trial that failed, at most as many as GitHub shows."""
    red = [one for one in ended_trials(result) if one.end in ("failed", "error")]
    for one in red[:MOST_ANNOTATIONS]:
        file = f"scenarios/{one.cell.scenario}/scenario.yaml"
        yield f"::error file={_property(file)},title={_property(one.trial_id)}::{_data(one.message)}"


def _data(text: str) -> str:
    """The text of a command: in one line, whatever it contains."""
    return one_line(text).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
