"""What to do next about a trial that did not pass, by its first cause."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from pytest_execgo.models.verdict import Attribution, CheckRecord, VerdictStatus

_ADVICE = (
    ("task/wrong_output", "correct the plan, or the check if the result is right"),
    ("task/bad_output", "correct what the task prints, or the source_path that reads it"),
    ("task/timeout", "give the task more time (timeout, limits.wall_time_ms), or let it do less"),
    ("task/retry_refused", "use max_resubmits of the stage instead of retry"),
    ("task/launch_failed", "correct program or interpreter of the task"),
    ("task/*", "correct the task, or the files that it reads"),
    ("binding/*", "correct the source_path of the binding, or what its source task prints"),
    ("dsl/*", "correct the plan; python -m pytest_execgo scenario validate --strict checks it"),
    ("plan/*", "read adapter_trace.json in the record: what the model was asked and answered"),
    ("adapter/*", "read adapter_trace.json in the record: what the model was asked and answered"),
    ("verifier/*", "correct the check"),
    ("engine/*", "read logs/execgo.log in the record; max_resubmits of a stage lets it recover"),
    ("runtime/*", "read logs/runtime.log in the record; max_resubmits of a stage lets it recover"),
    ("fixture/*", "read logs/fixtures.log in the record; max_resubmits of a stage lets it recover"),
    ("unknown/deadline", "give the stage more time (deadline_ms), or let the task do less"),
    ("unknown/*", "repeat it to see whether it happens again: add --execgo-confirm 3"),
)
"""The first pattern that fits counts."""
_REWRITE = "; if the new content is right, add --execgo-update-expected"


def next_step(
    status: VerdictStatus, causes: Sequence[Attribution], checks: Sequence[CheckRecord]
) -> str:
    """One line; empty for a trial that passed, and for a cause without advice."""
    if status == "passed" or not causes:
        return ""
    name = causes[0].name
    found = next((text for pattern, text in _ADVICE if fnmatchcase(name, pattern)), "")
    from_file = any(_differs_from_file(check) for check in checks)
    return found + (_REWRITE if found and name == "task/wrong_output" and from_file else "")


def advice_table() -> str:
    """The advice as a Markdown table."""
    rows = [f"| `{pattern}` | {text} |" for pattern, text in _ADVICE]
    return "\n".join(["| cause | what to do next |", "| --- | --- |", *rows])


def _differs_from_file(check: CheckRecord) -> bool:
    text = check.message
    return not check.ok and " differs from " in text and not text.endswith("the expected value")
