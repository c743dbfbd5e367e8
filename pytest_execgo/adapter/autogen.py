"""AutoGen: a conversation of two agents. The planner asks the model; the critic knows the rules of
ExecGo, and ends the conversation when a plan breaks none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_execgo.adapter.base import PlanTrace
from pytest_execgo.adapter.landing import land_text
from pytest_execgo.adapter.packages import missing
from pytest_execgo.adapter.prompt import prompt, schema
from pytest_execgo.models.context import PlanContext
from pytest_execgo.models.plan import Mode, StandardPlan

_APPROVED = "APPROVED"


class AutoGenAdapter:
    """Agents, team and conditions are AutoGen's; the critic needs no model."""

    name = "autogen"
    modes: frozenset[Mode] = frozenset({"live", "replay"})
    asks_model = True
    packages = ("autogen-agentchat", "autogen-ext", "openai")

    def missing(self) -> str | None:
        """All packages are needed."""
        return missing(self.name, self.packages)

    def plan(self, context: PlanContext, trace: PlanTrace, recording: Path | None) -> StandardPlan:
        """Let them talk; who said what goes into the trace."""
        asyncio.run(_converse(context, trace))
        return trace.settled()


async def _converse(context: PlanContext, trace: PlanTrace) -> None:
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
            landing = trace.judged(land_text(messages[-1].to_text(), context))
            reported = _APPROVED if landing.plan else f"The plan breaks rules:\n{landing.message}"
            return Response(chat_message=TextMessage(content=reported, source=self.name))

        async def on_reset(self, token: Any) -> None:
            """It remembers nothing."""

    return Critic("critic", "Says which rules of ExecGo a plan breaks.")


def _client(context: PlanContext) -> Any:
    from autogen_ext.models.openai import OpenAIChatCompletionClient

    profile = context.model
    chosen = {"temperature": profile.temperature, "max_tokens": profile.max_tokens}
    answer = {"name": "plan", "schema": schema(), "strict": False}
    return OpenAIChatCompletionClient(
        model=profile.model,
        base_url=profile.base_url,
        api_key="not-needed",
        timeout=context.budget.seconds,
        max_retries=0,
        response_format={"type": "json_schema", "json_schema": answer},
        model_info={
            "vision": False,
            "function_calling": False,
            "json_output": True,
            "family": "unknown",
            "structured_output": True,
        },
        **{name: value for name, value in chosen.items() if value is not None},
    )
