"""Facts of a trial, one type per fact: the lines of ``timeline.jsonl``.

``at_ms`` counts milliseconds from the start of the trial on a monotonic clock. A fact that is
learnt late (a fixture says when it was first hit) carries the time at which it happened, so readers
sort by ``at_ms``; ``event_id`` gives the order of writing.

Evidence and chaos are two unions on purpose: attribution is only ever given :data:`EvidenceEvent`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, TypeAdapter

from pytest_execgo.models.document import Document

StageOutcome = Literal[
    "succeeded", "failed", "rejected", "binding_missing", "stuck", "lost", "unreachable"
]


# Why a bound value is missing: the source never ended, ended otherwise than in success, its text is no
# JSON, the path leads nowhere, or the value cannot be put where the binding says.
BindingProblem = Literal["no_result", "source_failed", "unreadable", "absent", "bad_target"]


class Event(Document):
    """What every fact carries."""

    event_id: str = ""
    at_ms: float = 0.0
    wall_time: datetime | None = None


class TrialStarted(Event):
    """The trial began; ``seed`` repeats it."""

    event_type: Literal["trial_started"] = "trial_started"
    trial_id: str
    cell_id: str
    seed: int


class PlanningStarted(Event):
    """The adapter is about to be asked for a plan."""

    event_type: Literal["planning_started"] = "planning_started"


class PlanReady(Event):
    """The adapter returned a plan; ``problems`` are the rules it breaks as it will be submitted.
    ``shape`` is its digest without the names of stages and tasks: equal for plans that differ in them
    alone."""

    event_type: Literal["plan_ready"] = "plan_ready"
    plan_id: str
    stages: int
    tasks: int
    digest: str
    problems: tuple[str, ...] = ()
    shape: str = ""
    duration_ms: float


class AnswerJudged(Event):
    """One answer of a model was looked at: the rules of the DSL that it breaks, none if it landed."""

    event_type: Literal["answer_judged"] = "answer_judged"
    attempt: int
    rules: tuple[str, ...] = ()


_STALLED_MS = 1000.0


class ModelReplied(Event):
    """One reply of the model's endpoint, or none (status 0). ``number`` counts the framework's requests,
    ``attempt`` the tries of one; ``code`` is null for an answer that is well. ``stalled_ms``: the
    longest time that the answer stood still in the middle of its body."""

    event_type: Literal["model_replied"] = "model_replied"
    number: int
    attempt: int
    status: int
    took_ms: float
    stalled_ms: float = 0.0
    code: str | None = None
    message: str = ""

    @property
    def slow(self) -> bool:
        """A model may think for long before its answer; it does not stop in the middle of it."""
        return self.code is None and self.stalled_ms > _STALLED_MS


class ModelUsed(Event):
    """What one planning asked of its model: the framework's requests, those that were answered well, and
    tokens as the endpoint counts them (null where it does not)."""

    event_type: Literal["model_used"] = "model_used"
    provider: str
    model: str
    requests: int
    answers: int
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class PlanFailed(Event):
    """The adapter gave no plan."""

    event_type: Literal["plan_failed"] = "plan_failed"
    code: str
    message: str
    duration_ms: float


class StageStarted(Event):
    event_type: Literal["stage_started"] = "stage_started"
    stage_id: str
    tasks: tuple[str, ...]


class BindingResolved(Event):
    """A value was carried over; ``digest`` is the sha256 of its canonical JSON."""

    event_type: Literal["binding_resolved"] = "binding_resolved"
    stage_id: str
    source_task_id: str
    source_path: str
    target_task_id: str
    target_param_path: str
    digest: str


class BindingMissing(Event):
    """A value was not there; a ``required`` one ends the stage before anything is submitted."""

    event_type: Literal["binding_missing"] = "binding_missing"
    stage_id: str
    source_task_id: str
    source_path: str
    target_task_id: str
    target_param_path: str
    required: bool
    reason: str
    code: BindingProblem = "absent"


class SubmissionStarted(Event):
    """The values of a stage are bound; its graph is submitted next."""

    event_type: Literal["submission_started"] = "submission_started"
    stage_id: str


class Submitted(Event):
    """ExecGo accepted the stage; ``task_ids`` maps plan ids to engine ids."""

    event_type: Literal["submitted"] = "submitted"
    stage_id: str
    round: int
    task_ids: dict[str, str]


class SubmitRejected(Event):
    """ExecGo answered the submission with an error; nothing runs."""

    event_type: Literal["submit_rejected"] = "submit_rejected"
    stage_id: str
    round: int
    http_status: int
    message: str


class TaskError(Document):
    """``runtime.error`` as ExecGo gave it; ``raw_code`` is what the runtime said."""

    code: str = ""
    message: str = ""
    source: str = ""
    raw_code: str | None = None

    @property
    def timed_out(self) -> bool:
        """Whether the task's own time was up: also while ExecGo still handed it to the runtime, which
        it calls an external failure (where its own patience ends, it names ``Client.Timeout``)."""
        return self.code == "timeout" or self.message.endswith("context deadline exceeded")

    def blames_runtime(self) -> str | None:
        """A stable code if ExecGo says that the runtime, not the task, is to blame."""
        if self.timed_out:
            return None
        if self.message.startswith("handle not found"):
            return "handle_lost"
        if self.source == "runtime-executor" and self.code == "external_failure":
            return "unreachable"
        if self.message.startswith("runtime submit returned"):
            return "http_error"
        # The runtime calls a task that died of a signal `internal`, too: that is the task's own end.
        by_signal = self.message.startswith("task terminated by signal")
        if self.source == "execgo-runtime" and self.code in _RUNTIME_CODES and not by_signal:
            return self.code
        return None


_RUNTIME_CODES = frozenset({"resource_limit_exceeded", "sandbox_setup_failed", "internal"})


class TaskChanged(Event):
    """ExecGo showed a task in a new state. ``duration_ms`` is what ExecGo says."""

    event_type: Literal["task_changed"] = "task_changed"
    stage_id: str
    round: int
    task_id: str
    engine_task_id: str
    status: str
    run_status: str | None = None
    handle_id: str | None = None
    attempt: int = 0
    duration_ms: int = 0
    error: TaskError | None = None
    created_at: datetime
    updated_at: datetime


class TaskLost(Event):
    """ExecGo accepted a task and will never end it: ``forgotten`` (404), or ``orphaned``: it was open
    when ExecGo was started anew, and nothing resumed it."""

    event_type: Literal["task_lost"] = "task_lost"
    stage_id: str
    round: int
    task_id: str
    engine_task_id: str
    how: Literal["forgotten", "orphaned"] = "forgotten"


class EngineUnreachable(Event):
    """A request to ExecGo got no answer."""

    event_type: Literal["engine_unreachable"] = "engine_unreachable"
    stage_id: str
    message: str


class EngineReachable(Event):
    """ExecGo answers again."""

    event_type: Literal["engine_reachable"] = "engine_reachable"
    stage_id: str


class EngineProtocolError(Event):
    """ExecGo answered something that is not ExecGo's contract."""

    event_type: Literal["engine_protocol_error"] = "engine_protocol_error"
    stage_id: str
    message: str


