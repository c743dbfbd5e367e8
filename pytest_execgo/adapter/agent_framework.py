"""Microsoft Agent Framework: a workflow of two executors, planner → checker, with an edge back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from pytest_execgo.adapter.base import PlanTrace
from pytest_execgo.adapter.landing import land_text
from pytest_execgo.adapter.packages import missing
from pytest_execgo.adapter.prompt import prompt, schema
from pytest_execgo.models.context import PlanContext
from pytest_execgo.models.plan import Mode, StandardPlan


class AgentFrameworkAdapter:
    """Agent, executors and edges are the framework's."""

    name = "agent-framework"
    modes: frozenset[Mode] = frozenset({"live", "replay"})
    asks_model = True
    packages = ("agent-framework-core", "agent-framework-openai", "openai")

    def missing(self) -> str | None:
        """All packages are needed."""
        return missing(self.name, self.packages)

    def plan(self, context: PlanContext, trace: PlanTrace, recording: Path | None) -> StandardPlan:
        """Run the workflow; its events go into the trace."""
        asyncio.run(_run(context, trace))
        return trace.settled()


async def _run(context: PlanContext, trace: PlanTrace) -> None:
    from agent_framework import Agent, AgentExecutor, WorkflowBuilder
    from agent_framework.openai import OpenAIChatCompletionClient
    from openai import AsyncOpenAI

    texts = prompt(context)
    answer = {"name": "plan", "schema": schema(), "strict": False}
    options = {
        "response_format": {"type": "json_schema", "json_schema": answer},
        **_chosen(context),
    }
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
            told = Message("user", [f"The plan breaks rules:\n{landing.message}"])
            await flow.send_message(AgentExecutorRequest(messages=[told], should_respond=True))

    # The framework reads these types at run time, and they are known only now.
    Checker._check.__annotations__ = {
        "response": AgentExecutorResponse,
        "flow": WorkflowContext[AgentExecutorRequest],
        "return": None,
    }
    Checker.check = handler(Checker._check)
    return Checker(id="checker")


def _chosen(context: PlanContext) -> dict[str, Any]:
    profile = context.model
    chosen = {"temperature": profile.temperature, "max_tokens": profile.max_tokens}
    return {name: value for name, value in chosen.items() if value is not None}
