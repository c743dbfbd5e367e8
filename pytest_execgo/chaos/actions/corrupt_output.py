"""``corrupt_output``: a task succeeds, but its output is damaged."""

from __future__ import annotations

from random import Random

from pytest_execgo.chaos.action import Change, PlanAction, PlanScope, replace_task
from pytest_execgo.models.plan import PlanStage, StandardPlan
from pytest_execgo.models.task import Task

# Runs the task's own command, then passes on the first half of its output, and its exit status.
_HALF = (
    'out=$("$@"); status=$?; size=$(printf %s "$out" | wc -c); '
    'printf %s "$out" | head -c $((size / 2)); exit $status'
)


class CorruptOutput(PlanAction):
    """The command really runs, of a task whose output a later task reads; the second half of that output
    is lost. Needs ``/bin/sh`` where the runtime is."""

    name = "corrupt_output"
    phases = frozenset({"plan"})

    def not_applicable(self, plan: StandardPlan, target: str) -> str | None:
        """Damage to output that no task reads has no effect."""
        if not _candidates(plan):
            return "no later stage reads the output of a command"
        return super().not_applicable(plan, target)

    def change(self, plan: StandardPlan, scope: PlanScope, rng: Random) -> Change | None:
        """Draws one task."""
        candidates = [(s, t) for s, t in _candidates(plan) if scope.matches(s.stage_id, t.id)]
        if not candidates:
            return None
        stage, task = rng.choice(candidates)
        execution = task.input["execution"]
        command = [execution["program"], *execution.get("args", [])]
        wrapped = {**execution, "program": "/bin/sh", "args": ["-c", _HALF, "sh", *command]}
        changed = task.model_copy(update={"input": {**task.input, "execution": wrapped}})
        done = replace_task(plan, stage.stage_id, changed)
        return Change(done, f"{task.id}: half of its output is lost", stage.stage_id, task.id)


def _candidates(plan: StandardPlan) -> list[tuple[PlanStage, Task]]:
    """The command tasks whose output a binding reads, with their stages. A command that is itself bound
    is left out: the bound value would replace the wrapper."""
    bindings = [binding for stage in plan.stages for binding in stage.bindings]
    read = {b.source_task_id for b in bindings if b.required}
    read -= {b.target_task_id for b in bindings if _binds_the_command(b.target_param_path)}
    return [
        (stage, task)
        for stage in plan.stages
        for task in stage.task_graph.tasks
        if task.id in read and task.type == "runtime" and _is_command(task)
    ]


def _binds_the_command(path: str) -> bool:
    head, execution, *rest = [*path.split("."), ""]
    return head == "input" and (execution != "execution" or rest[:1] != ["env"])


def _is_command(task: Task) -> bool:
    execution = task.input.get("execution") if isinstance(task.input, dict) else None
    return isinstance(execution, dict) and execution.get("kind") == "command"