class Resubmitted(Event):
    """Failed and skipped tasks of a stage go in again under new ids."""

    event_type: Literal["resubmitted"] = "resubmitted"
    stage_id: str
    round: int
    tasks: tuple[str, ...]
    waited_ms: float


class ResubmitDeclined(Event):
    """A failed stage was not resubmitted; ``reason`` is for people."""

    event_type: Literal["resubmit_declined"] = "resubmit_declined"
    stage_id: str
    reason: str


class StageFinished(Event):
    """``engine_time_ms`` spans the first ``created_at`` to the last ``updated_at`` by ExecGo's clock.

    ``unfinished`` names the tasks that were not seen to end: while a sink is open, its parents are
    looked at only when a fault waits for them.
    """

    event_type: Literal["stage_finished"] = "stage_finished"
    stage_id: str
    outcome: StageOutcome
    duration_ms: float
    engine_time_ms: float
    rounds: int
    unfinished: tuple[str, ...] = ()


class ServiceExited(Event):
    """A process of the fleet ended; ``exit_status`` is negative for a signal."""

    event_type: Literal["service_exited"] = "service_exited"
    service: str
    pid: int
    exit_status: int


class ServiceReady(Event):
    """A service answered its readiness check (again)."""

    event_type: Literal["service_ready"] = "service_ready"
    service: str
    pid: int | None = None


class ServiceStopped(Event):
    """A service's process was seen stopped by the operating system (SIGSTOP, a frozen cgroup)."""

    event_type: Literal["service_stopped"] = "service_stopped"
    service: str
    pid: int


class ServiceSilent(Event):
    """A service that runs gave no answer to several health checks in a row."""

    event_type: Literal["service_silent"] = "service_silent"
    service: str
    waited_ms: float
    message: str


class ServiceLimited(Event):
    """A service's process runs under a limit that it did not have when the trial began."""

    event_type: Literal["service_limited"] = "service_limited"
    service: str
    resource: str
    limit: str


class LinkDegraded(Event):
    """A service answers directly, but not, or slowly, over the connection that its clients use.

    ``link_ms`` is null where nothing came back; both times are those of one health check.
    ``waited_ms`` is how long the link was last seen well before.
    """

    event_type: Literal["link_degraded"] = "link_degraded"
    service: str
    how: Literal["broken", "slow"]
    link_ms: float | None = None
    direct_ms: float
    waited_ms: float = 0.0
    message: str


class ServiceHealthy(Event):
    """A service that was seen stopped, silent, limited or hard to reach is as it was before."""

    event_type: Literal["service_healthy"] = "service_healthy"
    service: str


_SLOW_REQUEST_MS = 300.0


