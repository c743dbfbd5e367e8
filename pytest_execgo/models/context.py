"""What an adapter is given to plan with."""

from __future__ import annotations

from typing import Any

from pytest_execgo.models.document import Model
from pytest_execgo.models.plan import Mode


class PromptPack(Model):
    """The texts of a scenario's ``prompts``, already read; an absent prompt is an empty string."""

    system: str = ""
    user: str = ""
    constraints: str = ""


class ModelProfile(Model):
    """The model that a live adapter asks; ``temperature`` as the provider defines it. What an adapter is
    given has the ``base_url`` of the wire, which needs no key."""

    provider: str
    model: str
    base_url: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None


class PlanContext(Model):
    """The task of an adapter. It never holds the reference plan: a live adapter must not see it."""

    scenario_id: str
    framework: str
    mode: Mode
    model_profile: ModelProfile | None = None
    max_repairs: int = 2
    prompt_pack: PromptPack = PromptPack()
    seed: int = 0
    capabilities: tuple[str, ...] = ()
    chaos_profile: str = "none"
    scenario_input: dict[str, Any] = {}
    workspace_dir: str = ""
