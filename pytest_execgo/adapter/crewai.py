"""CrewAI: a crew of one planner. The guardrail of its task returns the broken rules to the agent."""

from __future__ import annotations

import tempfile
from typing import Any

from pytest_execgo.adapter.base import PlanTrace
from pytest_execgo.adapter.framework import FrameworkAdapter, client_settings
from pytest_execgo.adapter.landing import land_text
from pytest_execgo.adapter.packages import environment
from pytest_execgo.adapter.prompt import prompt
from pytest_execgo.models.context import PlanContext

# CrewAI reads these at import. Without a network its telemetry costs seconds per process.
_QUIET = {
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_DISABLE_TRACKING": "true",
    "CREWAI_TRACING_ENABLED": "false",
    "OTEL_SDK_DISABLED": "true",
}


class CrewAIAdapter(FrameworkAdapter):
    """Agent and task are CrewAI's; its guardrail checks the plan and asks the agent to repair it."""

    name = extra = "crewai"
    packages = ("crewai", "openai")

    def run_framework(self, context: PlanContext, trace: PlanTrace) -> None:
        """Run the crew; every call of the guardrail goes into the trace."""
        with (
            tempfile.TemporaryDirectory(prefix="execgo-crewai-") as storage,
            environment(**_QUIET, CREWAI_STORAGE_DIR=storage),
        ):
            _kickoff(context, trace)


def _kickoff(context: PlanContext, trace: PlanTrace) -> None:
    from crewai import Agent, Crew, Process, Task

    texts = prompt(context)

    def guardrail(output: Any) -> tuple[bool, Any]:
        landing = trace.record_landing(land_text(output.raw, context))
        trace.add("guardrail", agent=output.agent, passed=landing.plan is not None)
        return (True, output.raw) if landing.plan else (False, landing.message)

    # CrewAI validates annotations, and rejects those that are strings.
    guardrail.__annotations__.clear()
    planner = Agent(
        role="planner",
        goal="Write plans that ExecGo runs.",
        backstory=texts.system,
        llm=_llm(context),
        max_retry_limit=0,
        allow_delegation=False,
        verbose=False,
    )
    task = Task(
        name="plan",
        description=texts.task,
        expected_output="One JSON object that fits the schema.",
        agent=planner,
        guardrail=guardrail,
        guardrail_max_retries=context.max_repairs,
    )
    crew = Crew(agents=[planner], tasks=[task], process=Process.sequential, verbose=False)
    try:
        crew.kickoff()
    except Exception as error:
        # CrewAI raises if no answer passed the guardrail; the recorded landings explain it better.
        if len(trace.landings) <= context.max_repairs:
            raise
        trace.add("gave_up", message=str(error)[:300])


def _llm(context: PlanContext) -> Any:
    from crewai import LLM

    profile = context.model
    return LLM(
        model=profile.model,
        provider="openai",
        temperature=profile.temperature,
        max_tokens=profile.max_tokens,
        response_format={"type": "json_object"},
        **client_settings(context),
    )
