"""Events of the runner and of ExecGo: stages, bindings, submissions and tasks."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pytest_execgo.models.document import Document
from pytest_execgo.models.events.base import Event, few

StageOutcome = Literal[
    "succeeded", "failed", "rejected", "binding_missing", "stuck", "lost", "unreachable"
]
# Why a bound value is missing: the source task did not end (no_result) or did not succeed
# (source_failed), its text is not JSON (unreadable), the path finds nothing (absent), or the target
# cannot take the value (bad_target).
BindingProblem = Literal["no_result", "source_failed", "unreadable", "absent", "bad_target"]


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
    """A binding found no value. A ``required`` one ends the stage before anything is submitted."""

    event_type: Literal["binding_missing"] = "binding_missing"
    stage_id: str
    source_task_id: str
    source_path: str
    target_task_id: str
    target_param_path: str
    required: bool
    reason: str
    code: BindingProblem = "absent"

    def sentence(self) -> str:
        name = f"binding {self.source_task_id} -> {self.target_task_id}.{self.target_param_path}"
        state = "has no value" if self.required else "is optional and left out"
        return f"{name} {state}: {self.reason}"


class TaskInputs(Document):
    """Where a task of the plan gets data from, as its payload shows.

    ``services``: those whose URL it holds. ``tasks``: those whose output a binding carries over, or that
    it depends on. ``workspace``: whether it holds the path of the workspace, and ``files``: the paths
    below it that it holds, at most 20. ``memory_limit``: whether the plan limits its memory.
    ``limit_ms``: how long it may run by the plan, with all its attempts; null without a limit.
    ``payload``: the sha256 of the task as it is submitted, with names in place of the values of
    placeholders, so that it is the same in each trial of a plan. ``valid``: whether the payload keeps
    the rules of the runtime, as this package knows them; null for tasks that the runtime does not run.
    ``own_id``: whether the payload chooses the id that the task has in the runtime. ``bound``: whether a
    binding fills in a part of the payload that is not a variable of its environment.
    """

    services: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    workspace: bool = False
    files: tuple[str, ...] = ()
    memory_limit: bool = False
    limit_ms: float | None = None
    payload: str = ""
    valid: bool | None = None
    own_id: bool = False
    bound: bool = False


class SubmissionStarted(Event):
    """The values of a stage are bound; its graph is submitted next.

    ``problems`` are the rules that this graph breaks, as a submission may differ from the plan.
    """

    event_type: Literal["submission_started"] = "submission_started"
    stage_id: str
    inputs: dict[str, TaskInputs] = {}
    problems: tuple[str, ...] = ()


class Submitted(Event):
    """ExecGo accepted the stage; ``task_ids`` maps plan ids to engine ids."""

    event_type: Literal["submitted"] = "submitted"
    stage_id: str
    round: int
    task_ids: dict[str, str]


class SubmitRejected(Event):
    """ExecGo rejected the stage with an HTTP error; nothing runs."""

    event_type: Literal["submit_rejected"] = "submit_rejected"
    stage_id: str
    round: int
    http_status: int
    message: str

    def sentence(self) -> str:
        return f"ExecGo rejected stage {self.stage_id} ({self.http_status}): {self.message}"


class TaskError(Document):
    """``runtime.error`` as ExecGo reports it; ``raw_code`` is the code that the runtime gave."""

    code: str = ""
    message: str = ""
    source: str = ""
    raw_code: str | None = None


class TaskChanged(Event):
    """ExecGo reported a new state of a task. ``duration_ms`` and the two times are ExecGo's."""

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

    def sentence(self) -> str | None:
        if self.status != "failed":
            return None
        message = self.error.message if self.error else "no error given"
        # ExecGo's message has its own id of the task (run, trial, stage, task); readers know the plan's.
        message = message.replace(self.engine_task_id, self.task_id)
        raw = f" [{self.error.raw_code}]" if self.error and self.error.raw_code else ""
        return f"task {self.task_id} failed: {message}{raw}"


class TaskOutput(Event):
    """What is known of the process of a task that failed. Written once for each failed task.

    ``exit_code``, ``exit_signal``, ``reported_status`` and the end of ``stderr`` (at most 2,000
    characters) are from the runtime's answer that ExecGo keeps. ``runtime_status`` is what the runtime
    itself answers about the task; null if it cannot be asked, or does not know it.
    """

    event_type: Literal["task_output"] = "task_output"
    stage_id: str
    round: int
    task_id: str
    engine_task_id: str
    exit_code: int | None = None
    exit_signal: int | None = None
    stderr: str = ""
    reported_status: str | None = None
    runtime_status: str | None = None

    def sentence(self) -> str | None:
        lines = self.stderr.strip().splitlines()
        return f"task {self.task_id} wrote to stderr: {lines[-1]}" if lines else None


