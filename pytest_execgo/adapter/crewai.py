"""CrewAI: a crew of one planner, whose task has a guardrail: it sends the agent back with the rules that
its plan breaks."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from pytest_execgo.adapter.base import PlanTrace
from pytest_execgo.adapter.landing import land_text
from pytest_execgo.adapter.packages import environment, missing
from pytest_execgo.adapter.prompt import prompt
from pytest_execgo.models.context import PlanContext
from pytest_execgo.models.plan import Mode, StandardPlan

# CrewAI reads these when it is imported; without a network its telemetry costs seconds in each process.
_QUIET = {
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_DISABLE_TRACKING": "true",
    "CREWAI_TRACING_ENABLED": "false",
    "OTEL_SDK_DISABLED": "true",
}


class CrewAIAdapter:
    """Agent, task and guardrail are CrewAI's."""

    name = "crewai"
    modes: frozenset[Mode] = frozenset({"live", "replay"})
    asks_model = True
    packages = ("crewai", "openai")

    def missing(self) -> str | None:
        """Both packages are needed."""
        return missing(self.name, self.packages)

    def plan(self, context: PlanContext, trace: PlanTrace, recording: Path | None) -> StandardPlan:
        """Kick the crew off; what its guardrail saw goes into the trace."""
        with (
            tempfile.TemporaryDirectory(prefix="execgo-crewai-") as storage,
            environment(**_QUIET, CREWAI_STORAGE_DIR=storage),
        ):
            _kickoff(context, trace)
        return trace.settled()


def _kickoff(context: PlanContext, trace: PlanTrace) -> None:
    from crewai import Agent, Crew, Process, Task

    texts = prompt(context)

    def guardrail(output: Any) -> tuple[bool, Any]:
        landing = trace.judged(land_text(output.raw, context))
        trace.add("guardrail", agent=output.agent, passed=landing.plan is not None)
        return (True, output.raw) if landing.plan else (False, landing.message)

    # CrewAI judges annotations, and takes those that are text for wrong ones.
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
        # It says so when the guardrail was never satisfied; then what was judged says why.
        if len(trace.landings) <= context.max_repairs:
            raise
        trace.add("gave_up", message=str(error)[:300])


def _llm(context: PlanContext) -> Any:
    from crewai import LLM

    profile = context.model
    return LLM(
        model=profile.model,
        provider="openai",
        base_url=profile.base_url,
        api_key="not-needed",
        temperature=profile.temperature,
        max_tokens=profile.max_tokens,
        timeout=context.budget.seconds,
        max_retries=0,
        response_format={"type": "json_object"},
    )
