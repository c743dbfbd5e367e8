"""The rules that a legal plan follows, beyond its schema. They are checked before anything is submitted.

Collection applies them to reference plans, adapters to the answers of a model (the repair loop), and
the metric ``plan_validity`` to the plan of each trial.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from pytest_execgo.errors import choice, did_you_mean
from pytest_execgo.models.messages import key_path
from pytest_execgo.models.payloads import runtime_mistakes, tool_mistakes
from pytest_execgo.models.plan import PlanStage, StandardPlan
from pytest_execgo.models.task import LEGACY_TYPES, TASK_TYPES, Task

PLACEHOLDERS = ("workspace", "fixtures_url", "run_id", "trial_id", "python")
# `$${` is a literal `${`, for shell scripts.
_PLACEHOLDER = re.compile(r"\$(\$?)\{([^}]*)(\}?)")
# No dot: in the ids on ExecGo, dots separate run, trial, stage, task and round.
_ID = re.compile(r"[A-Za-z0-9_-]+")

_RULES_OF_EXECGO = frozenset(
    {
        "unknown_task_type", "unknown_dependency", "self_dependency", "cycle", "duplicate_task_id",
        "empty_graph",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Problem:
    """One broken rule: its stable name, the key path in the plan, and a message."""

    rule: str
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


def plan_problems(plan: StandardPlan) -> list[Problem]:
    """All broken rules of ``plan``, in document order; empty for a legal plan."""
    return list(_problems(plan))


def graph_rules(stage: PlanStage) -> tuple[str, ...]:
    """The rules of ExecGo that the task graph of ``stage`` breaks when it is submitted, each once."""
    found = _graph_problems(stage, "", {})
    return tuple(dict.fromkeys(one.rule for one in found if one.rule in _RULES_OF_EXECGO))


def strict_problems(plan: StandardPlan) -> list[Problem]:
    """All broken rules, and what ExecGo accepts although it is probably a mistake: payloads of its own
    tools with members that they do not read, or with values of other types than they read."""
    found = plan_problems(plan)
    for at, stage in enumerate(plan.stages):
        for index, task in enumerate(stage.task_graph.tasks):
            where = f"stages[{at}].task_graph.tasks[{index}]"
            for keys, message in tool_mistakes(task, _bound(stage, task)):
                found.append(Problem("bad_payload", f"{where}.{key_path(keys)}", message))
    return found


def _problems(plan: StandardPlan) -> Iterator[Problem]:
    if not plan.stages:
        yield Problem("no_stages", "stages", "a plan needs at least one stage")
    seen_stages: set[str] = set()
    finished: dict[str, str] = {}
    for index, stage in enumerate(plan.stages):
        at = f"stages[{index}]"
        yield from _id_problems(stage.stage_id, f"{at}.stage_id", seen_stages, "stage")
        yield from _graph_problems(stage, at, finished)
        yield from _binding_problems(stage, at, finished)
        finished |= {task.id: stage.stage_id for task in stage.task_graph.tasks}


def _id_problems(name: str, where: str, seen: set[str], kind: str) -> Iterator[Problem]:
    if not _ID.fullmatch(name):
        message = f"{kind} id {name!r} may only hold letters, digits, '_' and '-'"
        yield Problem("bad_id", where, message)
    if name in seen:
        yield Problem(f"duplicate_{kind}_id", where, f"{kind} id {name!r} is used twice")
    seen.add(name)


def _graph_problems(stage: PlanStage, at: str, finished: dict[str, str]) -> Iterator[Problem]:
    tasks = stage.task_graph.tasks
    if not tasks:
        yield Problem("empty_graph", f"{at}.task_graph.tasks", "a stage needs at least one task")
    names = [task.id for task in tasks]
    seen = set(finished)
    for index, task in enumerate(tasks):
        where = f"{at}.task_graph.tasks[{index}]"
        yield from _id_problems(task.id, f"{where}.id", seen, "task")
        yield from _task_problems(task, where, names, finished)
        for keys, message in runtime_mistakes(task, _bound(stage, task)):
            yield Problem("bad_payload", f"{where}.{key_path(keys)}", message)
    cycle = find_cycle({task.id: task.depends_on for task in tasks})
    if cycle:
        message = f"the tasks depend on each other in a cycle: {' -> '.join(cycle)}"
        yield Problem("cycle", f"{at}.task_graph", message)


def _bound(stage: PlanStage, task: Task) -> list[str]:
    return [one.target_param_path for one in stage.bindings if one.target_task_id == task.id]


def _task_problems(
    task: Task, where: str, names: list[str], finished: dict[str, str]
) -> Iterator[Problem]:
    types = (*TASK_TYPES, *LEGACY_TYPES)
    if task.type not in types:
        message = f"unknown task type {task.type!r}{choice(task.type, types)}"
        yield Problem("unknown_task_type", f"{where}.type", message)
    for index, dep in enumerate(task.depends_on):
        at = f"{where}.depends_on[{index}]"
        if dep == task.id:
            yield Problem("self_dependency", at, f"task {task.id!r} depends on itself")
        elif dep in finished:
            message = (
                f"task {dep!r} is in the earlier stage {finished[dep]!r}; stages run one after "
                "another, so leave it out (to carry its result over, add a binding)"
            )
            yield Problem("dependency_across_stages", at, message)
        elif dep not in names:
            message = f"task {task.id!r} depends on unknown task {dep!r}" + did_you_mean(dep, names)
            yield Problem("unknown_dependency", at, message)
    for keys, name in placeholders({"params": task.params, "input": task.input}):
        if name not in PLACEHOLDERS:
            message = f"unknown placeholder ${{{name}}}{choice(name, PLACEHOLDERS)}"
            yield Problem("unknown_placeholder", f"{where}.{key_path(keys)}", message)


def _binding_problems(stage: PlanStage, at: str, finished: dict[str, str]) -> Iterator[Problem]:
    targets = [task.id for task in stage.task_graph.tasks]
    for index, binding in enumerate(stage.bindings):
        where = f"{at}.bindings[{index}]"
        source, target = binding.source_task_id, binding.target_task_id
        if source in targets:
            message = (
                f"task {source!r} is in this stage; its result exists only once the stage has "
                "ended, so move the target into a later stage"
            )
            yield Problem("binding_within_stage", f"{where}.source_task_id", message)
        elif source not in finished:
            message = f"no earlier stage has a task {source!r}" + did_you_mean(source, finished)
            yield Problem("binding_unknown_source", f"{where}.source_task_id", message)
        if target not in targets:
            message = f"this stage has no task {target!r}" + did_you_mean(target, targets)
            yield Problem("binding_unknown_target", f"{where}.target_task_id", message)


def placeholders(
    value: Any, keys: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every ``${name}`` within ``value``, with the keys that lead to the text that holds it.

    A placeholder without its closing brace has the name ``workspace (not closed)``.
    """
    if isinstance(value, str):
        for escaped, name, closed in _PLACEHOLDER.findall(value):
            if not escaped:
                yield (
                    keys,
                    name if closed else f"{name.split()[0] if name.split() else ''} (not closed)",
                )
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from placeholders(key, (*keys, key))
            yield from placeholders(item, (*keys, key))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from placeholders(item, (*keys, index))


