"""PydanticAI: an agent whose output is a tool call, with a validator that asks the model again."""

from __future__ import annotations

from typing import Any

from pytest_execgo.adapter.answer import in_one_line
from pytest_execgo.adapter.base import PlanTrace
from pytest_execgo.adapter.framework import AsyncFrameworkAdapter, client_settings, model_settings
from pytest_execgo.adapter.landing import Landing, PlanDraft, land, land_json
from pytest_execgo.adapter.prompt import prompt
from pytest_execgo.errors import PlanError
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

            judge = _Judge(context, trace)

            @agent.output_validator  # type: ignore[untyped-decorator]
            def check(draft: PlanDraft) -> PlanDraft:
                landing = judge.accepted(draft)
                if landing.plan is None:
                    raise ModelRetry(landing.message)
                return draft

            try:
                async with agent.iter(texts.task) as run:
                    async for node in run:
                        # A node is reported before it runs, so the one before it has run by now.
                        judge.record()
                        trace.add("node", node=type(node).__name__)
                        if Agent.is_call_tools_node(node):
                            judge.response = node.model_response
            except UnexpectedModelBehavior as error:
                judge.record()
                trace.add("gave_up", message=str(error))
                if not trace.landings:
                    message = f"the framework refuses the reply of the model: {error}"
                    raise PlanError("no_answer", in_one_line(message)) from None
                # All retries are used up; the recorded landings explain it better.


class _Judge:
    """Records one landing per answer: of the output that the framework accepted, and otherwise of the
    text, because the validator does not see what the framework refuses."""

    def __init__(self, context: PlanContext, trace: PlanTrace) -> None:
        self._context, self._trace = context, trace
        self.response: Any = None
        self._accepted: Landing | None = None

    def accepted(self, draft: PlanDraft) -> Landing:
        """The landing of an output of the framework."""
        self._accepted = land(draft, self._context)
        return self._accepted

    def record(self) -> None:
        """Record the landing of the answer that was handled last, if there is one."""
        response, accepted = self.response, self._accepted
        self.response = self._accepted = None
        if response is not None:
            self._trace.record_landing(accepted or _refused(response, self._context))


def _refused(response: Any, context: PlanContext) -> Landing:
    """Why the framework accepted no call of the tool in an answer."""
    calls = [part for part in response.parts if part.part_kind == "tool-call"]
    ours = [call for call in calls if call.tool_name == _TOOL]
    if not ours:
        others = ", ".join(repr(call.tool_name) for call in calls)
        message = f"the answer does not call the tool {_TOOL}" + (
            f", but {others}" if others else ""
        )
        return Landing(None, (Problem("no_tool_call", "answer", message),))
    landing = land_json(_arguments(ours[0]), context)
    if landing.plan is None:
        return landing
    message = f"the framework does not accept the arguments of {_TOOL}"
    return Landing(None, (Problem("schema", "answer", message),))


def _arguments(call: Any) -> str:
    # The raw text: the framework wraps arguments that are not JSON.
    return call.args if isinstance(call.args, str) else str(call.args_as_json_str())


def _model(context: PlanContext, client: Any) -> Any:
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    return OpenAIChatModel(
        context.model.model,
        provider=OpenAIProvider(openai_client=client),
        settings=model_settings(context),
    )
