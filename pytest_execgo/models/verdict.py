"""The judgement of a trial."""

from __future__ import annotations

from typing import Any, Literal

from pytest_execgo.models.cause import Layer
from pytest_execgo.models.chaos import Expectation
from pytest_execgo.models.document import Document

VerdictStatus = Literal["passed", "failed", "inconclusive"]
Confidence = Literal["certain", "likely", "possible"]
RecoveryOutcome = Literal["not_needed", "recovered", "degraded", "stuck", "lost"]


class CheckRecord(Document):
    """One check of a trial. ``diff``: the lines that differ, as a unified diff."""

    kind: str
    ok: bool
    message: str
    expected: Any = None
    got: Any = None
    diff: tuple[str, ...] = ()


class FailureCounts(Document):
    """Failed tasks of a trial by who ended them. ``timeouts``: their own timeout. ``invalid_actions``:
    tools and task types that ExecGo does not know, with refused submissions."""

    timeouts: int = 0
    of_runtime: int = 0
    invalid_actions: int = 0


class Attribution(Document):
    """One named cause: layer, stable code, and the ids of the events that show it.

    ``mitigated``: it occurred without an effect on the trial, because the model was asked again.
    """

    layer: Layer
    code: str
    confidence: Confidence
    evidence: tuple[str, ...]
    message: str
    mitigated: bool = False

    @property
    def name(self) -> str:
        """``layer/code``, with `` (mitigated)`` if it was mitigated."""
        return f"{self.layer}/{self.code}{' (mitigated)' if self.mitigated else ''}"


class ExplanationStep(Document):
    at_ms: float
    text: str
    events: tuple[str, ...]


class TaskWords(Document):
    """What the failed task that decided the end of a trial wrote last: the last lines of its stderr."""

    task_id: str
    stderr: tuple[str, ...]


class Verdict(Document):
    """The judgement of a trial.

    ``outcome`` is one line with the expectation and what happened. ``expected_cause`` and
    ``cause_named`` (whether attribution found it) are null if no fault was injected. ``failed_task`` is
    null if no task failed that wrote to stderr. ``next_step``: what to do about the first cause, in
    one line; empty for a trial that passed, and for a cause without advice.
    """

    status: VerdictStatus
    expectation: Expectation
    outcome: str
    recovery: RecoveryOutcome
    checks: tuple[CheckRecord, ...]
    attribution: tuple[Attribution, ...]
    expected_cause: str | None = None
    cause_named: bool | None = None
    failed_task: TaskWords | None = None
    next_step: str = ""
    explanation: tuple[ExplanationStep, ...]

    @property
    def headline(self) -> str:
        """The first cause, with the task that failed and the last line that it wrote."""
        cause = self.attribution[0]
        if self.failed_task is None:
            return f"{cause.name}: {cause.message}"
        return f"{cause.name} {self.failed_task.task_id}: {self.failed_task.stderr[-1].strip()}"
