"""Names the causes of what went wrong, from evidence alone.

The type of the input excludes chaos events, and no profile is an argument, so attribution cannot look up
what was injected. Each rule turns events into causes. A rule leaves out the symptoms that another cause
explains: if a fixture fails and the task that reads it fails, the fixture is named. A problem of a model
that a further request solved is named as mitigated, which blames it for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import inf

from pytest_execgo.models.benchmark import Attribution, Confidence
from pytest_execgo.models.cause import Layer
from pytest_execgo.models.events import (
    AnswerJudged,
    BindingMissing,
    CheckEvaluated,
    EngineProtocolError,
    EngineUnavailable,
    EngineUnreachable,
    EvidenceEvent,
    FixtureRequest,
    HarnessProblem,
    ModelReplied,
    PlanFailed,
    PlanReady,
    Resubmitted,
    ServiceExited,
    ServiceLimited,
    ServiceSilent,
    ServiceStopped,
    StageFinished,
    SubmitRejected,
    TaskChanged,
    TaskLost,
    TaskStuck,
)
from pytest_execgo.verdict.evidence import Evidence, Health

# Texts in ExecGo's rejections of a submission, and the causes that they stand for.
_REJECTIONS: tuple[tuple[str, Layer, str], ...] = (
    ("unknown task type", "dsl", "unknown_task_type"),
    ("depends on unknown task", "dsl", "unknown_dependency"),
    ("cannot depend on itself", "dsl", "self_dependency"),
    ("cycle detected", "dsl", "cycle"),
    ("duplicate task id", "dsl", "duplicate_task_id"),
    ("task graph is empty", "dsl", "empty_graph"),
    ("type is required", "dsl", "missing_type"),
    ("task id is required", "dsl", "missing_id"),
    ("invalid JSON", "dsl", "invalid_json"),
)


# The adapter worked, but its plan cannot be submitted.
_PLAN_CODES = ("unknown_placeholder", "never_valid")
_BUDGETS = {"budget_requests", "budget_tokens", "budget_time", "budget_bytes"}
_LAYERS: dict[str, Layer] = {"execgo": "engine", "runtime": "runtime", "fixtures": "fixture"}


def attribute(events: Sequence[EvidenceEvent]) -> tuple[Attribution, ...]:
    """The causes that the evidence shows: by confidence, mitigated ones last.

    ``none/no_failure`` if nothing went wrong; ``unknown/unexplained`` if a stage did not succeed and no
    rule blames a cause.
    """
    evidence = Evidence(events)
    found: dict[tuple[Layer, str], Attribution] = {}
    for rule in _RULES:
        for cause in rule(evidence):
            found.setdefault((cause.layer, cause.code), cause)
    causes = list(found.values())
    problem = evidence.failed_stages()
    if problem and all(cause.mitigated for cause in causes):
        ids = tuple(event.event_id for event in problem)
        names = ", ".join(f"{event.stage_id} {event.outcome}" for event in problem)
        message = f"no rule explains: {names}"
        causes.append(_cause("unknown", "unexplained", "possible", ids, message))
    if not causes:
        return (_cause("none", "no_failure", "certain", (), "nothing failed"),)
    return tuple(sorted(causes, key=lambda c: (c.mitigated, _ORDER.index(c.confidence))))


_ORDER: tuple[Confidence, ...] = ("certain", "likely", "possible")


def _cause(
    layer: Layer,
    code: str,
    confidence: Confidence,
    events: tuple[str, ...],
    message: str,
    mitigated: bool = False,
) -> Attribution:
    return Attribution(
        layer=layer,
        code=code,
        confidence=confidence,
        evidence=events,
        message=message,
        mitigated=mitigated,
    )


def _harness(evidence: Evidence) -> Iterator[Attribution]:
    for event in evidence.of(HarnessProblem):
        yield _cause("harness", "problem", "certain", (event.event_id,), event.message)


def _plan(evidence: Evidence) -> Iterator[Attribution]:
    for event in evidence.of(PlanFailed):
        layer: Layer = "plan" if event.code in _PLAN_CODES else "adapter"
        shown = [reply.event_id for reply in evidence.of(ModelReplied) if reply.code == event.code]
        yield _cause(layer, event.code, "certain", (*shown, event.event_id), event.message)


def _model(evidence: Evidence) -> Iterator[Attribution]:
    """Unusable replies of the model's endpoint, and answers that break rules of the DSL."""
    planned = bool(evidence.of(PlanReady))
    failed = {event.code for event in evidence.of(PlanFailed)}
    replies = evidence.of(ModelReplied)
    for code in dict.fromkeys(reply.code for reply in replies):
        if code is None or code in failed:
            continue
        mine = [reply for reply in replies if reply.code == code]
        later = any(r.code is None and r.at_ms > mine[-1].at_ms for r in replies)
        ids = tuple(reply.event_id for reply in mine)
        yield _cause("adapter", code, "certain", ids, mine[-1].message, planned or later)
    slow = [reply for reply in replies if reply.slow]
    if slow:
        longest = max(reply.stalled_ms for reply in slow) / 1000
        message = f"the model's answer paused for {longest:.1f} s"
        ids = tuple(reply.event_id for reply in slow)
        mitigated = "budget_time" not in failed
        yield _cause("adapter", "model_slow", "likely", ids, message, mitigated)
    if "never_valid" not in failed:
        yield from _broken_answers(evidence, planned, bool(failed & _BUDGETS))


