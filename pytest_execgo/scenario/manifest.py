"""Reads ``scenario.yaml`` and the files in its folder."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import jsonschema
from pydantic import Field, field_validator, model_validator

from pytest_execgo.errors import UsageError, did_you_mean
from pytest_execgo.models.context import PromptPack
from pytest_execgo.models.document import (
    LONGEST_ID,
    Document,
    VersionedDocument,
    free_name,
    load,
    read_data,
    read_text,
    shown,
)
from pytest_execgo.models.messages import line_of, show, split_path
from pytest_execgo.models.path import check_path
from pytest_execgo.models.plan import StandardPlan, inside_workspace
from pytest_execgo.models.plan_rules import plan_problems

MANIFEST = "scenario.yaml"


class TaskCheck(Document):
    """The task ended with this status."""

    kind: Literal["task"]
    task: str
    status: Literal["success", "failed", "skipped"]


class _ResultCheck(Document):
    task: str
    path: str

    @field_validator("path")
    @classmethod
    def _compiles(cls, value: str) -> str:
        return check_path(value)


class ValueCheck(_ResultCheck):
    """A value in the task's result; all given comparisons must be true.

    ``contains`` searches an item of a list, a key of a mapping, or a part of a text. ``matches`` is a
    regular expression that must match a part of a text.
    """

    kind: Literal["value"]
    equals: Any = None
    equals_file: str | None = None
    at_least: float | None = None
    at_most: float | None = None
    contains: Any = None
    matches: str | None = None

    @model_validator(mode="after")
    def _compares(self) -> ValueCheck:
        for name in ("equals_file", "at_least", "at_most", "matches"):
            if name in self.model_fields_set and getattr(self, name) is None:
                raise ValueError(f"{name} needs a value")
        if self.matches is not None:
            try:
                re.compile(self.matches)
            except re.error as error:
                raise ValueError(
                    f"matches: {self.matches!r} is not a regular expression: {error}"
                ) from None
        if not self.model_fields_set & set(COMPARISONS):
            raise ValueError(f"nothing to compare with; give one of: {', '.join(COMPARISONS)}")
        return self


COMPARISONS = ("equals", "equals_file", "at_least", "at_most", "contains", "matches")


class JsonSchemaCheck(_ResultCheck):
    """A value in the task's result is valid against a JSON Schema file."""

    kind: Literal["json_schema"]
    schema_file: str = Field(alias="schema")


class FileCheck(Document):
    """A file in the workspace after the run.

    Without ``sha256`` and ``equals_file`` the file must exist; with ``absent: true`` it must not exist.
    """

    kind: Literal["file"]
    path: str
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    equals_file: str | None = None
    absent: bool = False

    @field_validator("path")
    @classmethod
    def _inside(cls, value: str) -> str:
        return inside_workspace(value)


class PythonCheck(Document):
    """A function ``module:function`` in the scenario's folder, called with a :class:`TrialView`."""

    kind: Literal["python"]
    callable: str = Field(pattern=r"^[A-Za-z_]\w*:[A-Za-z_]\w*$")


Check = Annotated[
    TaskCheck | ValueCheck | JsonSchemaCheck | FileCheck | PythonCheck, Field(discriminator="kind")
]


class Prompts(Document):
    """Files with the prompts for live adapters."""

    system: str | None = None
    user: str | None = None
    constraints: str | None = None


VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class ScenarioManifest(VersionedDocument):
    """The content of ``scenario.yaml``; all paths are relative to its folder."""

    id: str = Field(pattern="^[a-z0-9_]+$", max_length=LONGEST_ID)
    description: str = ""
    seed: int = 0
    input: dict[str, Any] = {}
    prompts: Prompts = Prompts()
    workspace: str | None = None
    reference_plan: str | None = None
    allowed_chaos: tuple[str, ...] = ("*",)
    environment: tuple[VariableName, ...] = ()
    checks: tuple[Check, ...] = Field(min_length=1)

    @field_validator("id")
    @classmethod
    def _free(cls, value: str) -> str:
        return free_name(value)


@dataclass(frozen=True)
class Scenario:
    """A loaded and checked scenario."""

    manifest: ScenarioManifest
    path: Path
    prompts: PromptPack
    plan: StandardPlan | None

    @property
    def id(self) -> str:
        """The id, which is also the name of its folder."""
        return self.manifest.id

    @property
    def folder(self) -> Path:
        """The folder of the scenario."""
        return self.path.parent

    @property
    def workspace(self) -> Path | None:
        """The folder that is copied for every trial, if there is one."""
        name = self.manifest.workspace
        return self.folder / name if name else None

    @property
    def reference_plan(self) -> Path | None:
        """The path of the reference plan, if there is one."""
        name = self.manifest.reference_plan
        return self.folder / name if name else None

    def recording_path(self, framework: str) -> Path:
        """The path of the recording of a framework."""
        return self.folder / "traces" / f"{framework}.json"

    def allows(self, chaos: str) -> bool:
        """Whether the manifest allows this chaos profile."""
        allowed = self.manifest.allowed_chaos
        return chaos == "none" or "*" in allowed or chaos in allowed


