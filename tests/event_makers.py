"""Events of a trial as attribution sees them, made short for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pytest_execgo.models import events as t
from pytest_execgo.verdict.attribute import attribute

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def causes(*events: t.EvidenceEvent) -> list[str]:
    """What attribution makes of events in any order: ``layer/code/confidence`` of each cause."""
    found = attribute(sorted(events, key=lambda event: event.at_ms))
    return [f"{cause.name}/{cause.confidence}" for cause in found]


def failed(error: t.TaskError, task: str = "a", at_ms: float = 10) -> t.TaskChanged:
    return t.TaskChanged(
        event_id=f"task-{task}", at_ms=at_ms, stage_id="s", round=0, task_id=task,
        engine_task_id=f"x.{task}", status="failed", error=error,
        created_at=NOW, updated_at=NOW,
    )  # fmt: skip


def wrote(stderr: str, task: str = "a", **more: Any) -> t.TaskOutput:
    """What the process of a failed task wrote."""
    return t.TaskOutput(
        event_id=f"wrote-{task}", at_ms=96, stage_id="s", round=0, task_id=task,
        engine_task_id=f"x.{task}", stderr=stderr, **more,
    )  # fmt: skip


def submitted(**inputs: Any) -> t.SubmissionStarted:
    """The submission of task ``a`` with these :class:`TaskInputs`."""
    return t.SubmissionStarted(at_ms=2, stage_id="s", inputs={"a": t.TaskInputs(**inputs)})


def ended(outcome: str, *unfinished: str) -> t.StageFinished:
    return t.StageFinished.model_validate(
        {
            "event_id": "end", "at_ms": 90, "stage_id": "s", "outcome": outcome, "duration_ms": 1,
            "engine_time_ms": 1, "rounds": 1, "unfinished": unfinished,
        }
    )  # fmt: skip


def exited(service: str, at_ms: float = 5, **more: Any) -> t.ServiceExited:
    return t.ServiceExited(
        event_id="exit", at_ms=at_ms, service=service, pid=1, exit_status=-9, **more
    )


def request(status: int, *, good: bool) -> t.FixtureRequest:
    return t.FixtureRequest(
        event_id="req", at_ms=6, method="GET", path="/a", status=status, duration_ms=1,
        sha256="x" if not good else "r", reference_sha256="r",
    )  # fmt: skip


def checked(*, raised: bool = False) -> t.CheckEvaluated:
    return t.CheckEvaluated(
        event_id="check", at_ms=95, index=0, kind="value", ok=False, message="m", raised=raised
    )


def running(task: str, handle: str | None) -> t.TaskChanged:
    return failed(EXIT, task).model_copy(
        update={"status": "running", "handle_id": handle, "error": None}
    )


def stopped(service: str, at_ms: float = 5) -> t.ServiceStopped:
    return t.ServiceStopped(event_id="stop", at_ms=at_ms, service=service, pid=1)


def silent(service: str, at_ms: float = 5) -> t.ServiceSilent:
    return t.ServiceSilent(
        event_id="silent", at_ms=at_ms, service=service, waited_ms=600, message="no answer"
    )


def limited(service: str) -> t.ServiceLimited:
    return t.ServiceLimited(
        event_id="limit", at_ms=5, service=service, resource="memory", limit="16 MB"
    )


def link(service: str, how: str, at_ms: float = 5) -> t.LinkDegraded:
    ms = 400.0 if how == "slow" else None
    facts = {"service": service, "how": how, "link_ms": ms, "direct_ms": 1.0, "message": "reset"}
    return t.LinkDegraded.model_validate({"event_id": "link", "at_ms": at_ms, **facts})


def slow(duration_ms: float) -> t.FixtureRequest:
    return request(200, good=True).model_copy(update={"duration_ms": duration_ms})


def lost(how: str) -> t.TaskLost:
    facts = {"stage_id": "s", "round": 0, "task_id": "a", "engine_task_id": "x", "how": how}
    return t.TaskLost.model_validate({"event_id": "lost", "at_ms": 8, **facts})


def unbound(code: str) -> t.BindingMissing:
    return t.BindingMissing.model_validate(
        {
            "event_id": "bind", "at_ms": 7, "stage_id": "s", "source_task_id": "a",
            "source_path": "x", "target_task_id": "b", "target_param_path": "input.y",
            "required": True, "reason": "r", "code": code,
        }
    )  # fmt: skip


def gone_at(seconds: float) -> t.ServiceExited:
    """ExecGo's process ended ``seconds`` after the failures of this module, by ExecGo's own time."""
    return exited("execgo", 8).model_copy(update={"wall_time": NOW + timedelta(seconds=seconds)})


def healthy(service: str, at_ms: float) -> t.ServiceHealthy:
    return t.ServiceHealthy(event_id="healthy", at_ms=at_ms, service=service)


def ready(service: str, at_ms: float) -> t.ServiceReady:
    return t.ServiceReady(at_ms=at_ms, service=service, pid=2)


def accepted(at_ms: float) -> t.Submitted:
    return t.Submitted(at_ms=at_ms, stage_id="s", round=0, task_ids={"a": "x.a"})


def replied(code: str | None = None, at_ms: float = 2, stalled_ms: float = 0) -> t.ModelReplied:
    return t.ModelReplied(
        event_id=f"reply-{at_ms}", at_ms=at_ms, number=1, attempt=1, status=0 if code else 200,
        took_ms=1, stalled_ms=stalled_ms, code=code, message=code or "",
    )  # fmt: skip


def judged(*rules: str, attempt: int = 1) -> t.AnswerJudged:
    return t.AnswerJudged(event_id=f"judged-{attempt}", at_ms=3, attempt=attempt, rules=rules)


def no_plan(code: str) -> t.PlanFailed:
    return t.PlanFailed(event_id="no-plan", at_ms=4, code=code, message="m", duration_ms=1)


PLANNED = t.PlanReady(at_ms=4, plan_id="p", stages=1, tasks=1, digest="d", duration_ms=1)

UNREACHABLE = t.EngineUnreachable(event_id="quiet", at_ms=6, stage_id="s", message="m")
TIME_IS_UP = t.TaskError(
    code="external_failure",
    message="Post: context deadline exceeded",
    source="runtime-executor",
)
NO_PATIENCE = TIME_IS_UP.model_copy(
    update={
        "message": "Post: context deadline exceeded"
        " (Client.Timeout exceeded while awaiting headers)"
    }
)
CUT_OFF = t.TaskError(
    code="external_failure", message="Get: context canceled", source="runtime-executor"
)
CANCELLED = t.TaskError(code="cancelled", message="context canceled", source="scheduler")
LOST = t.TaskError(code="external_failure", message="handle not found: x", source="executor")
EXIT = t.TaskError(
    code="external_failure", message="m", source="execgo-runtime", raw_code="exit_non_zero"
)
DOWN = t.TaskError(code="external_failure", message="Post: refused", source="runtime-executor")

AGREED = t.WitnessesAgree(event_id="agreed", at_ms=93, tasks=("a",))


def link_used(service: str, *how: str, at_ms: float = 8, waited_ms: float = 2) -> t.LinkUsed:
    """Traffic over a link, with connections that ended in these ways."""
    problems = [{"how": one, "at_ms": at_ms, "waited_ms": waited_ms} for one in how]
    return t.LinkUsed.model_validate(
        {
            "event_id": "used", "at_ms": 92, "service": service, "connections": 1,
            "request_bytes": 9, "request_bytes_passed_on": 9, "answer_bytes": 9,
            "answer_bytes_passed_on": 9, "slowest_first_byte_ms": 1, "longest_ms": 1,
            "problems": problems,
        }
    )  # fmt: skip


def machine_seen(when: str, at_ms: float = 1, **more: Any) -> t.MachineSeen:
    facts = {"when": when, "cpu_busy": 0.5, "available_memory": 10**9, **more}
    return t.MachineSeen.model_validate({"event_id": f"seen-{when}", "at_ms": at_ms, **facts})
