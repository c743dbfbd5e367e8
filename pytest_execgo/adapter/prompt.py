"""The prompt: objective, constraints, the schema of the answer, the tools of ExecGo, and one small
example of another task. It never contains the reference plan, which adapters do not get.

Recordings contain the prompt: after a change, make them again (docs/adapters.md).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pytest_execgo.adapter.landing import PlanDraft
from pytest_execgo.models.context import PlanContext
from pytest_execgo.models.plan_rules import PLACEHOLDERS
from pytest_execgo.models.task import TASK_TYPES

# The task of no scenario. It shows what a plan may need: stages, and a value passed between them.
EXAMPLE: dict[str, Any] = {
    "stages": [
        {
            "stage_id": "weigh",
            "task_graph": {
                "tasks": [
                    {
                        "id": "list-parcels",
                        "type": "runtime",
                        "input": {
                            "execution": {
                                "kind": "command",
                                "program": "${python}",
                                "args": ["${workspace}/parcels.py"],
                            }
                        },
                    }
                ]
            },
        },
        {
            "stage_id": "label",
            "bindings": [
                {
                    "source_task_id": "list-parcels",
                    "source_path": "from_json(runtime.output.stdout).heaviest",
                    "target_task_id": "print-label",
                    "target_param_path": "input.execution.env.PARCEL",
                }
            ],
            "task_graph": {
                "tasks": [
                    {
                        "id": "print-label",
                        "type": "runtime",
                        "input": {
                            "execution": {
                                "kind": "script",
                                "interpreter": ["${python}"],
                                "script": "import os; print(os.environ['PARCEL'])",
                            }
                        },
                    }
                ]
            },
        },
    ]
}

_RULES = """\
Stages run one after another; the tasks of a stage run as a graph (depends_on, within the stage only).
depends_on orders tasks and carries nothing. To use a result of a task, put the task that needs it into a
later stage and add a binding there: source_path is a JMESPath expression over the finished task
(`runtime.output.stdout` is its output, from_json(@) reads JSON), target_param_path begins with `input.`
or `params.`. Ids are unique in the plan and made of letters, digits, '_' and '-'."""


@dataclass(frozen=True)
class Prompt:
    """``system`` explains what a plan is; ``task`` describes the one to write."""

    system: str
    task: str


def schema() -> dict[str, Any]:
    """The JSON Schema of the answer."""
    return PlanDraft.model_json_schema()


def prompt(context: PlanContext) -> Prompt:
    """The prompt of a scenario; the same on every machine."""
    pack = context.prompt_pack
    system = [
        pack.system.strip(),
        _RULES,
        f"Task types: {', '.join(TASK_TYPES)}. "
        f"Tools of type os (tool_name): {', '.join(context.capabilities) or 'none'}. "
        f"Placeholders: {', '.join(f'${{{name}}}' for name in PLACEHOLDERS)}.",
        "Answer with one JSON object that fits this schema, and nothing else:",
        json.dumps(schema(), separators=(",", ":")),
        "An example, of another task:",
        json.dumps(EXAMPLE, separators=(",", ":")),
    ]
    objective = context.scenario_input.get("objective")
    task = [
        f"Objective: {objective}" if objective else "",
        pack.user.strip(),
        f"Constraints:\n{pack.constraints.strip()}" if pack.constraints.strip() else "",
    ]
    return Prompt(
        "\n\n".join(part for part in system if part), "\n\n".join(part for part in task if part)
    )
