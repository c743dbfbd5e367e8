"""Carries results of finished tasks into the payloads of tasks that are submitted next."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pytest_execgo.models.events import BindingMissing, BindingProblem, BindingResolved
from pytest_execgo.models.events.base import few
from pytest_execgo.models.path import NoJson, PathError, search
from pytest_execgo.models.plan import Binding, PlanStage, is_variable
from pytest_execgo.models.task import Task, TaskGraph

_LONGEST_NAME = 60


class Unresolved(Exception):
    """A required value is missing; ``event`` names the binding and the reason."""

    def __init__(self, event: BindingMissing) -> None:
        super().__init__(event.reason)
        self.event = event


class _NoValue(Exception):
    """A value is missing, or cannot be put where the binding wants it."""

    def __init__(self, code: BindingProblem, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


def resolve(
    stage: PlanStage, graph: TaskGraph, results: Mapping[str, Mapping[str, Any]]
) -> tuple[TaskGraph, list[BindingResolved | BindingMissing]]:
    """``graph`` with the bound values of ``stage`` in place, and one event per binding.

    ``results`` maps plan task ids to tasks as ExecGo returned them. Raises :class:`Unresolved` at the
    first required value that is missing: the stage must not be submitted then.
    """
    tasks = {task.id: task for task in graph.tasks}
    events: list[BindingResolved | BindingMissing] = []
    for binding in stage.bindings:
        try:
            value = _bind(binding, tasks, results)
        except _NoValue as problem:
            event = _missing(stage, binding, problem)
            if binding.required:
                raise Unresolved(event) from None
            events.append(event)
        else:
            events.append(_resolved(stage, binding, value))
    bound = {event.target_task_id for event in events if isinstance(event, BindingResolved)}
    # The tasks stay in the order of the plan, and a repeated id stays repeated: ExecGo refuses it.
    return TaskGraph(
        tasks=tuple(tasks[task.id] if task.id in bound else task for task in graph.tasks)
    ), events


def _bind(
    binding: Binding, tasks: dict[str, Task], results: Mapping[str, Mapping[str, Any]]
) -> Any:
    """Replace the target of ``binding`` in ``tasks`` by one with the value; returns the value."""
    task = tasks.get(binding.target_task_id)
    if task is None:
        raise _NoValue("bad_target", f"the stage has no task {binding.target_task_id!r}")
    value = _value(binding, results)
    member, _, rest = binding.target_param_path.partition(".")
    if is_variable(binding.target_param_path) and not isinstance(value, str):
        raise _NoValue(
            "bad_target",
            f"{binding.target_param_path} must be text, got {type(value).__name__}: "
            "end source_path with | to_string(@)",
        )
    payload = copy.deepcopy(getattr(task, member))
    try:
        payload = put(payload, rest.split("."), value)
    except (TypeError, IndexError) as error:
        raise _NoValue("bad_target", f"{binding.target_param_path}: {error}") from None
    tasks[task.id] = task.model_copy(update={member: payload})
    return value


def _value(binding: Binding, results: Mapping[str, Mapping[str, Any]]) -> Any:
    name = binding.source_task_id
    source = results.get(name)
    if source is None:
        raise _NoValue("no_result", f"task {name!r} has no result: it never ended")
    if source.get("status") != "success":
        raise _NoValue("source_failed", f"task {name!r} ended as {source.get('status')!r}")
    try:
        value = search(binding.source_path, source)
    except NoJson as error:
        raise _NoValue("unreadable", error.of_task(name, binding.source_path)) from None
    except PathError as error:
        raise _NoValue("unreadable", str(error)) from None
    if value is None:
        raise _NoValue(
            "absent", f"{binding.source_path} is not in the result of {name!r}{_printed(source)}"
        )
    return value


def _printed(source: Mapping[str, Any]) -> str:
    """What the task printed, if it is a JSON object: the names of its members."""
    try:
        printed = search("from_json(runtime.output.stdout)", source)
    except PathError:
        return ""
    if not isinstance(printed, dict):
        return ""
    names = few([str(name)[:_LONGEST_NAME] for name in printed])
    return f"; it printed JSON with {names or 'no members'}"


def put(container: Any, path: list[str], value: Any) -> Any:
    """``container`` with ``value`` at ``path``, changed in place; ``None`` becomes a mapping.

    Raises ``IndexError`` for a list that has no such index, ``TypeError`` where ``path`` leads through
    anything else than mappings and lists.
    """
    head, *rest = path
    if container is None:
        container = {}
    if isinstance(container, list):
        if not head.isdecimal() or int(head) >= len(container):
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


def _missing(stage: PlanStage, binding: Binding, problem: _NoValue) -> BindingMissing:
    return BindingMissing(
        stage_id=stage.stage_id, code=problem.code, reason=problem.reason, **binding.model_dump()
    )
