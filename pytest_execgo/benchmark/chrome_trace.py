"""The timeline of a trial in the Chrome Trace Event format, for Perfetto and chrome://tracing.

One process with lanes for planning, stages, each task, faults, the requests to the model and to
fixtures, the states of each service and of its link, the requests on the link that got no answer, and
the gaps of the observer. Slices of a lane follow each other; one that would overlap gets a lane of its
own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pytest_execgo.models import events as t

_PROCESS = 1
Events = Sequence[t.EvidenceEvent | t.ChaosEvent]
_OfService = TypeVar("_OfService", t.ServiceReady, t.ServiceHealthy)


@dataclass(frozen=True)
class Slice:
    """Something that took time: from ``start`` to ``end`` in milliseconds of the trial."""

    lane: str
    name: str
    start: float
    end: float
    facts: dict[str, Any] = field(default_factory=dict)


def chrome_trace(trial_id: str, events: Events) -> dict[str, Any]:
    """The document ``trace.json``; times in microseconds, slices in the order of their starts."""
    ordered = sorted(events, key=lambda event: event.at_ms)
    end = ordered[-1].at_ms if ordered else 0.0
    slices = sorted(_slices(ordered, end), key=lambda one: (one.start, one.end, one.lane))
    lanes: dict[str, float] = {}
    rows = []
    for one in slices:
        lane = _free_lane(one, lanes)
        lanes[lane] = one.end
        rows.append((lane, one))
    numbers = {lane: number for number, lane in enumerate(lanes, 1)}
    head = [_metadata("process_name", 0, trial_id)]
    head += [_metadata("thread_name", number, lane) for lane, number in numbers.items()]
    return {
        "displayTimeUnit": "ms",
        "traceEvents": [*head, *(_complete(numbers[lane], one) for lane, one in rows)],
    }


def _free_lane(one: Slice, lanes: dict[str, float]) -> str:
    """The lane of a slice. If another slice is still in it, a lane with a number: ``fixtures (2)``."""
    name, number = one.lane, 1
    while lanes.get(name, 0.0) > one.start:
        number += 1
        name = f"{one.lane} ({number})"
    return name


def _metadata(kind: str, lane: int, name: str) -> dict[str, Any]:
    return {"name": kind, "ph": "M", "pid": _PROCESS, "tid": lane, "args": {"name": name}}


def _complete(lane: int, one: Slice) -> dict[str, Any]:
    start = round(one.start * 1000)
    return {
        "name": one.name,
        "ph": "X",
        "ts": start,
        "dur": max(0, round(one.end * 1000) - start),
        "pid": _PROCESS,
        "tid": lane,
        "args": one.facts,
    }


def _slices(events: Events, end: float) -> Iterator[Slice]:
    yield from _planning(events, end)
    yield from _stages(events, end)
    yield from _tasks(events, end)
    yield from _faults(events, end)
    yield from _services(events, end)
    for event in events:
        if isinstance(event, t.ModelReplied):
            start = max(0.0, event.at_ms - event.took_ms)
            facts = {"status": event.status, "attempt": event.attempt, "code": event.code}
            yield Slice("model", f"request {event.number}", start, event.at_ms, facts)
        elif isinstance(event, t.FixtureRequest):
            facts = {"status": event.status, "wrong": event.wrong}
            name = f"{event.method} {event.path}"
            yield Slice("fixtures", name, event.at_ms, event.at_ms + event.duration_ms, facts)


def _planning(events: Events, end: float) -> Iterator[Slice]:
    began = next((e.at_ms for e in events if isinstance(e, t.PlanningStarted)), None)
    if began is not None:
        done = (e.at_ms for e in events if isinstance(e, (t.PlanReady, t.PlanFailed)))
        yield Slice("planning", "plan", began, next(done, end))


def _stages(events: Events, end: float) -> Iterator[Slice]:
    ends = {e.stage_id: e for e in events if isinstance(e, t.StageFinished)}
    for event in events:
        if isinstance(event, t.StageStarted):
            done = ends.get(event.stage_id)
            facts = {} if done is None else {"outcome": done.outcome, "rounds": done.rounds}
            last = end if done is None else done.at_ms
            yield Slice("stages", event.stage_id, event.at_ms, last, facts)


def _tasks(events: Events, end: float) -> Iterator[Slice]:
    """From the submission of each task to its end; one that never ended lasts as long as its stage."""
    stage_ends = {e.stage_id: e.at_ms for e in events if isinstance(e, t.StageFinished)}
    ends: dict[str, tuple[float, str]] = {}
    for event in events:
        if isinstance(event, t.TaskChanged) and event.status in ("success", "failed", "skipped"):
            ends.setdefault(event.engine_task_id, (event.at_ms, event.status))
        elif isinstance(event, t.TaskLost):
            ends.setdefault(event.engine_task_id, (event.at_ms, "lost"))
    for event in events:
        if not isinstance(event, t.Submitted):
            continue
        for task_id, engine_id in event.task_ids.items():
            never = (stage_ends.get(event.stage_id, end), "unfinished")
            at, status = ends.get(engine_id, never)
            facts = {"status": status, "stage": event.stage_id, "round": event.round}
            yield Slice(f"task {task_id}", task_id, event.at_ms, max(at, event.at_ms), facts)


def _faults(events: Events, end: float) -> Iterator[Slice]:
    for event in events:
        if isinstance(event, t.ChaosFired):
            healings = [
                e for e in events if isinstance(e, t.ChaosHealed) and e.fault == event.fault
            ]
            name = f"{event.action} {event.target}"
            facts = {"detail": event.detail}
            yield Slice("faults", name, event.at_ms, _next(healings, event, end), facts)


def _services(events: Events, end: float) -> Iterator[Slice]:
    """The times in which a service or its link was not healthy, and those in which nothing was seen."""
    for event in events:
        if isinstance(event, t.ServiceExited):
            back = _next(_of_service(events, t.ServiceReady, event.service), event, end)
            facts: dict[str, Any] = {"exit_status": event.exit_status}
            yield Slice(f"service {event.service}", "away", event.at_ms, back, facts)
        elif isinstance(event, (t.ServiceStopped, t.ServiceSilent, t.ServiceLimited)):
            yield Slice(
                f"service {event.service}",
                event.event_type.removeprefix("service_"),
                event.at_ms,
                _next(_of_service(events, t.ServiceHealthy, event.service), event, end),
                {"detail": event.sentence()},
            )
        elif isinstance(event, t.LinkDegraded):
            healthy = _next(_of_service(events, t.ServiceHealthy, event.service), event, end)
            facts = {"detail": event.message, "link_ms": event.link_ms}
            yield Slice(f"link {event.service}", event.how, event.at_ms, healthy, facts)
        elif isinstance(event, t.LinkUsed):
            for one in event.problems:
                began = max(0.0, one.at_ms - one.waited_ms)
                yield Slice(f"link {event.service}", one.how, began, max(began, one.at_ms))
        elif isinstance(event, t.ObserverStarved):
            began = max(0.0, event.at_ms - event.gap_ms)
            yield Slice("observer", "starved", began, event.at_ms, {})


def _of_service(events: Events, kind: type[_OfService], service: str) -> list[_OfService]:
    return [event for event in events if isinstance(event, kind) and event.service == service]


def _next(
    events: Sequence[t.EvidenceEvent | t.ChaosEvent],
    after: t.EvidenceEvent | t.ChaosEvent,
    end: float,
) -> float:
    """The time of the first of these events that is not before another one; ``end`` without one."""
    return next((event.at_ms for event in events if event.at_ms >= after.at_ms), end)
