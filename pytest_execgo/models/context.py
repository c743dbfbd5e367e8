"""The input of an adapter."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from pytest_execgo.models.document import Document
from pytest_execgo.models.plan import Mode

DEFAULT_MAX_REPAIRS = 2
DEFAULT_PLAN_SECONDS = 600.0
MOST_SECONDS = 86400.0


class PromptPack(Document):
    """The texts of a scenario's ``prompts``; an absent prompt is an empty string."""

    system: str = ""
    user: str = ""
    constraints: str = ""


class ModelProfile(Document):
    """The model that a live adapter asks.

    ``temperature`` is passed to the provider unchanged. ``model_timeout`` limits the wait for one
    answer, in seconds. In the context of an adapter, ``base_url`` is that of the model gateway, which
    needs no key.
    """

    provider: str
    model: str
    base_url: str | None = None
    temperature: float | None = Field(default=None, ge=0)
    max_tokens: int | None = Field(default=None, ge=1)
    model_timeout: float | None = Field(default=None, gt=0, le=MOST_SECONDS)


class PlanBudget(Document):
    """The limits for one plan: ``requests`` to the model (null: 20, or two for each answer that the
    repair loop allows), ``tokens`` of prompts and answers together (null: no limit), and
    ``seconds``."""

    requests: int | None = Field(default=None, ge=1)
    tokens: int | None = Field(default=None, ge=1)
    seconds: float = Field(default=DEFAULT_PLAN_SECONDS, gt=0, le=MOST_SECONDS)


class PlanContext(Document):
    """What an adapter plans from.

    The reference plan is not in it, because a live adapter must not see that. The model gateway enforces
    the ``budget``; an SDK's own timeout should not be shorter.
    """

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
        """The model to ask; raises ``ValueError`` if this planning asks no model."""
        if self.model_profile is None:
            raise ValueError("this planning asks no model")
        return self.model_profile