def uses_placeholder(plan: StandardPlan, name: str) -> bool:
    """Whether any task of the plan has ``${name}`` in its ``params`` or ``input``."""
    tasks = [task for stage in plan.stages for task in stage.task_graph.tasks]
    payloads = [{"params": task.params, "input": task.input} for task in tasks]
    return any(found == name for _, found in placeholders(payloads))


def fill_placeholders(value: Any, values: dict[str, str]) -> Any:
    """A copy of ``value`` with each ``${name}`` replaced; unknown names raise ``KeyError``."""
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda found: _filled(found, values), value)
    if isinstance(value, dict):
        return {
            fill_placeholders(key, values): fill_placeholders(item, values)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [fill_placeholders(item, values) for item in value]
    return value


def _filled(found: re.Match[str], values: dict[str, str]) -> str:
    escaped, name, closed = found.groups()
    return f"${{{name}{closed}" if escaped else values[name]


def find_cycle(edges: Mapping[str, Sequence[str]]) -> list[str]:
    """A cycle of at least two tasks, closed (``a -> b -> a``: a depends on b), or an empty list.

    It begins with its task that comes first in ``edges``. Unknown tasks and a task that depends on
    itself are left out: other rules report them.
    """
    known = {
        name: [dep for dep in deps if dep in edges and dep != name] for name, deps in edges.items()
    }
    try:
        TopologicalSorter(known).prepare()
    except CycleError as error:
        # graphlib lists a task after the task that it depends on, and repeats the first at the end.
        cycle: list[str] = list(reversed(error.args[1][1:]))
        start = cycle.index(next(name for name in edges if name in cycle))
        return [*cycle[start:], *cycle[:start], cycle[start]]
    return []
