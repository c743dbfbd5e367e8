"""Carrying results from finished tasks into the payloads of tasks about to be submitted."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pytest_execgo.models.events import BindingMissing, BindingProblem, BindingResolved
from pytest_execgo.models.path import PathError, search
from pytest_execgo.models.plan import Binding, PlanStage
from pytest_execgo.models.task import TaskGraph


class Unresolved(Exception):
    """A required value is missing; carries the event that says which and why."""

    def __init__(self, event: BindingMissing) -> None:
        super().__init__(event.reason)
        self.event = event


def resolve(
    stage: PlanStage, graph: TaskGraph, results: Mapping[str, Mapping[str, Any]]
) -> tuple[TaskGraph, list[BindingResolved | BindingMissing]]:
    """``graph`` with the bound values of ``stage`` in place, and one event per binding.

    ``results`` maps plan task ids to tasks as ExecGo returned them. Raises :class:`Unresolved` at
    the first required value that is not there; nothing may be submitted then.
    """
    tasks = {task.id: task for task in graph.tasks}
    bound: set[str] = set()
    events: list[BindingResolved | BindingMissing] = []
    for binding in stage.bindings:
        value, code, reason = _value(binding, results)
        task = tasks.get(binding.target_task_id)
        if task is None:
            code, reason = "bad_target", f"the stage has no task {binding.target_task_id!r}"
        if not reason and task is not None:
            head, _, rest = binding.target_param_path.partition(".")
            payload = copy.deepcopy(getattr(task, head))
            try:
                payload = put(payload, rest.split("."), value)
            except (TypeError, IndexError) as error:
                code, reason = "bad_target", f"{binding.target_param_path}: {error}"
            else:
                tasks[task.id] = task.model_copy(update={head: payload})
                bound.add(task.id)
        if reason:
            event = _missing(stage, binding, code, reason)
            if binding.required:
                raise Unresolved(event)
            events.append(event)
        else:
            events.append(_resolved(stage, binding, value))
    # In the plan's own order, an id that stands twice included: refusing it is ExecGo's part.
    return TaskGraph(
        tasks=tuple(tasks[task.id] if task.id in bound else task for task in graph.tasks)
    ), events


def _value(
    binding: Binding, results: Mapping[str, Mapping[str, Any]]
) -> tuple[Any, BindingProblem, str]:
    """The bound value, or why there is none: a code and a reason (empty if there is a value)."""
    source = results.get(binding.source_task_id)
    if source is None:
        return None, "no_result", f"task {binding.source_task_id!r} has no result: it never ended"
    if source.get("status") != "success":
        ended = f"task {binding.source_task_id!r} ended as {source.get('status')!r}"
        return None, "source_failed", ended
    try:
        value = search(binding.source_path, source)
    except PathError as error:
        return None, "unreadable", str(error)
    if value is None:
        absent = f"{binding.source_path} is not in the result of {binding.source_task_id!r}"
        return None, "absent", absent
    return value, "absent", ""


def put(container: Any, path: list[str], value: Any) -> Any:
    """``container`` with ``value`` at ``path``. Absent mappings are made; a list must be long enough.

    Raises ``TypeError`` or ``IndexError`` where the path leads through something else.
    """
    head, *rest = path
    if container is None:
        container = {}
    if isinstance(container, list):
        if not head.isdigit() or int(head) >= len(container):
            raise IndexError(f"no index {head!r} in a list of {len(container)}")
        container[int(head)] = put(container[int(head)], rest, value) if rest else value
        return container
    if not isinstance(container, dict):
        raise TypeError(f"{head!r} leads into {type(container).__name__}, not a mapping or list")
    container[head] = put(container.get(head), rest, value) if rest else value
    return container


def _resolved(stage: PlanStage, binding: Binding, value: Any) -> BindingResolved:
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    return BindingResolved(
        stage_id=stage.stage_id,
        digest=hashlib.sha256(canonical).hexdigest(),
        **binding.model_dump(exclude={"required"}),
    )


def _missing(
    stage: PlanStage, binding: Binding, code: BindingProblem, reason: str
) -> BindingMissing:
    return BindingMissing(stage_id=stage.stage_id, code=code, reason=reason, **binding.model_dump())
