"""The answers of the scripted model, made from a script of a scenario."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pytest_execgo.errors import UsageError
from pytest_execgo.models.document import load, shown
from pytest_execgo.models.plan import StandardPlan
from pytest_execgo.models.script import PlanDefect, Script

SCRIPTS = "scripts"
DEFAULT = "default"


def answers(scenario: Path, name: str, reference_plan: Path | None) -> list[str]:
    """The answers of the script ``name`` in the folder ``scenario``. Without a file, the script
    ``default`` answers with the reference plan. Raises :class:`UsageError`."""
    path = scenario / SCRIPTS / f"{name}.yaml"
    if not path.exists() and name == DEFAULT and reference_plan is not None:
        return [_text(reference_plan, None, shown(reference_plan))]
    if not path.exists():
        known = sorted(file.stem for file in (scenario / SCRIPTS).glob("*.yaml"))
        raise UsageError(
            f"scenario {scenario.name} has no script {name!r} "
            f"(allowed: {', '.join([DEFAULT, *known])}); scripts are in {shown(scenario / SCRIPTS)}"
        )
    found = []
    for index, answer in enumerate(load(Script, path).answers):
        if answer.text is not None:
            found.append(answer.text)
        else:
            assert answer.plan is not None
            where = f"{shown(path)}: answers[{index}]"
            found.append(_text(path.parent / answer.plan, answer.broken, where))
    return found


def _text(path: Path, broken: PlanDefect | None, where: str) -> str:
    plan = load(StandardPlan, path)
    stages = [stage.model_dump(mode="json", exclude_defaults=True) for stage in plan.stages]
    if broken == "broken_json":
        return json.dumps({"stages": stages})[:-2]
    if broken and not _break(stages, broken):
        raise UsageError(f"{where}: {shown(path)} has nothing that {broken} could break")
    return json.dumps({"stages": stages})


def _break(stages: list[dict[str, Any]], how: PlanDefect) -> bool:
    """Break the stages in place; returns whether there was anything to break."""
    tasks = [task for stage in stages for task in stage["task_graph"]["tasks"]]
    if how == "unknown_task_type":
        tasks[0]["type"] = "runtme"
        return True
    if how == "cycle":
        pairs = [(task, dep) for task in tasks for dep in task.get("depends_on", [])]
        for task, dep in pairs[:1]:
            parent = next(one for one in tasks if one["id"] == dep)
            parent["depends_on"] = [*parent.get("depends_on", []), task["id"]]
        return bool(pairs)
    bindings = [binding for stage in stages for binding in stage.get("bindings", [])]
    for binding in bindings[:1]:
        binding["source_task_id"] = "no-such-task"
    return bool(bindings)