class EngineContradiction(Event):
    """What ExecGo answered cannot be true.

    ``other_task``: the answer about a task, or the runtime's answer in it, is about another task.
    ``child_first``: the task started before a task that it depends on had ended. ``went_back``: its
    answer is older than one before, or it has ended in two ways. ``never_started``: it ended well, and
    never started. ``other_graph``: ExecGo accepted other tasks than were submitted; ``task_id`` is
    empty. ``other_payload``: ExecGo holds another payload than was submitted.
    """

    event_type: Literal["engine_contradiction"] = "engine_contradiction"
    stage_id: str
    round: int
    task_id: str
    how: Literal[
        "other_task", "child_first", "went_back", "never_started", "other_graph", "other_payload"
    ]
    message: str

    def sentence(self) -> str:
        subject = f"task {self.task_id}" if self.task_id else f"stage {self.stage_id}"
        return f"ExecGo contradicts itself about {subject}: {self.message}"


class WitnessesDiffer(Event):
    """ExecGo and the runtime say different things about a task that ended well. Written after a trial
    that did not succeed.

    ``member`` is the first member of the runtime's answer that differs. ``link_alters``: whether the
    runtime's answer is another one over the connection that ExecGo uses.
    """

    event_type: Literal["witnesses_differ"] = "witnesses_differ"
    task_id: str
    member: str
    link_alters: bool

    def sentence(self) -> str:
        where = "; over ExecGo's connection, the runtime's answer is altered" * self.link_alters
        return f"ExecGo and the runtime differ about {self.member} of task {self.task_id}{where}"


class WitnessesAgree(Event):
    """For these tasks, the runtime itself gives the same output as ExecGo. Written after a trial that
    did not succeed, and only for a runtime whose process this run started, or whose files can be read:
    an address alone may belong to something in front of it."""

    event_type: Literal["witnesses_agree"] = "witnesses_agree"
    tasks: tuple[str, ...]


class RequestDiffers(Event):
    """The runtime keeps another request for a task than ExecGo was given, and ExecGo holds the one that
    it was given. ``member`` is the first that differs. Written after a trial that did not succeed, if
    the runtime's files can be read."""

    event_type: Literal["request_differs"] = "request_differs"
    task_id: str
    member: str

    def sentence(self) -> str:
        return (
            f"the runtime got another {self.member} for task {self.task_id} than ExecGo was given"
        )


class TaskStillKnown(Event):
    """ExecGo gave a task up before the runtime reported its end, and the runtime knows the task. Written
    after a trial that did not succeed.

    ``status`` is what the runtime says. ``other_handle``: ExecGo's handle of the task, if the runtime
    knows the task by its id and not by this handle.
    """

    event_type: Literal["task_still_known"] = "task_still_known"
    task_id: str
    status: str
    other_handle: str | None = None

    def sentence(self) -> str:
        asked = f" and asked for {self.other_handle}" if self.other_handle else ""
        return (
            f"ExecGo gave up task {self.task_id}{asked}, but the runtime knows it ({self.status})"
        )


class TaskLost(Event):
    """ExecGo accepted a task and will never finish it.

    ``forgotten``: ExecGo answers 404. ``orphaned``: the task was open when ExecGo restarted, and
    ExecGo did not resume it.
    """

    event_type: Literal["task_lost"] = "task_lost"
    stage_id: str
    round: int
    task_id: str
    engine_task_id: str
    how: Literal["forgotten", "orphaned"] = "forgotten"

    def sentence(self) -> str:
        if self.how == "forgotten":
            return f"ExecGo no longer knows task {self.task_id}"
        return f"ExecGo restarted and did not resume task {self.task_id}: it is lost"


class EngineUnreachable(Event):
    """ExecGo did not answer a request."""

    event_type: Literal["engine_unreachable"] = "engine_unreachable"
    stage_id: str
    message: str

    def sentence(self) -> str:
        return f"ExecGo does not answer: {self.message}"


class EngineUnavailable(Event):
    """ExecGo, or a gateway in front of it, answered a request with a status that asks to try again
    later, such as 429 or 502. The first of several in a row."""

    event_type: Literal["engine_unavailable"] = "engine_unavailable"
    stage_id: str
    http_status: int
    message: str

    def sentence(self) -> str:
        return f"ExecGo asks to try again later: {self.message}"


class EngineReachable(Event):
    """ExecGo answers again."""

    event_type: Literal["engine_reachable"] = "engine_reachable"
    stage_id: str

    def sentence(self) -> str:
        return "ExecGo answers again"


