"""Tasks that do not end, and stages whose deadline passed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_execgo.models.cause import Layer
from pytest_execgo.models.events import StageFinished, TaskChanged, TaskStuck
from pytest_execgo.models.verdict import Confidence
from pytest_execgo.verdict.evidence import Evidence
from pytest_execgo.verdict.suspicion import Rule, Suspicion

# So long after its limit, a task may still run: the runtime looks four times a second, asks the task to
# end, and kills it after five seconds.
_TERMINATION_MS = 5_500.0


def _suspect(evidence: Evidence) -> Iterator[Suspicion]:
    yield from _seen(evidence)
    known = {event.stage_id for event in evidence.of(TaskStuck)}
    for end in evidence.of(StageFinished):
        if end.outcome == "stuck" and end.stage_id not in known:
            yield _at_deadline(evidence, end)


def _seen(evidence: Evidence) -> Iterator[Suspicion]:
    """Tasks that were seen not to end. The runtime is suspected of those that ExecGo polls there, unless
    it says itself that they have ended; ExecGo of its own."""
    polled, own, submitted = [], [], []
    for event in evidence.of(TaskStuck):
        if event.handle_id and not event.contradicted:
            polled.append(event)
        elif event.handle_id or not _is_of_runtime(evidence, event.task_id):
            own.append(event)
        else:
            submitted.append(event)
    if polled:
        yield _never_ended("runtime", "the runtime", polled)
    if own:
        yield _never_ended("engine", "ExecGo", own)
    if submitted:
        ids = tuple(event.event_id for event in submitted)
        yield _no_handle(submitted, ids, submitted[0].at_ms)


def _never_ended(layer: Layer, who: str, stuck: Sequence[TaskStuck]) -> Suspicion:
    names = ", ".join(dict.fromkeys(event.task_id for event in stuck))
    # An end that is not reported is certain. A long run alone is not: a clock may be wrong. If the
    # runtime reports the end, something between it and ExecGo may hold it back.
    ended = any(event.how == "ended" and not event.contradicted for event in stuck)
    confidence: Confidence = "certain" if ended else "likely"
    ids = tuple(event.event_id for event in stuck)
    message = f"{who} never reported the end of {names}"
    return Suspicion(layer, "stuck", confidence, ids, message, stuck[0].at_ms)


def _no_handle(
    tasks: Sequence[TaskStuck | TaskChanged], ids: tuple[str, ...], at_ms: float
) -> Suspicion:
    names = ", ".join(dict.fromkeys(event.task_id for event in tasks))
    message = (
        f"ExecGo started {names}, and the runtime has not confirmed it: one of them, or the connection "
        "between them, does not answer"
    )
    return Suspicion("unknown", "stuck", "possible", ids, message, at_ms)


def _at_deadline(evidence: Evidence, end: StageFinished) -> Suspicion:
    """A stage's deadline passed. The runtime is suspected if ExecGo still polls a task there."""
    last = {
        seen.task_id: seen
        for seen in evidence.of(TaskChanged)
        if seen.stage_id == end.stage_id and seen.task_id in end.unfinished
    }
    running = [seen for seen in last.values() if seen.status == "running"]
    polled = [seen for seen in running if seen.handle_id]
    within = [seen for seen in polled if _is_within_limit(evidence, seen, end.at_ms)]
    waiting = [seen for seen in running if _is_of_runtime(evidence, seen.task_id)]
    if within:
        names = ", ".join(seen.task_id for seen in within)
        message = (
            f"{names} still ran, within its own limit, when the deadline of the stage passed; the task "
            "may be slow, or have waited for something"
        )
        return _of_deadline("unknown", "deadline", message, within, end)
    if polled:
        names = ", ".join(seen.task_id for seen in polled)
        message = f"the runtime had not finished {names} when the deadline passed"
        # The task itself may be slow.
        return _of_deadline("runtime", "stuck", message, polled, end)
    if waiting:
        return _no_handle(waiting, (*(e.event_id for e in waiting), end.event_id), end.at_ms)
    names = ", ".join(end.unfinished)
    message = f"ExecGo had not finished {names} when the deadline passed"
    return Suspicion("engine", "stuck", "likely", (end.event_id,), message, end.at_ms)


def _of_deadline(
    layer: Layer, code: str, message: str, tasks: Sequence[TaskChanged], end: StageFinished
) -> Suspicion:
    ids = (*(seen.event_id for seen in tasks), end.event_id)
    return Suspicion(layer, code, "possible", ids, message, end.at_ms, since=tasks[0].at_ms)


def _is_of_runtime(evidence: Evidence, task_id: str) -> bool:
    """Whether the runtime runs the task, as the plan says."""
    return evidence.inputs(task_id).valid is not None


def _is_within_limit(evidence: Evidence, seen: TaskChanged, now: float) -> bool:
    limit = evidence.inputs(seen.task_id).limit_ms
    same = [e for e in evidence.of(TaskChanged) if e.engine_task_id == seen.engine_task_id]
    began = min(event.at_ms for event in same if event.status == "running")
    return limit is None or now - began < limit + _TERMINATION_MS


RULE = Rule(
    "stuck",
    {"runtime": ("stuck",), "engine": ("stuck",), "unknown": ("stuck", "deadline")},
    _suspect,
)
