"""Microsoft Agent Framework: a workflow of two executors, planner → checker, with an edge back."""

from __future__ import annotations

from typing import Any

from pytest_execgo.adapter.base import PlanTrace
from pytest_execgo.adapter.framework import (
    AsyncFrameworkAdapter,
    client_settings,
    model_settings,
    plan_format,
    repair_request,
)
from pytest_execgo.adapter.landing import land_text
from pytest_execgo.adapter.prompt import prompt
from pytest_execgo.models.context import PlanContext


class AgentFrameworkAdapter(AsyncFrameworkAdapter):
    """The planner asks the model; the checker sends a plan that breaks rules back along the edge."""

    name = extra = "agent-framework"
    packages = ("agent-framework-core", "agent-framework-openai", "openai")

    async def run_async(self, context: PlanContext, trace: PlanTrace) -> None:
        """Run the workflow; its events go into the trace."""
        from agent_framework import Agent, AgentExecutor, WorkflowBuilder
        from agent_framework.openai import OpenAIChatCompletionClient
        from openai import AsyncOpenAI

        texts = prompt(context)
        options = {"response_format": plan_format(), **model_settings(context)}
        async with AsyncOpenAI(**client_settings(context)) as client:
            model = OpenAIChatCompletionClient(context.model.model, async_client=client)
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
            landing = trace.record_landing(land_text(response.agent_response.text, context))
            if landing.plan is not None or len(trace.landings) > context.max_repairs:
                return
            message = Message("user", [repair_request(landing)])
            await flow.send_message(AgentExecutorRequest(messages=[message], should_respond=True))

    # The framework reads these types at run time; they are imported only here.
    Checker._check.__annotations__ = {
        "response": AgentExecutorResponse,
        "flow": WorkflowContext[AgentExecutorRequest],
        "return": None,
    }
    Checker.check = handler(Checker._check)
    return Checker(id="checker")
