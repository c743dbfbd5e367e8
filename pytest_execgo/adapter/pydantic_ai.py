"""PydanticAI: an agent whose output is a tool call, with a validator that asks the model again."""

from __future__ import annotations

import asyncio
from typing import Any

from pytest_execgo.adapter.base import FrameworkAdapter, PlanTrace, model_settings
from pytest_execgo.adapter.landing import Landing, PlanDraft, land, land_text
from pytest_execgo.adapter.prompt import prompt
from pytest_execgo.models.context import PlanContext
from pytest_execgo.models.plan_rules import Problem


class PydanticAIAdapter(FrameworkAdapter):
    """The framework checks the shape of the answer itself and asks again; so does our validator."""

    name = "pydantic-ai"
    packages = ("pydantic-ai-slim", "openai")

    def run_framework(self, context: PlanContext, trace: PlanTrace) -> None:
        """Run the agent; its messages go into the trace."""
        asyncio.run(_run(context, trace))


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
                        # Judged here: the validator does not see what the framework itself refuses.
                        trace.judged(_judged(node.model_response, context))
        except UnexpectedModelBehavior as error:
            # Its retries are used up; the judged answers say why.
            trace.add("gave_up", message=str(error))


def _judged(response: Any, context: PlanContext) -> Landing:
    """The landing of one answer: of the arguments that it calls the tool with."""
    for part in response.parts:
        if part.part_kind == "tool-call":
            # The raw text: the framework wraps arguments that are not JSON.
            args = part.args if isinstance(part.args, str) else part.args_as_json_str()
            return land_text(args, context)
    message = "the answer does not call the tool submit_plan"
    return Landing(None, (Problem("no_tool_call", "answer", message),))


def _model(context: PlanContext, client: Any) -> Any:
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    return OpenAIChatModel(
        context.model.model,
        provider=OpenAIProvider(openai_client=client),
        settings=model_settings(context),
    )
