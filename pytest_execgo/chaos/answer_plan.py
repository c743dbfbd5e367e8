"""The plan inside the text of a model's answer, perhaps with prose around it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


def changed_plan(text: str, change: Callable[[dict[str, Any]], None]) -> str | None:
    """The text with its plan changed in place; ``None`` if it holds no plan with a task."""
    start, end = text.find("{"), text.rfind("}") + 1
    try:
        plan = json.loads(text[start:end])
        if not tasks_of(plan):
            return None
        change(plan)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return text[:start] + json.dumps(plan) + text[end:]


def tasks_of(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """All tasks in order; raises ``KeyError`` or ``TypeError`` if ``plan`` has another shape."""
    return [task for stage in plan["stages"] for task in stage["task_graph"]["tasks"]]
