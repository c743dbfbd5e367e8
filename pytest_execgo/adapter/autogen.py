"""AutoGen: a conversation of two agents. The planner asks the model; the critic knows the rules of
ExecGo and ends the conversation when a plan breaks none of them."""

from __future__ import annotations

from collections.abc import Sequence
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

_APPROVED = "APPROVED"


class AutoGenAdapter(AsyncFrameworkAdapter):
    """Agents, team and conditions are AutoGen's; the critic needs no model."""

    name = extra = "autogen"
    packages = ("autogen-agentchat", "autogen-ext", "openai")

    async def run_async(self, context: PlanContext, trace: PlanTrace) -> None:
        """Run the conversation; each message goes into the trace."""
        from autogen_agentchat.agents import AssistantAgent
        from autogen_agentchat.conditions import MaxMessageTermination, TextMentionTermination
        from autogen_agentchat.teams import RoundRobinGroupChat

        texts, client = prompt(context), _client(context)
        planner = AssistantAgent("planner", model_client=client, system_message=texts.system)
        critic = _critic(context, trace)
        # The task, then planner and critic in turn.
        most = 1 + 2 * (context.max_repairs + 1)
        done = TextMentionTermination(_APPROVED, sources=["critic"]) | MaxMessageTermination(most)
        team = RoundRobinGroupChat([planner, critic], termination_condition=done)
        try:
            async for message in team.run_stream(task=texts.task):
                kind = type(message).__name__
                trace.add("message", source=getattr(message, "source", None), kind=kind)
        finally:
            await client.close()


def _critic(context: PlanContext, trace: PlanTrace) -> Any:
    from autogen_agentchat.agents import BaseChatAgent
    from autogen_agentchat.base import Response
    from autogen_agentchat.messages import BaseChatMessage, TextMessage

    class Critic(BaseChatAgent):  # type: ignore[misc]
        @property
        def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
            return (TextMessage,)

        async def on_messages(self, messages: Sequence[BaseChatMessage], token: Any) -> Response:
            landing = trace.record_landing(land_text(messages[-1].to_text(), context))
            reply = _APPROVED if landing.plan else repair_request(landing)
            return Response(chat_message=TextMessage(content=reply, source=self.name))

        async def on_reset(self, token: Any) -> None:
            """It has no state."""

    return Critic("critic", "Says which rules of ExecGo a plan breaks.")


def _client(context: PlanContext) -> Any:
    from autogen_ext.models.openai import OpenAIChatCompletionClient

    return OpenAIChatCompletionClient(
        model=context.model.model,
        **client_settings(context),
        response_format=plan_format(),
        model_info={
            "vision": False,
            "function_calling": False,
            "json_output": True,
            "family": "unknown",
            "structured_output": True,
        },
        **model_settings(context),
    )