class EngineProtocolError(Event):
    """ExecGo's answer does not have the form that its API promises."""

    event_type: Literal["engine_protocol_error"] = "engine_protocol_error"
    stage_id: str
    message: str

    def sentence(self) -> str:
        return f"ExecGo's answer does not follow its API: {self.message}"


class TaskStuck(Event):
    """A task that ExecGo still calls running, and that will not end.

    ``ended``: the processes that the runtime names for the task have ended, and the runtime still
    answers that the task runs. ``overdue``: the task runs far beyond its own limit. ``watched_ms`` is
    how long that was observed, without the time in which the observers themselves were late.
    ``runtime_status`` is what the runtime itself answers; null if it cannot be asked.
    """

    event_type: Literal["task_stuck"] = "task_stuck"
    stage_id: str
    round: int
    task_id: str
    engine_task_id: str
    handle_id: str | None = None
    how: Literal["ended", "overdue"]
    watched_ms: float
    limit_ms: float | None = None
    runtime_status: str | None = None

    @property
    def contradicted(self) -> bool:
        """Whether the runtime says that the task has ended."""
        return self.runtime_status in ("success", "failed", "cancelled")

    def sentence(self) -> str:
        name, seconds = self.task_id, self.watched_ms / 1000
        if self.contradicted:
            return f"ExecGo still calls task {name} running, but the runtime says {self.runtime_status}"
        if self.how == "ended":
            return (
                f"task {name} is stuck: its processes ended at least {seconds:.1f} s ago, "
                "but the runtime still reports it as running"
            )
        limit = (self.limit_ms or 0.0) / 1000
        return f"task {name} is stuck: it has run for {seconds:.1f} s, its limit is {limit:g} s"


class CancelAsked(Event):
    """The runtime was asked to cancel a stuck task before the task is submitted again. ``answer`` is a
    text for readers."""

    event_type: Literal["cancel_asked"] = "cancel_asked"
    stage_id: str
    task_id: str
    handle_id: str
    answer: str

    def sentence(self) -> str:
        return f"asked the runtime to cancel task {self.task_id}: {self.answer}"


class Resubmitted(Event):
    """The failed and skipped tasks of a stage were submitted again, under new ids."""

    event_type: Literal["resubmitted"] = "resubmitted"
    stage_id: str
    round: int
    tasks: tuple[str, ...]
    waited_ms: float

    def sentence(self) -> str:
        rounds = f"round {self.round + 1}, after {self.waited_ms:.0f} ms"
        return f"resubmitted {few(self.tasks)} ({rounds})"


class ResubmitDeclined(Event):
    """A failed stage was not resubmitted; ``reason`` is a text for readers."""

    event_type: Literal["resubmit_declined"] = "resubmit_declined"
    stage_id: str
    reason: str

    def sentence(self) -> str:
        return f"not resubmitted: {self.reason}"


class StageFinished(Event):
    """A stage ended. ``engine_time_ms`` spans the first ``created_at`` to the last ``updated_at`` by
    ExecGo's clock; it is null if a clock was set meanwhile, so that this is not the time that passed.

    ``unfinished`` names the tasks whose end was not seen. While a sink is open, tasks before it are
    polled only if a fault waits for them.
    """

    event_type: Literal["stage_finished"] = "stage_finished"
    stage_id: str
    outcome: StageOutcome
    duration_ms: float
    engine_time_ms: float | None = None
    rounds: int
    unfinished: tuple[str, ...] = ()

    def sentence(self) -> str | None:
        if self.outcome == "succeeded":
            again = self.rounds > 1
            return f"stage {self.stage_id} succeeded in round {self.rounds}" if again else None
        unfinished = f"; unfinished: {few(self.unfinished)}" if self.unfinished else ""
        return f"stage {self.stage_id} ended: {self.outcome.replace('_', ' ')}{unfinished}"


class ProcessLeft(Event):
    """At the end, a process that a task of this trial started still ran below ``service``. It was then
    ended. ``command`` has at most 200 characters."""

    event_type: Literal["process_left"] = "process_left"
    service: str
    pid: int
    command: str

    def sentence(self) -> str:
        return f"left over: process {self.pid} ({self.command}) of a task, below {self.service}"


class LeftoverFound(Event):
    """At the end, ExecGo still held an unfinished task of this trial."""

    event_type: Literal["leftover_found"] = "leftover_found"
    engine_task_id: str
    status: str

    def sentence(self) -> str:
        return f"left over: {self.engine_task_id} is still {self.status} on ExecGo"
