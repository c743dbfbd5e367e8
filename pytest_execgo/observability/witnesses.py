"""Asks the runtime itself about tasks that ended well in a trial that did not, and compares.

ExecGo passes on the runtime's answer about a task. If its record differs from what the runtime answers
now, one of them or the connection between them changed it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pytest_execgo.models.events import WitnessesDiffer
from pytest_execgo.observability.recorder import TimelineRecorder

_MEMBERS = ("status", "exit_code", "stdout", "stderr")
_MOST_TASKS = 20

Answers = Callable[[str], tuple[Mapping[str, Any], Mapping[str, Any]] | None]
"""The runtime's answers about a handle: directly, and over the connection that ExecGo uses."""


def compare_witnesses(
    results: Mapping[str, Mapping[str, Any]], answers: Answers, recorder: TimelineRecorder
) -> None:
    """Record each task for which ExecGo and the runtime differ, up to the first one about which the
    runtime gives no answer. ``results`` maps plan task ids to tasks as ExecGo last returned them."""
    for name, task in list(results.items())[:_MOST_TASKS]:
        runtime, handle = task.get("runtime"), task.get("handle_id")
        output = runtime.get("output") if isinstance(runtime, Mapping) else None
        if task.get("status") != "success" or not (isinstance(output, Mapping) and handle):
            continue
        found = answers(str(handle))
        if found is None:
            # A runtime that does not answer would be waited for with every task.
            return
        direct, linked = found
        member = _first_difference(output, direct)
        if member:
            altered = _first_difference(linked, direct) is not None
            recorder.add(WitnessesDiffer(task_id=name, member=member, link_alters=altered))


def _first_difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    """The first member that both have, with different values."""
    both = (member for member in _MEMBERS if member in one and member in other)
    return next((member for member in both if one[member] != other[member]), None)