def load_scenario(path: Path) -> Scenario:
    """Read a manifest and all files that it names; raises :class:`UsageError` with one line."""
    manifest = load(ScenarioManifest, path)
    if manifest.id != path.parent.name:
        raise UsageError(
            f"{shown(path)}: id: {manifest.id!r} must equal the name of its folder, "
            f"{path.parent.name!r}; rename one of them"
        )
    if manifest.workspace is not None:
        _existing(path, "workspace", manifest.workspace, folder=True)
    plan = None
    if manifest.reference_plan is not None:
        plan = load_plan(_existing(path, "reference_plan", manifest.reference_plan), manifest.id)
    for index, check in enumerate(manifest.checks):
        _inspect(path, f"checks[{index}]", check, plan)
    return Scenario(manifest, path, _prompts(path, manifest.prompts), plan)


def load_plan(path: Path, scenario_id: str) -> StandardPlan:
    """Read a plan file and check the plan rules; raises :class:`UsageError` for the first problem."""
    plan = load(StandardPlan, path)
    if plan.scenario_id != scenario_id:
        raise UsageError(
            f"{shown(path)}: scenario_id: {plan.scenario_id!r} must be {scenario_id!r}, the scenario "
            "that the plan belongs to"
        )
    problems = plan_problems(plan)
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        line = line_of(read_text(path), split_path(problems[0].where))
        raise UsageError(f"{shown(path)}:{line}: {problems[0]}{more}")
    return plan


def _prompts(path: Path, prompts: Prompts) -> PromptPack:
    texts = {}
    for name, file in prompts.model_dump().items():
        if file is not None:
            texts[name] = read_text(_existing(path, f"prompts.{name}", file))
    return PromptPack(**texts)


def _existing(manifest: Path, key: str, name: str, *, folder: bool = False) -> Path:
    path = manifest.parent / name
    try:
        there = path.is_dir() if folder else path.is_file()
    except (OSError, ValueError):
        there = False
    if folder and not there:
        raise UsageError(f"{shown(manifest)}: {key}: no such folder: {name}")
    if not there:
        raise UsageError(f"{shown(manifest)}: {key}: no such file: {name}")
    return path


def _inspect(path: Path, key: str, check: Any, plan: StandardPlan | None) -> None:
    """Raise :class:`UsageError` for a mistake in a check that is visible before the run."""
    task = getattr(check, "task", None)
    if task is not None and plan is not None and task not in plan.task_ids():
        known = plan.task_ids()
        raise UsageError(
            f"{shown(path)}: {key}.task: the reference plan has no task {task!r} "
            f"(it has: {', '.join(known)})" + did_you_mean(task, known)
        )
    for name in ("equals_file", "schema_file"):
        file = getattr(check, name, None)
        if file is not None:
            given = "schema" if name == "schema_file" else name
            found = _existing(path, f"{key}.{given}", file)
            if isinstance(check, JsonSchemaCheck):
                _inspect_schema(found)
            elif isinstance(check, ValueCheck):
                read_data(found)
    if isinstance(check, PythonCheck):
        _inspect_callable(path, key, check.callable)


_VERSIONS = (
    "https://json-schema.org/draft/2020-12/schema",
    "https://json-schema.org/draft/2019-09/schema",
    *(f"http://json-schema.org/draft-0{number}/schema#" for number in (7, 6, 4, 3)),
)


def _is_known(schema: dict[str, Any]) -> bool:
    """Whether the validator of ``$schema`` is known."""
    return jsonschema.validators.validator_for(schema, default=None) is not None  # type: ignore[arg-type]


def _inspect_schema(path: Path) -> None:
    schema = read_data(path)
    named = schema.get("$schema") if isinstance(schema, dict) else None
    if named is not None and not (isinstance(named, str) and _is_known(schema)):
        raise UsageError(
            f"{shown(path)}: $schema: unknown version of JSON Schema {show(named)} (allowed: "
            f"{', '.join(_VERSIONS)})"
        )
    try:
        jsonschema.validators.validator_for(schema).check_schema(schema)
    except RecursionError:
        raise UsageError(f"{shown(path)}: not a JSON Schema: it is nested too deeply") from None
    except (jsonschema.SchemaError, TypeError, AttributeError, OverflowError) as error:
        # An expression such as a{99999999999} overflows.
        reason = getattr(error, "message", str(error)).splitlines()[0]
        raise UsageError(f"{shown(path)}: not a JSON Schema: {reason}") from None


def _inspect_callable(path: Path, key: str, target: str) -> None:
    """Check that the function exists, without a run of user code during collection."""
    module, _, function = target.partition(":")
    file = _existing(path, f"{key}.callable", f"{module}.py")
    try:
        tree = ast.parse(read_text(file))
    except SyntaxError as error:
        raise UsageError(f"{shown(file)}:{error.lineno}: {error.msg}") from None
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    if function not in names:
        raise UsageError(
            f"{shown(path)}: {key}.callable: {file.name} has no function {function!r} "
            f"(it has: {', '.join(names) or 'none'})" + did_you_mean(function, names)
        )
