"""PydanticAI: an agent whose output is a tool call; a validator of its sends the model back to work."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from pytest_execgo.adapter.base import PlanTrace
from pytest_execgo.adapter.landing import Landing, PlanDraft, land, land_text
from pytest_execgo.adapter.packages import missing
from pytest_execgo.adapter.prompt import prompt
from pytest_execgo.models.context import PlanContext
from pytest_execgo.models.plan import Mode, StandardPlan
from pytest_execgo.models.plan_rules import Problem


class PydanticAIAdapter:
    """The framework checks the shape of the answer itself and asks again; so does our validator."""

    name = "pydantic-ai"
    modes: frozenset[Mode] = frozenset({"live", "replay"})
    asks_model = True
    packages = ("pydantic-ai-slim", "openai")

    def missing(self) -> str | None:
        """Both packages are needed."""
        return missing(self.name, self.packages)

    def plan(self, context: PlanContext, trace: PlanTrace, recording: Path | None) -> StandardPlan:
        """Run the agent; its messages go into the trace."""
        asyncio.run(_run(context, trace))
        return trace.settled()


async def _run(context: PlanContext, trace: PlanTrace) -> None:
    from openai import AsyncOpenAI
    from pydantic_ai import Agent, ModelRetry, ToolOutput
    from pydantic_ai.exceptions import UnexpectedModelBehavior

    profile = context.model
    texts = prompt(context)
    async with AsyncOpenAI(
        base_url=profile.base_url,
        api_key="not-needed",
        timeout=context.budget.seconds,
        max_retries=0,
    ) as client:
        agent: Any = Agent(
            _model(context, client),
            output_type=ToolOutput(PlanDraft, name="submit_plan"),
            system_prompt=texts.system,
            retries=context.max_repairs,
        )

        @agent.output_validator  # type: ignore[untyped-decorator]
        def check(draft: PlanDraft) -> PlanDraft:
            landing = land(draft, context)
            if landing.plan is None:
                raise ModelRetry(landing.message)
            return draft

        try:
            async with agent.iter(texts.task) as run:
                async for node in run:
                    trace.add("node", node=type(node).__name__)
                    if Agent.is_call_tools_node(node):
                        # Here, for the validator never sees what the framework refuses itself.
                        trace.judged(_judged(node.model_response, context))
        except UnexpectedModelBehavior as error:
            # Its retries are used up: what was judged says why.
            trace.add("gave_up", message=str(error))


def _judged(response: Any, context: PlanContext) -> Landing:
    """What became of one answer: what it calls the tool with."""
    for part in response.parts:
        if part.part_kind == "tool-call":
            # As it came: the framework has an envelope of its own for what is no JSON.
            args = part.args if isinstance(part.args, str) else part.args_as_json_str()
            return land_text(args, context)
    message = "it is not what the tool was to be called with, as it was asked for"
    return Landing(None, (Problem("no_tool_call", "answer", message),))


def _model(context: PlanContext, client: Any) -> Any:
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    profile = context.model
    settings = {"temperature": profile.temperature, "max_tokens": profile.max_tokens}
    return OpenAIChatModel(
        profile.model,
        provider=OpenAIProvider(openai_client=client),
        settings={name: value for name, value in settings.items() if value is not None},
    )
