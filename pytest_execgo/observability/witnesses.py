"""Asks the runtime and ExecGo once more about the tasks of a trial that did not succeed, and compares.

ExecGo passes on the runtime's answer about a task. If its record differs from what the runtime answers
now, one of them or the connection between them changed it. And what has ended cannot end otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pytest_execgo.models.events import (
    EngineContradiction,
    EngineUnreachable,
    Event,
    RequestDiffers,
    ServiceExited,
    ServiceReady,
    TaskChanged,
    TaskStillKnown,
    WitnessesAgree,
    WitnessesDiffer,
)
from pytest_execgo.models.task import TERMINAL
from pytest_execgo.observability.recorder import TimelineRecorder
from pytest_execgo.observability.runtime_files import (
    output_of,
    request_difference,
    stdout_in_file,
)

_NO_END = ("accepted", "running")
_LONGEST_STATUS = 100
_MEMBERS = ("status", "exit_code", "stdout", "stderr")
_MOST_TASKS = 20

Answers = Callable[[str], tuple[Mapping[str, Any], Mapping[str, Any]] | None]
"""The runtime's answers about a handle: directly, and over the connection that ExecGo uses."""


def compare_witnesses(
    results: Mapping[str, Mapping[str, Any]],
    answers: Answers,
    recorder: TimelineRecorder,
    *,
    own: bool,
) -> None:
    """Record each task for which ExecGo and the runtime differ, up to the first one about which the
    runtime gives no answer; and those for which they do not, if this run started the runtime (``own``),
    or the runtime's own file says the same. ``results`` maps plan task ids to tasks as ExecGo last
    returned them."""
    agreed = []
    for name, differs in _compared(results, answers):
        written = stdout_in_file(results[name])
        if differs is not None:
            recorder.add(differs)
        elif written not in (None, output_of(results[name]).get("stdout")):
            recorder.add(WitnessesDiffer(task_id=name, member="stdout", link_alters=True))
        elif own or written is not None:
            agreed.append(name)
    if agreed:
        recorder.add(WitnessesAgree(tasks=tuple(agreed)))


def compare_requests(results: Mapping[str, Mapping[str, Any]], recorder: TimelineRecorder) -> None:
    """Record each task of which the runtime keeps another request than ExecGo was given, unless ExecGo
    itself contradicts itself about the task. ``results`` as in :func:`compare_witnesses`."""
    doubtful = {e.task_id for e in recorder.events() if isinstance(e, EngineContradiction)}
    for name, task in list(results.items())[:_MOST_TASKS]:
        member = None if name in doubtful else request_difference(task)
        if member is not None:
            recorder.add(RequestDiffers(task_id=name, member=member))


def _compared(
    results: Mapping[str, Mapping[str, Any]], answers: Answers
) -> Iterator[tuple[str, WitnessesDiffer | None]]:
    for name, task in list(results.items())[:_MOST_TASKS]:
        runtime, handle = task.get("runtime"), task.get("handle_id")
        output = runtime.get("output") if isinstance(runtime, Mapping) else None
        without = output is None and task.get("type") == "runtime"
        if task.get("status") != "success" or not (
            handle and (without or isinstance(output, Mapping))
        ):
            continue
        found = answers(str(handle))
        if found is None:
            # A runtime that does not answer would be waited for with every task.
            return
        direct, linked = found
        member = _first_difference(output, direct) if isinstance(output, Mapping) else "output"
        if member:
            altered = _first_difference(linked, direct) is not None
            yield name, WitnessesDiffer(task_id=name, member=member, link_alters=altered)
        else:
            yield name, None


def note_given_up(
    results: Mapping[str, Mapping[str, Any]], answers: Answers, recorder: TimelineRecorder
) -> None:
    """Record each task that failed in ExecGo without an end in the runtime, if the runtime knows it. So
    the runtime has not lost it: an answer has not reached ExecGo as it was. ``results`` and ``answers``
    as in :func:`compare_witnesses`."""
    given_up = [
        (name, str(task["id"]), str(task["handle_id"]))
        for name, task in results.items()
        if task.get("status") == "failed"
        and task.get("run_status") in _NO_END
        and task.get("handle_id")
    ]
    for name, own, handle in given_up[:_MOST_TASKS]:
        for asked in dict.fromkeys((handle, own)):
            found = answers(asked)
            status = found[0].get("status") if found else None
            if isinstance(status, str):
                recorder.add(
                    TaskStillKnown(
                        task_id=name,
                        status=status[:_LONGEST_STATUS],
                        other_handle=handle if asked != handle else None,
                    )
                )
                break
        else:
            # A runtime that does not answer would be waited for with every task.
            return


def ask_engine_again(status: Callable[[str], str | None], recorder: TimelineRecorder) -> None:
    """Record each task that has now ended otherwise than ExecGo reported before. ``status`` is ExecGo's
    answer about one of its task ids; ``None`` if it does not know the task. An ExecGo that was away is
    not asked: after a kill, it may have forgotten what it reported."""
    events = recorder.events()
    if any(_is_absence(event) for event in events):
        return
    last = {one.engine_task_id: one for one in events if isinstance(one, TaskChanged)}
    ended = [one for one in last.values() if one.status in TERMINAL]
    for before in ended[:_MOST_TASKS]:
        now = status(before.engine_task_id)
        if now not in (None, before.status):
            recorder.add(
                EngineContradiction(
                    stage_id=before.stage_id,
                    round=before.round,
                    task_id=before.task_id,
                    how="went_back",
                    message=f"it ended as {before.status}, and is {now} now",
                )
            )


def _is_absence(event: Event) -> bool:
    """Whether ExecGo may have another process since then."""
    gone = isinstance(event, ServiceExited | ServiceReady) and event.service == "execgo"
    return gone or isinstance(event, EngineUnreachable)


def _first_difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    """The first member that both have, with different values."""
    both = (member for member in _MEMBERS if member in one and member in other)
    return next((member for member in both if one[member] != other[member]), None)
