"""Reads ``scenario.yaml`` and the files in its folder."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import jsonschema
from pydantic import Field, field_validator, model_validator

from pytest_execgo.errors import UsageError, choice
from pytest_execgo.models.context import PromptPack
from pytest_execgo.models.document import (
    LONGEST_ID,
    Document,
    VersionedDocument,
    free_name,
    load,
    read_data,
    read_source,
    read_text,
    shown,
)
from pytest_execgo.models.messages import Keys, Source, show, split_path
from pytest_execgo.models.path import check_path
from pytest_execgo.models.plan import StandardPlan, inside_workspace
from pytest_execgo.models.plan_rules import Problem, plan_problems
from pytest_execgo.scenario.own_fixtures import OwnFixtures, load_fixtures

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
    fixtures: OwnFixtures | None = None

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


def load_scenario(
    path: Path, rules: Callable[[StandardPlan], Sequence[Problem]] = plan_problems
) -> Scenario:
    """Read a manifest and all files that it names; raises :class:`UsageError` with one line. ``rules``
    gives the problems of the reference plan."""
    manifest, source = load(ScenarioManifest, path), read_source(path)
    if manifest.id != path.parent.name:
        raise source.mistake(
            f"{manifest.id!r} must equal the name of its folder, {path.parent.name!r}; "
            "rename one of them",
            ["id"],
        )
    files = _Files(path.parent, source)
    if manifest.workspace is not None:
        files.folder(manifest.workspace, ["workspace"])
    plan = None
    if manifest.reference_plan is not None:
        file = files.file(manifest.reference_plan, ["reference_plan"])
        plan = load_plan(file, manifest.id, rules)
    for index, check in enumerate(manifest.checks):
        _inspect(_Files(path.parent, source.part("checks", index)), check, plan)
    prompts = _prompts(files, manifest.prompts)
    return Scenario(manifest, path, prompts, plan, load_fixtures(path.parent))


def load_plan(
    path: Path,
    scenario_id: str,
    rules: Callable[[StandardPlan], Sequence[Problem]] = plan_problems,
) -> StandardPlan:
    """Read a plan file and check it; raises :class:`UsageError` for the first problem."""
    plan, source = load(StandardPlan, path), read_source(path)
    if plan.scenario_id != scenario_id:
        raise source.mistake(
            f"{plan.scenario_id!r} must be {scenario_id!r}, the scenario that the plan belongs to",
            ["scenario_id"],
        )
    problems = rules(plan)
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise source.mistake(f"{problems[0].message}{more}", split_path(problems[0].where))
    return plan


def _prompts(files: _Files, prompts: Prompts) -> PromptPack:
    texts = {}
    for name, file in prompts.model_dump().items():
        if file is not None:
            texts[name] = read_text(files.file(file, ["prompts", name]))
    return PromptPack(**texts)


@dataclass(frozen=True)
class _Files:
    """Finds the files that a manifest names. ``source`` is the manifest, or the part that names them."""

    base: Path
    source: Source

    def file(self, name: str, keys: Keys) -> Path:
        """The file at ``keys``; raises :class:`UsageError`."""
        return self._existing(name, keys, "file", Path.is_file)

    def folder(self, name: str, keys: Keys) -> Path:
        """The folder at ``keys``; raises :class:`UsageError`."""
        return self._existing(name, keys, "folder", Path.is_dir)

    def _existing(self, name: str, keys: Keys, what: str, there: Callable[[Path], bool]) -> Path:
        path = self.base / name
        try:
            found = there(path)
        except (OSError, ValueError):
            found = False
        if not found:
            raise self.source.mistake(f"no such {what}: {name}", keys)
        return path


def _inspect(files: _Files, check: Any, plan: StandardPlan | None) -> None:
    """Raise :class:`UsageError` for a mistake in a check that is visible before the run."""
    task = getattr(check, "task", None)
    if task is not None and plan is not None and task not in plan.task_ids():
        known = plan.task_ids()
        message = f"the reference plan has no task {task!r}{choice(task, known)}"
        raise files.source.mistake(message, ["task"])
    for name in ("equals_file", "schema_file"):
        file = getattr(check, name, None)
        if file is not None:
            given = "schema" if name == "schema_file" else name
            found = files.file(file, [given])
            if isinstance(check, JsonSchemaCheck):
                _inspect_schema(found)
            elif isinstance(check, ValueCheck):
                read_data(found)
    if isinstance(check, PythonCheck):
        _inspect_callable(files, check.callable)


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


def _inspect_callable(files: _Files, target: str) -> None:
    """Check that the function exists, without a run of user code during collection."""
    module, _, function = target.partition(":")
    file = files.file(f"{module}.py", ["callable"])
    try:
        tree = ast.parse(read_text(file))
    except SyntaxError as error:
        raise UsageError(f"{shown(file)}:{error.lineno}: {error.msg}") from None
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    if function not in names:
        message = f"{file.name} has no function {function!r}{choice(function, names)}"
        raise files.source.mistake(message, ["callable"])
