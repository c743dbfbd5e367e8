"""Chaos profiles: which faults, where, when, and what the system is expected to do."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from pytest_execgo.models.cause import ExpectedCause
from pytest_execgo.models.document import (
    A_DAY_MS,
    LONGEST_ID,
    Document,
    VersionedDocument,
    free_name,
)
from pytest_execgo.models.finding import AcceptedFinding

ALL, NO_CHAOS = "all", "none"
"""What stands for all profiles, and the profile without faults."""
Expectation = Literal["not_applicable", "should_recover", "expected_failure", "measure"]
Phase = Literal["plan", "submit", "runtime", "poll", "verify"]
After = Literal["phase_start", "task_running", "task_ended"]


class When(Document):
    """The condition under which a fault is injected.

    ``stage`` and ``task`` are shell patterns over plan ids. ``after`` is the event that the fault waits
    for: the start of the phase, or ExecGo's report that a matching task runs or has ended. ``delay_ms``
    (milliseconds) passes between the event and the injection; ``times`` is the number of injections.
    """

    phase: Phase
    stage: str = "*"
    task: str = "*"
    after: After = "phase_start"
    delay_ms: int = Field(default=0, ge=0, le=A_DAY_MS)
    times: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _possible(self) -> When:
        if self.phase in ("plan", "submit", "verify"):
            if self.after != "phase_start":
                raise ValueError(
                    f"phase {self.phase} waits for no task; leave out after: {self.after}"
                )
            if self.delay_ms:
                raise ValueError(f"phase {self.phase} has no delay_ms; use phase runtime or poll")
        if self.phase in ("plan", "verify") and self.times > 1:
            raise ValueError(f"phase {self.phase} occurs once in a trial; leave out times")
        return self

    @property
    def waits_for_a_task(self) -> bool:
        """Whether the runner must poll every task to see the condition come true."""
        return self.after != "phase_start" or (self.phase == "poll" and self.task != "*")


class Fault(Document):
    """One fault. The action validates ``params`` when the profile is loaded."""

    action: str
    target: str = "plan"
    params: dict[str, Any] = {}
    when: When
    probability: float = Field(default=1.0, gt=0.0, le=1.0)


class ChaosProfile(VersionedDocument):
    """One YAML file of ``scenarios/chaos``. ``expected_cause`` is a list where faults are combined."""

    id: str = Field(pattern="^[a-z0-9_]+$", max_length=LONGEST_ID)
    description: str = ""
    seed: int = 0
    expectation: Expectation
    expected_cause: ExpectedCause | tuple[ExpectedCause, ...] | None = None
    faults: tuple[Fault, ...] = ()
    known_findings: tuple[AcceptedFinding, ...] = ()

    @property
    def causes(self) -> tuple[ExpectedCause, ...]:
        """The causes that attribution must find: none, one, or one for each fault."""
        expected = self.expected_cause
        if expected is None:
            return ()
        return expected if isinstance(expected, tuple) else (expected,)

    @field_validator("id")
    @classmethod
    def _free(cls, value: str) -> str:
        if value == ALL:
            raise ValueError(f"{ALL!r} stands for all profiles; choose another name")
        return free_name(value)

    @model_validator(mode="after")
    def _consistent(self) -> ChaosProfile:
        if self.id == NO_CHAOS and self.faults:
            raise ValueError(
                f"{NO_CHAOS!r} is the profile without faults, with which the others are compared; "
                "choose another id"
            )
        if self.faults and self.expectation == "not_applicable":
            raise ValueError(
                "a profile with faults must expect something: "
                "should_recover, expected_failure or measure"
            )
        if not self.faults and self.expectation != "not_applicable":
            raise ValueError("a profile without faults has the expectation not_applicable")
        if isinstance(self.expected_cause, tuple) and len(self.causes) != len(self.faults):
            raise ValueError(
                f"expected_cause is a list of {len(self.causes)}, faults of {len(self.faults)}: "
                "give one cause per fault, in their order"
            )
        if self.expectation == "should_recover" and any(
            fault.when.phase == "verify" for fault in self.faults
        ):
            raise ValueError(
                "in phase verify all stages have ended, so nothing can recover; use measure"
            )
        if self.expectation == "expected_failure" and not self.causes:
            raise ValueError("expected_failure needs an expected_cause: { layer: ... }")
        return self
