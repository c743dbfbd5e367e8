"""What adapters for agent frameworks share: the order of a planning, and what they set on a client."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from pathlib import Path
from typing import Any

from pytest_execgo.adapter.base import Adapter, PlanTrace
from pytest_execgo.adapter.landing import Landing
from pytest_execgo.adapter.prompt import schema
from pytest_execgo.models.context import PlanContext
from pytest_execgo.models.plan import StandardPlan


class FrameworkAdapter(Adapter):
    """An agent framework that asks a model for the plan and repairs it in a loop of its own."""

    modes = frozenset({"live", "replay"})
    asks_model = True

    def plan(self, context: PlanContext, trace: PlanTrace, recording: Path | None) -> StandardPlan:
        """Run the framework; the result is the plan of the last answer."""
        self.run_framework(context, trace)
        return trace.final_plan()

    @abstractmethod
    def run_framework(self, context: PlanContext, trace: PlanTrace) -> None:
        """Ask for a plan, and for at most ``context.max_repairs`` repairs. Every answer of the model
        must be recorded: ``trace.record_landing(land_text(text, context))``."""


class AsyncFrameworkAdapter(FrameworkAdapter):
    """A framework whose interface is asynchronous: each planning gets an event loop."""

    def run_framework(self, context: PlanContext, trace: PlanTrace) -> None:
        """Run :meth:`run_async` to its end."""
        asyncio.run(self.run_async(context, trace))

    @abstractmethod
    async def run_async(self, context: PlanContext, trace: PlanTrace) -> None:
        """The same as :meth:`run_framework`, as a coroutine."""


def client_settings(context: PlanContext) -> dict[str, Any]:
    """Arguments of an OpenAI client that sends its requests to the model gateway: the gateway holds the
    key, retries, and limits the time of each answer, so the client does not."""
    return {
        "base_url": context.model.base_url,
        "api_key": "not-needed",
        "timeout": context.budget.seconds,
        "max_retries": 0,
    }


def model_settings(context: PlanContext) -> dict[str, float | int]:
    """``temperature`` and ``max_tokens``, if the user chose them: some models refuse explicit values."""
    profile = context.model
    chosen = {"temperature": profile.temperature, "max_tokens": profile.max_tokens}
    return {name: value for name, value in chosen.items() if value is not None}


def plan_format() -> dict[str, Any]:
    """The ``response_format`` that asks an OpenAI-compatible endpoint for a plan."""
    answer = {"name": "plan", "schema": schema(), "strict": False}
    return {"type": "json_schema", "json_schema": answer}


def repair_request(landing: Landing) -> str:
    """The message that asks the model to repair a plan."""
    return f"The plan breaks rules:\n{landing.message}"