def _broken_answers(evidence: Evidence, planned: bool, used_up: bool) -> Iterator[Attribution]:
    """Rules that answers of the model broke. If the plan failed for another reason, they are only
    possible causes, unless the answers exhausted the budget (``used_up``)."""
    confidence: Confidence = "certain" if planned or used_up else "possible"
    judged = evidence.of(AnswerJudged)
    for rule in dict.fromkeys(rule for answer in judged for rule in answer.rules):
        broken = [answer for answer in judged if rule in answer.rules]
        which = ", ".join(str(answer.attempt) for answer in broken)
        message = f"the model's answer {which} breaks {rule}"
        ids = tuple(answer.event_id for answer in broken)
        yield _cause("plan", rule, confidence, ids, message, planned)


def _binding(evidence: Evidence) -> Iterator[Attribution]:
    for event in evidence.of(BindingMissing):
        # The value of a source task that failed is missing because of that failure.
        if not event.required or _is_symptom(evidence, event):
            continue
        ids = (event.event_id,)
        if event.code == "unreadable":
            # The binding is right: it found a text, and the text is wrong.
            if not any(w.start <= event.at_ms for w in evidence.unhealthy_windows("fixtures")):
                message = f"task {event.source_task_id} succeeded with output that {event.reason}"
                yield _cause("task", "bad_output", "certain", ids, message)
            continue
        message = f"{event.target_task_id}.{event.target_param_path}: {event.reason}"
        yield _cause("binding", "binding_missing", "certain", ids, message)


def _is_symptom(evidence: Evidence, missing: BindingMissing) -> bool:
    seen = [e for e in evidence.of(TaskChanged) if e.task_id == missing.source_task_id]
    succeeded = bool(seen) and seen[-1].status == "success"
    return not succeeded and evidence.first_failure_at() < missing.at_ms


def _rejection(evidence: Evidence) -> Iterator[Attribution]:
    for event in evidence.of(SubmitRejected):
        layer: Layer = "engine" if event.http_status >= 500 else "dsl"
        code = f"http_{event.http_status}"
        for text, known_layer, known_code in _REJECTIONS:
            if event.http_status < 500 and text in event.message:
                layer, code = known_layer, known_code
                break
        message = f"ExecGo rejected stage {event.stage_id} ({event.http_status}): {event.message}"
        yield _cause(layer, code, "certain", (event.event_id,), message)


