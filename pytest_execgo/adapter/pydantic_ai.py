"""PydanticAI: an agent whose output is a tool call, with a validator that asks the model again."""

from __future__ import annotations

from typing import Any

from pytest_execgo.adapter.base import PlanTrace
from pytest_execgo.adapter.framework import AsyncFrameworkAdapter, client_settings, model_settings
from pytest_execgo.adapter.landing import Landing, PlanDraft, land, land_text
from pytest_execgo.adapter.prompt import prompt
from pytest_execgo.models.context import PlanContext
from pytest_execgo.models.plan_rules import Problem

_TOOL = "submit_plan"


class PydanticAIAdapter(AsyncFrameworkAdapter):
    """The framework checks the shape of an answer, our validator its rules; both ask again."""

    name = extra = "pydantic-ai"
    packages = ("pydantic-ai-slim", "openai")

    async def run_async(self, context: PlanContext, trace: PlanTrace) -> None:
        """Run the agent; each node of its run goes into the trace."""
        from openai import AsyncOpenAI
        from pydantic_ai import Agent, ModelRetry, ToolOutput
        from pydantic_ai.exceptions import UnexpectedModelBehavior

        texts = prompt(context)
        async with AsyncOpenAI(**client_settings(context)) as client:
            agent: Any = Agent(
                _model(context, client),
                output_type=ToolOutput(PlanDraft, name=_TOOL),
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
                            # Not in the validator: it does not see what the framework refuses.
                            trace.record_landing(_landing(node.model_response, context))
            except UnexpectedModelBehavior as error:
                # All retries are used up; the recorded landings explain it better.
                trace.add("gave_up", message=str(error))


def _landing(response: Any, context: PlanContext) -> Landing:
    """The landing of the arguments with which an answer calls the tool."""
    for part in response.parts:
        if part.part_kind == "tool-call":
            # The raw text: the framework wraps arguments that are not JSON.
            args = part.args if isinstance(part.args, str) else part.args_as_json_str()
            return land_text(args, context)
    message = f"the answer does not call the tool {_TOOL}"
    return Landing(None, (Problem("no_tool_call", "answer", message),))


def _model(context: PlanContext, client: Any) -> Any:
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    return OpenAIChatModel(
        context.model.model,
        provider=OpenAIProvider(openai_client=client),
        settings=model_settings(context),
    )
