"""From plan ids to the ids that tasks have on ExecGo."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from pytest_execgo.models.task import Task, TaskGraph

MAX_ID_LENGTH = 200
_DIGEST_LENGTH = 16


def engine_id(prefix: str, stage_id: str, task_id: str, round_: int) -> str:
    """The id of a task on ExecGo: unique per run, trial, stage and round.

    At most 200 characters: a longer id is cut and ends in a digest of the whole. Runtimes accept only
    ``[A-Za-z0-9._-]``; the rules of plans guarantee it.
    """
    name = f"{prefix}.{stage_id}.{task_id}" + (f".r{round_}" if round_ else "")
    if len(name) <= MAX_ID_LENGTH:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST_LENGTH]
    return f"{name[: MAX_ID_LENGTH - _DIGEST_LENGTH - 1]}-{digest}"


def compile_graph(
    graph: TaskGraph, prefix: str, stage_id: str, round_: int
) -> tuple[TaskGraph, dict[str, str]]:
    """The graph with engine ids, and the map from plan ids to them.

    A dependency on a task outside the graph stays as it is: ExecGo judges plans, not the runner.
    """
    ids = {task.id: engine_id(prefix, stage_id, task.id, round_) for task in graph.tasks}
    tasks = [
        task.model_copy(
            update={
                "id": ids[task.id],
                "depends_on": tuple(ids.get(dep, dep) for dep in task.depends_on),
            }
        )
        for task in graph.tasks
    ]
    return TaskGraph(tasks=tuple(tasks)), ids


def subgraph(graph: TaskGraph, names: Collection[str]) -> TaskGraph:
    """The tasks ``names`` of ``graph``, without their dependencies on the other tasks.

    Used for a resubmission: the other tasks have succeeded, and ExecGo refuses a dependency on a task
    that is not in the same graph.
    """
    return TaskGraph(tasks=tuple(_within(task, names) for task in graph.tasks if task.id in names))


def _within(task: Task, names: Collection[str]) -> Task:
    kept = tuple(dep for dep in task.depends_on if dep in names)
    return task.model_copy(update={"depends_on": kept})
