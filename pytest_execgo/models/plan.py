"""The normalised plan that every adapter produces and the runner executes."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Literal

from pydantic import Field, field_validator

from pytest_execgo.models.document import A_DAY_MS, Document, VersionedDocument
from pytest_execgo.models.path import check_path
from pytest_execgo.models.task import TaskGraph

# Models read the docstrings of stages, bindings, policies and tasks: they are in the JSON Schema of the
# prompt. A new wording there makes every recording out of date.

Mode = Literal["live", "replay"]


_VARIABLE = re.compile(r"input\.execution\.env\.[^.]+")


def is_variable(target_param_path: str) -> bool:
    """Whether a binding fills in a variable of the environment of a runtime task. The runtime takes only
    text there."""
    return _VARIABLE.fullmatch(target_param_path) is not None


class Binding(Document):
    """Carries one value from a finished task of an earlier stage into a task of this stage.

    ``source_path`` is a JMESPath expression over the source task as ExecGo returned it (with
    ``from_json(@)``); ``target_param_path`` is dotted and begins with ``params.`` or ``input.``;
    numeric segments are list indexes.
    """

    source_task_id: str = Field(min_length=1)
    source_path: str = Field(min_length=1)
    target_task_id: str = Field(min_length=1)
    target_param_path: str
    required: bool = True

    @field_validator("source_path")
    @classmethod
    def _compiles(cls, value: str) -> str:
        return check_path(value)

    @field_validator("target_param_path")
    @classmethod
    def _within_the_payload(cls, value: str) -> str:
        head, _, rest = value.partition(".")
        if head not in ("params", "input") or not all(rest.split(".")):
            raise ValueError(f"must be dotted and begin with 'params.' or 'input.', got {value!r}")
        return value


class SubmitPolicy(Document):
    """How a stage is submitted, watched and recovered; times in milliseconds."""

    poll_interval_ms: int = Field(default=5, ge=1, le=A_DAY_MS)
    max_poll_interval_ms: int = Field(default=25, ge=1, le=A_DAY_MS)
    deadline_ms: int = Field(default=60_000, ge=1, le=A_DAY_MS)
    stop_on_failure: bool = True
    max_resubmits: int = Field(default=0, ge=0, le=20)
    resubmit_backoff_ms: int = Field(default=200, ge=0, le=A_DAY_MS)


def inside_workspace(path: str) -> str:
    """``path``, or ``ValueError`` if it leads out of the workspace."""
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError(f"must stay in the workspace: a relative path without '..', got {path!r}")
    return path


class ExpectedArtifact(Document):
    """A file that a stage leaves in the workspace, by its relative path."""

    path: str = Field(min_length=1)
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")

    @field_validator("path")
    @classmethod
    def _inside(cls, value: str) -> str:
        return inside_workspace(value)


class PlanStage(Document):
    """A task graph that is submitted in one piece."""

    stage_id: str = Field(min_length=1)
    task_graph: TaskGraph
    bindings: tuple[Binding, ...] = ()
    submit_policy: SubmitPolicy = SubmitPolicy()
    expected_artifacts: tuple[ExpectedArtifact, ...] = ()
    annotations: dict[str, str] = {}


class StandardPlan(VersionedDocument):
    """The stages of a plan, in their order.

    ExecGo's ``depends_on`` orders tasks and passes no results. To use a task's result as a parameter of
    another task, put the other task into a later stage and add a binding.
    """

    plan_id: str = Field(min_length=1)
    scenario_id: str = Field(min_length=1)
    framework: str = "reference"
    mode: Mode = "replay"
    stages: tuple[PlanStage, ...]
    raw_trace_ref: str | None = None
    normalization_warnings: tuple[str, ...] = ()
    annotations: dict[str, Any] = {}

    def task_ids(self) -> list[str]:
        """Ids of all tasks, in the order of the document."""
        return [task.id for stage in self.stages for task in stage.task_graph.tasks]


def plan_digest(plan: StandardPlan) -> str:
    """The sha256 of what ``plan`` submits: its stages as canonical JSON, without annotations."""
    stages = [
        stage.model_dump(mode="json", exclude={"annotations"}, exclude_defaults=True)
        for stage in plan.stages
    ]
    return _digest(stages)


def plan_shape(plan: StandardPlan) -> str:
    """The digest of ``plan`` after its stages and tasks are renamed by position: equal for plans that
    differ only in these names."""
    tasks = {name: f"t{number}" for number, name in enumerate(plan.task_ids())}
    stages = []
    for number, stage in enumerate(plan.stages):
        renamed = stage.model_dump(mode="json", exclude={"annotations"}, exclude_defaults=True)
        renamed["stage_id"] = f"s{number}"
        for task in renamed["task_graph"]["tasks"]:
            task["id"] = tasks[task["id"]]
            task["depends_on"] = [tasks.get(dep, dep) for dep in task.get("depends_on", [])]
        for binding in renamed.get("bindings", []):
            for end in ("source_task_id", "target_task_id"):
                binding[end] = tasks.get(binding[end], binding[end])
        stages.append(renamed)
    return _digest(stages)


def _digest(stages: list[Any]) -> str:
    text = json.dumps(stages, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
