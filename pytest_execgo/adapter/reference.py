"""Adapter ``reference``: replays the scenario's reference plan. No framework, no model."""

from __future__ import annotations

from pathlib import Path

from pytest_execgo.adapter.base import Adapter, PlanTrace
from pytest_execgo.errors import UsageError
from pytest_execgo.models.context import PlanContext
from pytest_execgo.models.document import load
from pytest_execgo.models.plan import StandardPlan


class ReferenceAdapter(Adapter):
    """The baseline that every framework is compared with."""

    name = "reference"

    def plan(self, context: PlanContext, trace: PlanTrace, recording: Path | None) -> StandardPlan:
        """The reference plan, with the framework and mode of this trial."""
        if recording is None:
            raise UsageError(f"scenario {context.scenario_id} has no reference_plan to replay")
        plan = load(StandardPlan, recording)
        trace.add("read_reference_plan", file=recording.name, plan_id=plan.plan_id)
        return plan.model_copy(update={"framework": self.name, "mode": context.mode})
