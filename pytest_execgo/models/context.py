"""What an adapter is given to plan with."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from pytest_execgo.models.document import Document
from pytest_execgo.models.plan import Mode

DEFAULT_MAX_REPAIRS = 2
DEFAULT_PLAN_SECONDS = 600.0
MOST_SECONDS = 86400.0


class PromptPack(Document):
    """The texts of a scenario's ``prompts``, already read; an absent prompt is an empty string."""

    system: str = ""
    user: str = ""
    constraints: str = ""


class ModelProfile(Document):
    """The model that a live adapter asks; ``temperature`` as the provider defines it, ``model_timeout``
    in seconds: how long one answer is waited for. What an adapter is given has the ``base_url`` of the
    wire, which needs no key."""

    provider: str
    model: str
    base_url: str | None = None
    temperature: float | None = Field(default=None, ge=0)
    max_tokens: int | None = Field(default=None, ge=1)
    model_timeout: float | None = Field(default=None, gt=0, le=MOST_SECONDS)


class PlanBudget(Document):
    """What one plan may cost: ``requests`` to the model (null: 20, or twice for each answer that it may
    ask for), ``tokens`` of prompts and answers together (null: any number), ``seconds``."""

    requests: int | None = Field(default=None, ge=1)
    tokens: int | None = Field(default=None, ge=1)
    seconds: float = Field(default=DEFAULT_PLAN_SECONDS, gt=0, le=MOST_SECONDS)


class PlanContext(Document):
    """The task of an adapter. It never holds the reference plan: a live adapter must not see it. The
    wire keeps to the ``budget``; an SDK should wait as long as it allows."""

    scenario_id: str
    framework: str
    mode: Mode
    model_profile: ModelProfile | None = None
    max_repairs: int = DEFAULT_MAX_REPAIRS
    budget: PlanBudget = PlanBudget()
    prompt_pack: PromptPack = PromptPack()
    seed: int = 0
    capabilities: tuple[str, ...] = ()
    chaos_profile: str = "none"
    scenario_input: dict[str, Any] = {}
    workspace_dir: str = ""

    @property
    def model(self) -> ModelProfile:
        """The model to ask; raises ``ValueError`` for a planning that asks none."""
        if self.model_profile is None:
            raise ValueError("this planning asks no model")
        return self.model_profile
