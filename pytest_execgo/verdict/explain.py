"""The chain of explanation: the events that mattered, in order, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pytest_execgo.models import events as t
from pytest_execgo.models.benchmark import ExplanationStep

MAX_STEPS = 40
MAX_NAMES = 6


def explain(
    events: Sequence[t.EvidenceEvent | t.ChaosEvent], ending: str | None = None
) -> tuple[ExplanationStep, ...]:
    """One step per event that tells something, joined where many say the same; ``ending`` is how a
    trial that was disturbed came to a good end."""
    ordered = sorted(events, key=lambda event: event.at_ms)
    steps = list(_steps(ordered))
    if ending is not None:
        steps = sorted([*steps, *_ending(ordered, ending)], key=lambda step: step.at_ms)
    if len(steps) > MAX_STEPS:
        left_out = len(steps) - MAX_STEPS
        middle = ExplanationStep(
            at_ms=steps[MAX_STEPS // 2].at_ms, text=f"… {left_out} steps left out …", events=()
        )
        steps = [*steps[: MAX_STEPS // 2], middle, *steps[-MAX_STEPS // 2 :]]
    return tuple(steps)


def _ending(ordered: Sequence[Any], text: str) -> Iterator[ExplanationStep]:
    """The last success of a stage, and how long after the first fault it came."""
    fired_at = next((e.at_ms for e in ordered if isinstance(e, t.ChaosFired)), None)
    ends = [e for e in ordered if isinstance(e, t.StageFinished) and e.outcome == "succeeded"]
    if ends and fired_at is not None and ends[-1].at_ms > fired_at:
        last = ends[-1]
        seconds = (last.at_ms - fired_at) / 1000
        words = f"{text}; the last stage ended {seconds:.2f} s after the fault"
        yield ExplanationStep(at_ms=last.at_ms, text=words, events=(last.event_id,))


def _steps(events: Sequence[Any]) -> Iterator[ExplanationStep]:
    skipped: list[t.TaskChanged] = []
    for event in events:
        if isinstance(event, t.TaskChanged) and event.status == "skipped":
            skipped.append(event)
            continue
        if skipped:
            yield _skips(skipped)
            skipped = []
        sentence = _SENTENCES.get(type(event))
        text = sentence(event) if sentence else None
        if text:
            yield ExplanationStep(at_ms=event.at_ms, text=text, events=(event.event_id,))
    if skipped:
        yield _skips(skipped)


def _few(names: Sequence[str]) -> str:
    """Up to six names, and how many more there are."""
    shown = ", ".join(names[:MAX_NAMES])
    return f"{shown} and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else shown


def _skips(skipped: list[t.TaskChanged]) -> ExplanationStep:
    names = [event.task_id for event in skipped]
    return ExplanationStep(
        at_ms=skipped[0].at_ms,
        text=f"ExecGo: skipped {_few(names)}",
        events=tuple(event.event_id for event in skipped),
    )


def _fired(event: t.ChaosFired) -> str:
    task = f" (task {event.task_id})" if event.task_id else ""
    return f"fault fired: {event.action} {event.target}{task}: {event.detail}"


def _task(event: t.TaskChanged) -> str | None:
    if event.status == "failed":
        words = event.error.message if event.error else "no error given"
        # The id on the wire carries run, trial and stage; people know the task by its plan id.
        words = words.replace(event.engine_task_id, event.task_id)
        raw = f" [{event.error.raw_code}]" if event.error and event.error.raw_code else ""
        return f"ExecGo: {event.task_id} failed: {words}{raw}"
    return None


def _stage(event: t.StageFinished) -> str | None:
    if event.outcome == "succeeded":
        again = event.rounds > 1
        return f"stage {event.stage_id} succeeded in round {event.rounds}" if again else None
    unfinished = f", not seen to end: {_few(event.unfinished)}" if event.unfinished else ""
    return f"stage {event.stage_id} ended: {event.outcome.replace('_', ' ')}{unfinished}"


def _check(event: t.CheckEvaluated) -> str | None:
    if event.ok:
        return None
    return f"check {event.kind}: {event.message}"


def _request(event: t.FixtureRequest) -> str | None:
    if event.wrong:
        content = "" if event.status >= 400 else ", not with its content"
        return f"fixtures: {event.method} {event.path} answered {event.status}{content}"
    if event.slow:
        answered = "was answered" if event.status else "was not answered"
        return f"fixtures: {event.method} {event.path} {answered} after {event.duration_ms:.0f} ms"
    return None


def _replied(event: t.ModelReplied) -> str | None:
    again = f", attempt {event.attempt}" if event.attempt > 1 else ""
    if event.code is not None:
        return f"request {event.number}{again}: {event.message}"
    if event.slow:
        pause = f"stood still for {event.stalled_ms / 1000:.1f} s"
        return f"request {event.number}{again}: the model's answer {pause}"
    return (
        f"request {event.number}: the model answers at attempt {event.attempt}" if again else None
    )


_SENTENCES: dict[type, Callable[[Any], str | None]] = {
    t.AnswerJudged: lambda e: (
        f"answer {e.attempt} of the model breaks {', '.join(e.rules)}" if e.rules else None
    ),
    t.ModelReplied: _replied,
    t.PlanFailed: lambda e: f"no plan ({e.code}): {e.message}",
    t.BindingMissing: lambda e: (
        f"binding {e.source_task_id} -> {e.target_task_id}.{e.target_param_path} "
        f"{'missing' if e.required else 'left out'}: {e.reason}"
    ),
    t.SubmitRejected: lambda e: f"ExecGo refused stage {e.stage_id} ({e.http_status}): {e.message}",
    t.TaskChanged: _task,
    t.TaskLost: lambda e: (
        f"ExecGo no longer knows {e.task_id}"
        if e.how == "forgotten"
        else f"ExecGo was started anew and leaves {e.task_id} open: lost"
    ),
    t.EngineUnreachable: lambda e: f"ExecGo gives no answer: {e.message}",
    t.EngineReachable: lambda e: "ExecGo answers again",
    t.EngineProtocolError: lambda e: f"not ExecGo's contract: {e.message}",
    t.Resubmitted: lambda e: (
        f"resubmitted {_few(e.tasks)} (round {e.round + 1}, after {e.waited_ms:.0f} ms)"
    ),
    t.ResubmitDeclined: lambda e: f"not resubmitted: {e.reason}",
    t.StageFinished: _stage,
    t.ServiceExited: lambda e: f"{e.service} gone, its process ended with {e.exit_status}",
    t.ServiceReady: lambda e: f"{e.service} is ready",
    t.ServiceStopped: lambda e: f"the process of {e.service} is stopped",
    t.ServiceSilent: lambda e: f"{e.service} runs but is silent for {e.waited_ms:.0f} ms",
    t.ServiceLimited: lambda e: f"{e.service} runs under a limit of {e.resource}: {e.limit}",
    t.LinkDegraded: lambda e: (
        f"{e.service} answers directly; the way to it is {e.how} ({e.message})"
    ),
    t.ServiceHealthy: lambda e: f"{e.service} is well again",
    t.FixtureRequest: _request,
    t.CheckEvaluated: _check,
    t.LeftoverFound: lambda e: f"left over: {e.engine_task_id} is still {e.status} on ExecGo",
    t.HarnessProblem: lambda e: f"harness: {e.message}",
    t.ChaosFired: _fired,
    t.ChaosNotFired: lambda e: f"fault did not fire: {e.action} {e.target}: {e.message}",
    t.ChaosHealed: lambda e: f"healed: {e.detail}",
    t.ChaosHealFailed: lambda e: f"healing failed: {e.action} {e.target}: {e.message}",
}