class FixtureRequest(Event):
    """One request to the fixtures server, from its own access log; status 0: it was not answered
    when the log was read, ``duration_ms`` after it had come."""

    event_type: Literal["fixture_request"] = "fixture_request"
    method: str
    path: str
    status: int
    duration_ms: float
    sha256: str | None = None
    reference_sha256: str | None = None

    @property
    def wrong(self) -> bool:
        """Whether something else was answered than the fixture itself."""
        answered = self.status != 0
        known = self.reference_sha256 is not None
        return answered and known and self.sha256 != self.reference_sha256

    @property
    def slow(self) -> bool:
        """The server answers from memory; what takes longer than this it took its time for."""
        return self.duration_ms > _SLOW_REQUEST_MS


class ChecksStarted(Event):
    """The stages have ended; artifacts and checks are looked at next."""

    event_type: Literal["checks_started"] = "checks_started"


class ArtifactSeen(Event):
    """A file in the workspace at the end, or its absence (``sha256`` is null)."""

    event_type: Literal["artifact_seen"] = "artifact_seen"
    stage_id: str
    path: str
    sha256: str | None = None
    expected_sha256: str | None = None


class CheckEvaluated(Event):
    """One check. ``raised`` means that the check itself broke, which says nothing about the run."""

    event_type: Literal["check_evaluated"] = "check_evaluated"
    index: int
    kind: str
    ok: bool
    message: str
    expected: Any = None
    got: Any = None
    task: str | None = None
    raised: bool = False


class LeftoverFound(Event):
    """A task of this trial that ExecGo still held unfinished at the end."""

    event_type: Literal["leftover_found"] = "leftover_found"
    engine_task_id: str
    status: str


class HarnessProblem(Event):
    """Our own trouble, as text; the trial says nothing about the system then."""

    event_type: Literal["harness_problem"] = "harness_problem"
    message: str


class TrialFinished(Event):
    """The end; ``wall_time_ms`` ends with the last check, before faults were healed."""

    event_type: Literal["trial_finished"] = "trial_finished"
    wall_time_ms: float


class ChaosArmed(Event):
    """A fault waits for its condition; ``seed`` repeats its dice."""

    event_type: Literal["chaos_armed"] = "chaos_armed"
    fault: int
    action: str
    target: str
    seed: str


class ChaosFired(Event):
    """A fault struck; ``detail`` says what it did and to which task."""

    event_type: Literal["chaos_fired"] = "chaos_fired"
    fault: int
    action: str
    target: str
    detail: str
    stage_id: str | None = None
    task_id: str | None = None


class ChaosNotFired(Event):
    """A fault did not strike: its dice said no, or its condition never came true."""

    event_type: Literal["chaos_not_fired"] = "chaos_not_fired"
    fault: int
    action: str
    target: str
    reason: Literal["random_draw", "condition_never_met", "inject_failed"]
    message: str


class ChaosHealed(Event):
    """The undo of a fault is done."""

    event_type: Literal["chaos_healed"] = "chaos_healed"
    fault: int
    action: str
    target: str
    detail: str


class ChaosHealFailed(Event):
    """The undo of a fault raised; the fleet is replaced before the next trial."""

    event_type: Literal["chaos_heal_failed"] = "chaos_heal_failed"
    fault: int
    action: str
    target: str
    message: str


EvidenceEvent: TypeAlias = (
    TrialStarted
    | PlanningStarted
    | PlanReady
    | AnswerJudged
    | ModelReplied
    | ModelUsed
    | PlanFailed
    | StageStarted
    | BindingResolved
    | BindingMissing
    | SubmissionStarted
    | Submitted
    | SubmitRejected
    | TaskChanged
    | TaskLost
    | EngineUnreachable
    | EngineReachable
    | EngineProtocolError
    | Resubmitted
    | ResubmitDeclined
    | StageFinished
    | ServiceExited
    | ServiceReady
    | ServiceStopped
    | ServiceSilent
    | ServiceLimited
    | LinkDegraded
    | ServiceHealthy
    | FixtureRequest
    | ChecksStarted
    | ArtifactSeen
    | CheckEvaluated
    | LeftoverFound
    | HarnessProblem
    | TrialFinished
)
ChaosEvent: TypeAlias = ChaosArmed | ChaosFired | ChaosNotFired | ChaosHealed | ChaosHealFailed
TimelineEvent: TypeAlias = Annotated[EvidenceEvent | ChaosEvent, Field(discriminator="event_type")]

EVENT: TypeAdapter[EvidenceEvent | ChaosEvent] = TypeAdapter(TimelineEvent)


def evidence(events: list[EvidenceEvent | ChaosEvent]) -> list[EvidenceEvent]:
    """The events without those of chaos, in order of time."""
    chaos = (ChaosArmed, ChaosFired, ChaosNotFired, ChaosHealed, ChaosHealFailed)
    kept = [event for event in events if not isinstance(event, chaos)]
    return sorted(kept, key=lambda event: event.at_ms)