def _engine(evidence: Evidence) -> Iterator[Attribution]:
    exits = evidence.exits("execgo")
    for gone in exits:
        message = f"the process of execgo ended with exit status {gone.exit_status}"
        yield _cause("engine", "process_exited", "certain", (gone.event_id,), message)
    lost = evidence.of(TaskLost)
    if lost:
        names = ", ".join(event.task_id for event in lost)
        ids = tuple(event.event_id for event in lost)
        yield _cause("engine", "task_lost", "certain", ids, f"ExecGo lost {names}")
    silent = evidence.of(EngineUnreachable)
    if silent and not exits and not evidence.health("execgo"):
        ids = tuple(event.event_id for event in silent)
        yield _cause("engine", "unreachable", "likely", ids, silent[0].message)
    for put_off in evidence.of(EngineUnavailable)[:1]:
        message = (
            f"ExecGo, or a gateway in front of it, asked to try again later: {put_off.message}"
        )
        yield _cause("engine", "unavailable", "certain", (put_off.event_id,), message)
    for event in evidence.of(EngineProtocolError):
        yield _cause("engine", "protocol_error", "certain", (event.event_id,), event.message)


def _stuck(evidence: Evidence) -> Iterator[Attribution]:
    """Tasks that were seen not to end. The runtime is blamed for those that ExecGo polls there."""
    groups: tuple[tuple[Layer, str, list[TaskStuck]], ...] = (
        ("runtime", "the runtime", [e for e in evidence.of(TaskStuck) if e.handle_id]),
        ("engine", "ExecGo", [e for e in evidence.of(TaskStuck) if not e.handle_id]),
    )
    for layer, who, stuck in groups:
        if stuck:
            names = ", ".join(dict.fromkeys(event.task_id for event in stuck))
            # An end that is not reported is certain. A long run alone is not: a clock may be wrong.
            ended = any(event.how == "ended" for event in stuck)
            shown = tuple(event.event_id for event in stuck)
            message = f"{who} never reported the end of {names}"
            yield _cause(layer, "stuck", "certain" if ended else "likely", shown, message)


def _deadline(evidence: Evidence) -> Iterator[Attribution]:
    """A stage's deadline passed. The runtime is blamed for tasks that ExecGo still polls there."""
    known = {event.stage_id for event in evidence.of(TaskStuck)}
    for event in evidence.of(StageFinished):
        if event.outcome != "stuck" or event.stage_id in known:
            continue
        last = {
            seen.task_id: seen
            for seen in evidence.of(TaskChanged)
            if seen.stage_id == event.stage_id and seen.task_id in event.unfinished
        }
        polled = [seen for seen in last.values() if seen.status == "running" and seen.handle_id]
        if polled:
            names = ", ".join(seen.task_id for seen in polled)
            message = f"the runtime had not finished {names} when the deadline passed"
            shown = (*(seen.event_id for seen in polled), event.event_id)
            yield _cause("runtime", "stuck", "likely", shown, message)
        else:
            names = ", ".join(event.unfinished)
            message = f"ExecGo had not finished {names} when the deadline passed"
            yield _cause("engine", "stuck", "likely", (event.event_id,), message)


def _services(evidence: Evidence) -> Iterator[Attribution]:
    """Problems of services that health checks saw."""
    for service, layer in _LAYERS.items():
        seen = evidence.health(service)
        # Silence alone says less than a stopped process, a limit or a link.
        explained = [event for event in seen if not isinstance(event, ServiceSilent)]
        for event in explained or seen:
            # A process that ended is silent, too; another rule names the end.
            if isinstance(event, ServiceSilent) and evidence.exits(service):
                continue
            code, confidence, message = _describe(event)
            yield _cause(layer, code, confidence, (event.event_id,), message)


def _describe(event: Health) -> tuple[str, Confidence, str]:
    name = event.service
    if isinstance(event, ServiceStopped):
        return "process_stopped", "certain", f"the process of {name} was stopped"
    if isinstance(event, ServiceLimited):
        text = f"{name} ran with a new limit on {event.resource} ({event.limit})"
        return "limited", "certain", text
    if isinstance(event, ServiceSilent):
        return "silent", "likely", f"{name} ran, but did not answer: {event.message}"
    if event.how == "slow":
        text = f"{event.link_ms:.0f} ms over its link, {event.direct_ms:.0f} ms directly"
        return "link_slow", "certain", f"{name} is healthy, but its link is slow: {text}"
    return "link_broken", "certain", f"{name} is healthy, but its link is broken: {event.message}"


