"""Microsoft Agent Framework: a workflow of two executors, planner → checker, with an edge back."""

from __future__ import annotations

import asyncio
from typing import Any

from pytest_execgo.adapter.base import FrameworkAdapter, PlanTrace, model_settings, plan_format
from pytest_execgo.adapter.landing import land_text
from pytest_execgo.adapter.prompt import prompt
from pytest_execgo.models.context import PlanContext


class AgentFrameworkAdapter(FrameworkAdapter):
    """Agent, executors and edges are the framework's."""

    name = "agent-framework"
    packages = ("agent-framework-core", "agent-framework-openai", "openai")

    def run_framework(self, context: PlanContext, trace: PlanTrace) -> None:
        """Run the workflow; its events go into the trace."""
        asyncio.run(_run(context, trace))


async def _run(context: PlanContext, trace: PlanTrace) -> None:
    from agent_framework import Agent, AgentExecutor, WorkflowBuilder
    from agent_framework.openai import OpenAIChatCompletionClient
    from openai import AsyncOpenAI

    texts = prompt(context)
    options = {"response_format": plan_format(), **model_settings(context)}
    profile = context.model
    async with AsyncOpenAI(
        base_url=profile.base_url,
        api_key="not-needed",
        timeout=context.budget.seconds,
        max_retries=0,
    ) as client:
        model = OpenAIChatCompletionClient(profile.model, async_client=client)
        agent = Agent(model, texts.system, name="planner", default_options=options)
        planner, checker = AgentExecutor(agent, id="planner"), _checker(context, trace)
        builder = WorkflowBuilder(start_executor=planner)
        workflow = builder.add_edge(planner, checker).add_edge(checker, planner).build()
        for event in await workflow.run(texts.task):
            executor = getattr(event, "executor_id", None)
            if executor:
                trace.add("workflow", executor=executor, event=str(event.type))


def _checker(context: PlanContext, trace: PlanTrace) -> Any:
    from agent_framework import (
        AgentExecutorRequest,
        AgentExecutorResponse,
        Executor,
        Message,
        WorkflowContext,
        handler,
    )

    class Checker(Executor):  # type: ignore[misc]
        async def _check(self, response: Any, flow: Any) -> None:
            landing = trace.judged(land_text(response.agent_response.text, context))
            if landing.plan is not None or len(trace.landings) > context.max_repairs:
                return
            rules = Message("user", [f"The plan breaks rules:\n{landing.message}"])
            await flow.send_message(AgentExecutorRequest(messages=[rules], should_respond=True))

    # The framework reads these types at run time; they are imported only here.
    Checker._check.__annotations__ = {
        "response": AgentExecutorResponse,
        "flow": WorkflowContext[AgentExecutorRequest],
        "return": None,
    }
    Checker.check = handler(Checker._check)
    return Checker(id="checker")
