"""The explanation of a verdict: the sentences of the events that matter, in order of time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_execgo.models import events as t
from pytest_execgo.models.events.base import few
from pytest_execgo.models.verdict import ExplanationStep

MAX_STEPS = 40

Events = Sequence[t.EvidenceEvent | t.ChaosEvent]


def explain(events: Events, ending: str | None = None) -> tuple[ExplanationStep, ...]:
    """One step per event that has a sentence; skipped tasks that follow each other share one step.

    ``ending`` describes how a trial passed after a fault. It becomes a step at the last success of a
    stage. Of more than 40 steps, the first 20 and the last 20 are kept.
    """
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


def _ending(ordered: Events, text: str) -> Iterator[ExplanationStep]:
    """A step at the last success of a stage, with its time after the first fault."""
    fired_at = next((e.at_ms for e in ordered if isinstance(e, t.ChaosFired)), None)
    ends = [e for e in ordered if isinstance(e, t.StageFinished) and e.outcome == "succeeded"]
    if ends and fired_at is not None and ends[-1].at_ms > fired_at:
        last = ends[-1]
        seconds = (last.at_ms - fired_at) / 1000
        words = f"{text}; the last stage ended {seconds:.2f} s after the fault"
        yield ExplanationStep(at_ms=last.at_ms, text=words, events=(last.event_id,))


def _steps(events: Events) -> Iterator[ExplanationStep]:
    skipped: list[t.TaskChanged] = []
    shown_words: dict[str, str] = {}
    failed = [e for e in events if isinstance(e, t.CheckEvaluated) and not e.ok]
    unfinished = [
        e.stage_id for e in events if isinstance(e, t.StageFinished) and e.outcome != "succeeded"
    ]
    # What a check needs is missing then: its own words tell nothing.
    folded = failed if unfinished and len(failed) > 1 else []
    for event in events:
        if event in folded:
            if event is folded[0]:
                yield _checks(folded, unfinished[0])
            continue
        if isinstance(event, t.TaskChanged) and event.status == "skipped":
            skipped.append(event)
            continue
        if skipped:
            yield _skips(skipped)
            skipped = []
        text = event.sentence()
        if isinstance(event, t.TaskOutput):
            # The same words after each resubmission tell nothing new.
            text = None if shown_words.get(event.task_id) == text else text
            shown_words[event.task_id] = text or shown_words.get(event.task_id, "")
        if text:
            yield ExplanationStep(at_ms=event.at_ms, text=text, events=(event.event_id,))
    if skipped:
        yield _skips(skipped)


def _checks(failed: list[t.CheckEvaluated], stage_id: str) -> ExplanationStep:
    return ExplanationStep(
        at_ms=failed[0].at_ms,
        text=f"{len(failed)} checks do not hold, as stage {stage_id} did not finish",
        events=tuple(event.event_id for event in failed),
    )


def _skips(skipped: list[t.TaskChanged]) -> ExplanationStep:
    names = [event.task_id for event in skipped]
    return ExplanationStep(
        at_ms=skipped[0].at_ms,
        text=f"ExecGo skipped {few(names)}",
        events=tuple(event.event_id for event in skipped),
    )
