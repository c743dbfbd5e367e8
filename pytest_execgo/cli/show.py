"""``scenario show NAME`` and ``chaos show NAME``: what a scenario and a chaos profile consist of."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from pytest_execgo.chaos.loaded_profile import LoadedFault, LoadedProfile
from pytest_execgo.cli.listings import find_path
from pytest_execgo.cli.output import print_json, print_line
from pytest_execgo.errors import UsageError
from pytest_execgo.extensions.registry import Registry
from pytest_execgo.models.chaos import When
from pytest_execgo.models.document import shown
from pytest_execgo.models.plan import PlanStage
from pytest_execgo.models.safe_text import indented
from pytest_execgo.models.task import Task
from pytest_execgo.plugin.project import project_registry, project_scenarios
from pytest_execgo.run.applicability import CellSubject, why_no_cell
from pytest_execgo.scenario import library
from pytest_execgo.scenario.manifest import MANIFEST, Scenario, load_scenario


@dataclass(frozen=True)
class _Node:
    """A line of a tree, and the lines below it."""

    text: str
    below: list[_Node] = field(default_factory=list)


def show_scenario(options: argparse.Namespace) -> int:
    """Show stages, bindings, checks and fixtures of a scenario as a tree."""
    folder = project_scenarios(options.scenarios)
    path = find_path(options.name, library.list_scenarios(folder), "scenario", MANIFEST)
    scenario = load_scenario(path)
    if options.json:
        plan = scenario.plan.model_dump(mode="json") if scenario.plan else None
        print_json({"manifest": scenario.manifest.model_dump(mode="json"), "plan": plan})
        return 0
    _print(_scenario(scenario))
    return 0


def show_profile(options: argparse.Namespace) -> int:
    """Show the faults of a chaos profile in words, and the scenarios that it is applicable to."""
    folder = project_scenarios(options.scenarios)
    path = find_path(options.name, library.list_profiles(folder), "chaos profile", None)
    registry = project_registry()
    loaded = registry.load_profile(path)
    scenarios = []
    for manifest in library.list_scenarios(folder).values():
        # ``scenario validate`` reports it.
        with suppress(UsageError):
            scenarios.append(load_scenario(manifest))
    reasons = {one.id: _why_not(registry, loaded, one) for one in scenarios}
    if options.json:
        profile = loaded.profile.model_dump(mode="json")
        profile["faults"] = [_members(fault) for fault in loaded.faults]
        print_json({"profile": profile, "not_applicable": reasons})
        return 0
    _print(_profile(loaded, reasons, shown(path)))
    return 0


def _print(tree: _Node) -> None:
    print_line(tree.text)
    for line in _lines(tree.below, ""):
        print(indented(line))


def _lines(nodes: Sequence[_Node], before: str) -> Iterator[str]:
    for node in nodes:
        last = node is nodes[-1]
        yield f"{before}{'└── ' if last else '├── '}{node.text}"
        yield from _lines(node.below, f"{before}{'    ' if last else '│   '}")


def _scenario(scenario: Scenario) -> _Node:
    manifest = scenario.manifest
    parts = [_Node("plan: none")]
    if scenario.plan is not None:
        parts = [_stage(stage) for stage in scenario.plan.stages]
    checks = [check.model_dump(by_alias=True, exclude_unset=True) for check in manifest.checks]
    parts.append(_Node("checks", [_Node(_check(check)) for check in checks]))
    if scenario.fixtures is not None:
        routes = [_Node(f"{one.method} {one.path}") for one in scenario.fixtures.routes]
        parts.append(_Node("fixtures", routes))
    if manifest.allowed_chaos != ("*",):
        parts.append(_Node(f"chaos: {', '.join(manifest.allowed_chaos)}"))
    return _Node(f"{scenario.id}: {manifest.description}", parts)


def _stage(stage: PlanStage) -> _Node:
    policy = stage.submit_policy
    again = f", at most {policy.max_resubmits} resubmissions" if policy.max_resubmits else ""
    lines = []
    for task in stage.task_graph.tasks:
        bindings = [
            _Node(f"{one.target_param_path} ← {one.source_task_id}: {one.source_path}")
            for one in stage.bindings
            if one.target_task_id == task.id
        ]
        lines.append(_Node(_task(task), bindings))
    return _Node(f"stage {stage.stage_id}{again}", lines)


def _task(task: Task) -> str:
    payload = task.input if isinstance(task.input, dict) else {}
    execution = payload.get("execution")
    what = execution.get("kind") if isinstance(execution, dict) else task.tool_name
    kind = f"{task.type} {what}" if what else task.type
    after = f" after {', '.join(task.depends_on)}" if task.depends_on else ""
    return f"{task.id} ({kind}){after}"


def _check(check: dict[str, Any]) -> str:
    kind = check.pop("kind")
    return " ".join([kind, *(f"{name}={value!r}" for name, value in check.items())])


def _profile(loaded: LoadedProfile, reasons: dict[str, str | None], where: str) -> _Node:
    profile = loaded.profile
    expected = profile.expectation.replace("_", " ")
    causes = " and ".join(map(str, profile.causes))
    parts = [_Node(f"expects: {expected}{f', cause {causes}' if causes else ''}")]
    parts += [_Node(_fault(fault)) for fault in loaded.faults]
    able = [name for name, reason in reasons.items() if reason is None]
    parts.append(_Node(f"applicable to: {', '.join(able) or 'no scenario here'}"))
    unable = [_Node(f"{name}: {reason}") for name, reason in reasons.items() if reason is not None]
    if unable:
        parts.append(_Node("not applicable to", unable))
    return _Node(f"{profile.id}: {profile.description} ({where})", parts)


def _fault(loaded: LoadedFault) -> str:
    fault = loaded.fault
    params = ", ".join(f"{k}: {v}" for k, v in loaded.action.model_dump().items() if v is not None)
    when = fault.when
    later = f", {when.delay_ms} ms later" if when.delay_ms else ""
    times = f", {when.times} times" if when.times > 1 else ""
    chance = f", with probability {fault.probability}" if fault.probability < 1 else ""
    settings = f" ({params})" if params else ""
    return f"{fault.action} {fault.target}{settings} {_when(when)}{later}{times}{chance}"


def _when(when: When) -> str:
    """The condition of a fault in words."""
    stage = "a stage" if when.stage == "*" else f"stage {when.stage}"
    task = "a task" if when.task == "*" else f"task {when.task}"
    if when.phase == "plan":
        return f"in the plan, in {task} of {stage}"
    if when.phase == "submit":
        return f"before {stage} is submitted"
    if when.phase == "verify":
        return "before the checks"
    if when.after == "phase_start":
        return f"when {stage} begins" if when.phase == "runtime" else f"when {task} is first seen"
    return f"when {task} of {stage} {'runs' if when.after == 'task_running' else 'has ended'}"


def _members(loaded: LoadedFault) -> dict[str, Any]:
    """The fault with all parameters, also those that the profile leaves out."""
    document: dict[str, Any] = loaded.fault.model_dump(mode="json")
    return {**document, "params": loaded.action.model_dump(mode="json")}


def _why_not(registry: Registry, loaded: LoadedProfile, scenario: Scenario) -> str | None:
    """Why the profile makes no trial of the scenario with its reference plan."""
    return why_no_cell(CellSubject(scenario, loaded, registry.adapter("reference"), "replay"))