def _runtime(evidence: Evidence) -> Iterator[Attribution]:
    exits = evidence.exits("runtime")
    for failed in evidence.failures():
        code = _runtime_code(failed)
        if code is None or _cancelled(evidence, failed):
            continue
        gone = [event for event in exits if event.at_ms <= failed.at_ms]
        gone = gone or _ends_seen_late(evidence, failed)
        if gone:
            message = (
                f"the process of runtime ended with exit status {gone[-1].exit_status} "
                f"while task {failed.task_id} needed it"
            )
            both = (gone[-1].event_id, failed.event_id)
            yield _cause("runtime", code, "certain", both, message)
        elif not evidence.health("runtime"):
            message = f"task {failed.task_id}: {_message(failed)}"
            yield _cause("runtime", code, "likely", (failed.event_id,), message)
    if exits and not any(_runtime_code(failed) for failed in evidence.failures()):
        ids = tuple(event.event_id for event in exits)
        message = (
            f"the process of runtime ended with exit status {exits[0].exit_status}; no task failed"
        )
        yield _cause("runtime", "process_exited", "certain", ids, message)


def _ends_seen_late(evidence: Evidence, failed: TaskChanged) -> list[ServiceExited]:
    """The ends of the runtime's process in the time of its silence in which the task failed. A busy
    engine of containers reports an end later than the health check sees the silence. Another problem
    that the check saw explains the failure by itself."""
    if any(not isinstance(event, ServiceSilent) for event in evidence.health("runtime")):
        return []
    windows = [
        window
        for window in evidence.unhealthy_windows("runtime")
        if window.start <= failed.at_ms <= window.end
    ]
    return [
        gone
        for gone in evidence.exits("runtime")
        if any(window.start <= gone.at_ms <= window.end for window in windows)
    ]


def _runtime_code(failed: TaskChanged) -> str | None:
    return failed.error.blames_runtime() if failed.error else None


def _fixture(evidence: Evidence) -> Iterator[Attribution]:
    for gone in evidence.exits("fixtures"):
        message = f"the process of fixtures ended with exit status {gone.exit_status}"
        yield _cause("fixture", "process_exited", "certain", (gone.event_id,), message)
    broken = evidence.wrong_requests()
    if broken:
        first = broken[0]
        code = "http_error" if first.status >= 400 else "wrong_content"
        ids = tuple(event.event_id for event in broken)
        message = (
            f"{first.method} {first.path} was answered with {first.status}"
            if code == "http_error"
            else f"{first.method} {first.path} was answered with content that is not the fixture's"
        )
        confidence: Confidence = "certain" if _failed_with_fixture(evidence) else "likely"
        yield _cause("fixture", code, confidence, ids, message)
    slow = [event for event in evidence.of(FixtureRequest) if event.slow]
    if slow and not evidence.health("fixtures"):
        slowest = max(slow, key=lambda event: event.duration_ms)
        message = f"{slowest.method} {slowest.path} took {slowest.duration_ms:.0f} ms in the server"
        ids = tuple(event.event_id for event in slow)
        yield _cause("fixture", "slow", "likely", ids, message)


def _failed_with_fixture(evidence: Evidence) -> bool:
    since = min((window.start for window in evidence.unhealthy_windows("fixtures")), default=inf)
    return any(e.at_ms >= since and _runtime_code(e) is None for e in evidence.failures())


