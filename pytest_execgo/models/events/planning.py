"""Events of the planning: the adapter, and the model that it asks."""

from __future__ import annotations

from typing import Literal

from pytest_execgo.models.events.base import Event

_STALLED_MS = 1000.0


class PlanningStarted(Event):
    """The adapter is asked for a plan next."""

    event_type: Literal["planning_started"] = "planning_started"


class PlanReady(Event):
    """The adapter returned a plan.

    ``digest`` is the sha256 of what the plan submits. ``shape`` is the same without the names of
    stages and tasks: plans that differ only in these names have equal shapes. ``problems`` are the
    rules that the plan breaks in the form in which it is submitted.
    """

    event_type: Literal["plan_ready"] = "plan_ready"
    plan_id: str
    stages: int
    tasks: int
    digest: str
    problems: tuple[str, ...] = ()
    shape: str = ""
    duration_ms: float


class AnswerJudged(Event):
    """One answer of a model was checked. ``rules`` are the rules of the DSL that it breaks; empty for
    a legal plan."""

    event_type: Literal["answer_judged"] = "answer_judged"
    attempt: int
    rules: tuple[str, ...] = ()

    def sentence(self) -> str | None:
        if not self.rules:
            return None
        return f"answer {self.attempt} of the model breaks {', '.join(self.rules)}"


class ModelReplied(Event):
    """The model's endpoint replied, or gave no reply (status 0).

    ``number`` counts the framework's requests, ``attempt`` the attempts at one of them. ``code``
    names why the reply is unusable and is null for a usable one. ``stalled_ms`` is the longest pause
    inside the body of the reply.
    """

    event_type: Literal["model_replied"] = "model_replied"
    number: int
    attempt: int
    status: int
    took_ms: float
    stalled_ms: float = 0.0
    code: str | None = None
    message: str = ""

    @property
    def slow(self) -> bool:
        """Whether the body paused for more than a second. A model may think for long before its
        reply; a pause inside the reply is not normal."""
        return self.code is None and self.stalled_ms > _STALLED_MS

    def sentence(self) -> str | None:
        again = f", attempt {self.attempt}" if self.attempt > 1 else ""
        if self.code is not None:
            return f"model request {self.number}{again}: {self.message}"
        if self.slow:
            pause = f"{self.stalled_ms / 1000:.1f} s"
            return f"model request {self.number}{again}: the answer paused for {pause}"
        if again:
            return f"model request {self.number} succeeded at attempt {self.attempt}"
        return None


class ModelUsed(Event):
    """What one planning used of its model: requests of the framework, usable answers, and tokens as
    the endpoint counts them (null if it does not)."""

    event_type: Literal["model_used"] = "model_used"
    provider: str
    model: str
    requests: int
    answers: int
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class PlanFailed(Event):
    """The adapter returned no plan."""

    event_type: Literal["plan_failed"] = "plan_failed"
    code: str
    message: str
    duration_ms: float

    def sentence(self) -> str:
        return f"no plan ({self.code}): {self.message}"
