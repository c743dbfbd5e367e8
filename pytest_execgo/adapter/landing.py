"""Whether an answer of a model is a legal plan, and which rules it breaks if not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from pytest_execgo.models.context import PlanContext
from pytest_execgo.models.document import Document
from pytest_execgo.models.messages import Source, explain
from pytest_execgo.models.plan import PlanStage, StandardPlan
from pytest_execgo.models.plan_rules import Problem, plan_problems

REPLACEMENT = "\ufffd"


# Its docstring is part of the JSON Schema that models get: changing it invalidates recordings.
class PlanDraft(Document):
    """What a model is asked for: the stages of a plan. Its names and origin are ours to add."""

    stages: tuple[PlanStage, ...]


@dataclass(frozen=True)
class Landing:
    """The result of checking one answer: its ``plan`` if it breaks no rule, else the ``problems``."""

    plan: StandardPlan | None
    problems: tuple[Problem, ...]

    @property
    def message(self) -> str:
        """The problems for the model, one line each."""
        return "\n".join(f"- {problem}" for problem in self.problems)

    @property
    def rules(self) -> tuple[str, ...]:
        """The names of the broken rules, without duplicates."""
        return tuple(dict.fromkeys(problem.rule for problem in self.problems))


def land_text(answer: str, context: PlanContext) -> Landing:
    """:func:`land` for an answer as text: one JSON object, alone or in a fenced code block."""
    return land_json(_unfenced(answer), context)


def land_json(answer: str, context: PlanContext) -> Landing:
    """:func:`land` for an answer as text: one JSON object."""
    try:
        return land(json.loads(answer, parse_constant=_no_constant), context)
    except (ValueError, RecursionError) as error:
        problem = Problem("broken_json", "answer", f"not one JSON object: {error}")
        return Landing(None, (problem,))


def land(answer: Any, context: PlanContext) -> Landing:
    """Check an answer: a :class:`PlanDraft` or a JSON value of its shape."""
    try:
        draft = answer if isinstance(answer, PlanDraft) else PlanDraft.model_validate(answer)
    except ValidationError as error:
        message = explain(error, PlanDraft, Source("answer")).removeprefix("answer: ")
        return Landing(None, (Problem("schema", "answer", message),))
    plan = StandardPlan(
        plan_id=f"{context.scenario_id}-{context.framework}",
        scenario_id=context.scenario_id,
        framework=context.framework,
        mode=context.mode,
        stages=draft.stages,
    )
    reason = _not_json(plan)
    if reason:
        return Landing(None, (Problem("schema", "answer", reason),))
    problems = (*plan_problems(plan), *_unknown_tools(plan, context.capabilities))
    return Landing(None if problems else plan, problems)


def _not_json(plan: StandardPlan) -> str | None:
    """Why a plan cannot be sent as JSON; ``None`` if it can."""
    try:
        text = json.dumps(plan.model_dump(), ensure_ascii=False, allow_nan=False)
        text.encode()
    except UnicodeEncodeError:
        return "it contains half characters (lone surrogates), which cannot be encoded as UTF-8"
    except ValueError:
        return "it contains NaN or an infinite number, which JSON does not have"
    except RecursionError:
        return "it is nested too deeply"
    if REPLACEMENT in text:
        return (
            "it contains the character U+FFFD, which stands for a character that was not complete"
        )
    return None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _unknown_tools(plan: StandardPlan, known: Sequence[str]) -> list[Problem]:
    """Tasks of type ``os`` whose tool ExecGo does not list."""
    found = []
    for at, stage in enumerate(plan.stages):
        for index, task in enumerate(stage.task_graph.tasks):
            if task.type == "os" and task.tool_name not in known:
                where = f"stages[{at}].task_graph.tasks[{index}].tool_name"
                message = f"unknown tool {task.tool_name!r} (allowed: {', '.join(known) or 'none'})"
                found.append(Problem("unknown_tool", where, message))
    return found


def _unfenced(answer: str) -> str:
    text = answer.strip()
    if text.startswith("```") and text.endswith("```"):
        text = text.strip("`").removeprefix("json")
    return text