def _task(evidence: Evidence) -> Iterator[Attribution]:
    unhealthy_windows = evidence.unhealthy_windows("fixtures") + evidence.unhealthy_windows(
        "runtime"
    )
    for failed in evidence.failures():
        if _runtime_code(failed) is not None:
            continue
        layer, code = _task_code(failed)
        # A task that fails while a service is unhealthy is a symptom of it. A task that ExecGo itself
        # refuses to run (layer dsl) is not.
        if layer == "task" and any(w.start <= failed.at_ms <= w.end for w in unhealthy_windows):
            continue
        if _cancelled(evidence, failed):
            continue
        # A task submitted before the outage ended may still have failed because of it.
        late = any(
            w.start <= failed.at_ms and evidence.submitted_at(failed) <= w.end
            for w in unhealthy_windows
        )
        first = failed.at_ms <= evidence.first_failure_at() and not (layer == "task" and late)
        confidence: Confidence = "certain" if first else "possible"
        message = f"task {failed.task_id}: {_message(failed)}"
        if code == "retry_refused":
            confidence = "likely"
            message += (
                "; ExecGo's retry reused an id that the runtime already knows, so the error of the "
                "first attempt is lost: use max_resubmits instead of retry"
            )
        yield _cause(layer, code, confidence, (failed.event_id,), message)


def _cancelled(evidence: Evidence, failed: TaskChanged) -> bool:
    """Whether a shutdown of ExecGo cancelled the task.

    ExecGo cancels its tasks before its process ends. We may see that only after its restart, so the time
    that ExecGo recorded for the failure counts.
    """
    exits = evidence.exits("execgo")
    message = _message(failed)
    if any(text in message for text in ("context canceled", "shutting down")):
        return bool(exits)
    if "signal: killed" not in message:
        return False
    ends = [gone.wall_time for gone in exits if gone.wall_time is not None]
    return any(0 <= (end - failed.updated_at).total_seconds() < 1 for end in ends)


def _task_code(failed: TaskChanged) -> tuple[Layer, str]:
    error = failed.error
    if error is None:
        return "task", "failed"
    if error.message.startswith("unknown os tool"):
        return "dsl", "unknown_tool"
    if error.code == "invalid_input" or error.message.startswith("Failed to "):
        # The runtime's message for a payload that it cannot parse.
        return "dsl", "invalid_input"
    if error.timed_out:
        return "task", "timeout"
    if error.message.startswith("task terminated by signal"):
        return "task", "killed_by_signal"
    if error.raw_code == "conflict" and failed.attempt > 1:
        return "task", "retry_refused"
    return "task", error.raw_code or error.code or "failed"


def _checks(evidence: Evidence) -> Iterator[Attribution]:
    failed = [event for event in evidence.of(CheckEvaluated) if not event.ok]
    for event in failed:
        if event.raised:
            # After a failed stage, a check may raise because results are missing.
            confidence: Confidence = "certain" if evidence.first_failure_at() == inf else "possible"
            yield _cause("verifier", "check_raised", confidence, (event.event_id,), event.message)
    plain = [event for event in failed if not event.raised]
    stages = evidence.of(StageFinished)
    if plain and stages and not evidence.failed_stages():
        if _wrong_content_used(evidence):
            return
        first = plain[0]
        subject = f"task {first.task}" if first.task else "the run"
        message = (
            f"{subject} succeeded, but check {first.kind} failed ({first.message}): "
            "either the plan's result or the expectation is wrong"
        )
        ids = tuple(event.event_id for event in plain)
        yield _cause("task", "wrong_output", "possible", ids, message)


def _wrong_content_used(evidence: Evidence) -> bool:
    """Whether the result can contain a wrong answer of fixtures. Answers from before the last
    resubmission cannot be in it, because those tasks ran again."""
    again = max((event.at_ms for event in evidence.of(Resubmitted)), default=-inf)
    return any(event.at_ms > again for event in evidence.wrong_requests())


def _message(failed: TaskChanged) -> str:
    return (failed.error.message if failed.error else "") or "failed without a message"


_RULES: tuple[Callable[[Evidence], Iterator[Attribution]], ...] = (
    _harness,
    _plan,
    _model,
    _binding,
    _rejection,
    _engine,
    _services,
    _stuck,
    _deadline,
    _runtime,
    _fixture,
    _task,
    _checks,
)
