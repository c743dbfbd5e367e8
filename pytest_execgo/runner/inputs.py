"""What a stage submits, as evidence: where its tasks get data from, and the rules that it breaks."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_execgo.models.events import (
    BindingMissing,
    BindingResolved,
    SubmissionStarted,
    TaskInputs,
)
from pytest_execgo.models.payloads import runtime_accepts
from pytest_execgo.models.plan import PlanStage, is_variable
from pytest_execgo.models.plan_rules import graph_rules
from pytest_execgo.models.task import Task, TaskGraph
from pytest_execgo.runner.watchdog import own_limit_ms

_SERVICES = {"fixtures_url": "fixtures"}
"""Placeholders that hold the URL of a service."""
_MOST_FILES = 20


def submission_started(
    stage: PlanStage,
    graph: TaskGraph,
    bound: Sequence[BindingResolved | BindingMissing],
    placeholders: Mapping[str, str],
) -> SubmissionStarted:
    """The event for ``graph``, the tasks of ``stage`` as they are submitted."""
    submitted = stage.model_copy(update={"task_graph": graph, "bindings": ()})
    carried: dict[str, list[BindingResolved]] = {task.id: [] for task in graph.tasks}
    for event in bound:
        if isinstance(event, BindingResolved) and event.target_task_id in carried:
            carried[event.target_task_id].append(event)
    return SubmissionStarted(
        stage_id=stage.stage_id,
        inputs={task.id: _inputs(task, carried[task.id], placeholders) for task in graph.tasks},
        problems=graph_rules(submitted),
    )


def _inputs(
    task: Task, carried: Sequence[BindingResolved], placeholders: Mapping[str, str]
) -> TaskInputs:
    text = json.dumps([task.params, task.input], ensure_ascii=False)
    services = [
        name for key, name in _SERVICES.items() if placeholders.get(key, text + "?") in text
    ]
    workspace = placeholders.get("workspace")
    return TaskInputs(
        services=tuple(services),
        tasks=tuple(dict.fromkeys((*task.depends_on, *(one.source_task_id for one in carried)))),
        workspace=workspace is not None and workspace in text,
        files=tuple(_files([task.params, task.input], workspace)) if workspace else (),
        memory_limit='"memory_bytes":' in text,
        limit_ms=own_limit_ms(task),
        payload=_payload(task, placeholders),
        valid=runtime_accepts(task) if task.type == "runtime" else None,
        own_id=_has_own_id(task),
        bound=any(not is_variable(one.target_param_path) for one in carried),
    )


def _files(payload: Any, workspace: str) -> list[str]:
    """Paths below the workspace in the texts of a payload, relative to it."""
    path = rf"(?<![\w./\\-]){re.escape(workspace)}[/\\]([^\s'\":,;()<>|&]+)"
    found = [name.replace("\\", "/") for text in _texts(payload) for name in re.findall(path, text)]
    inside = [name for name in found if ".." not in name.split("/")]
    return list(dict.fromkeys(inside))[:_MOST_FILES]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)


def _has_own_id(task: Task) -> bool:
    return any(isinstance(one, Mapping) and "task_id" in one for one in (task.input, task.params))


def _payload(task: Task, placeholders: Mapping[str, str]) -> str:
    text = json.dumps(task.body(), ensure_ascii=False, sort_keys=True)
    # The longest first: a value may be a part of another one.
    for name, value in sorted(placeholders.items(), key=lambda one: -len(one[1])):
        text = text.replace(value, f"${{{name}}}") if value else text
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
