"""Scripts of the scripted model: ``scenarios/<s>/scripts/<name>.yaml``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from pytest_execgo.models.document import Document, VersionedDocument

PlanDefect = Literal["broken_json", "cycle", "unknown_task_type", "missing_binding"]


class ScriptedAnswer(Document):
    """One answer: a ``text``, or a ``plan`` (a file in the script's folder) that ``broken`` damages."""

    plan: str | None = None
    broken: PlanDefect | None = None
    text: str | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> ScriptedAnswer:
        if (self.plan is None) == (self.text is None):
            raise ValueError("give either plan or text")
        if self.text is not None and self.broken:
            raise ValueError("broken applies to a plan only; leave it out for a text")
        return self


class Script(VersionedDocument):
    """The answers in order; the last one repeats."""

    answers: tuple[ScriptedAnswer, ...] = Field(min_length=1)
