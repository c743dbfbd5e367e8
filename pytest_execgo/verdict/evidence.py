"""Questions that the rules ask of a record: events by type, and when a service was unhealthy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import TypeVar

from pytest_execgo.models.events import (
    BaselineDiffers,
    BaselineKnown,
    BindingResolved,
    CheckEvaluated,
    EngineUnreachable,
    Event,
    EvidenceEvent,
    FileChanged,
    FixtureRequest,
    LinkDegraded,
    ObserverStarved,
    Resubmitted,
    ServiceExited,
    ServiceHealthy,
    ServiceLimited,
    ServiceReady,
    ServiceSilent,
    ServiceStopped,
    StageFinished,
    StageStarted,
    SubmissionStarted,
    Submitted,
    TaskChanged,
    TaskInputs,
    TaskOutput,
    TaskStillKnown,
    TrialStarted,
    WitnessesAgree,
)
from pytest_execgo.models.task import TERMINAL
from pytest_execgo.verdict.wording import KILLED_AT_SHUTDOWN, LAYERS, MACHINE, failure, topic

E = TypeVar("E", bound=Event)
Health = ServiceStopped | ServiceSilent | ServiceLimited | LinkDegraded
_HEALTH = (ServiceStopped, ServiceSilent, ServiceLimited, LinkDegraded)
# A problem may have begun up to this long before the first health check that saw it.
CHECK_MS = 250.0
# Longest delay between a task failing and our poll noticing.
NOTICED_WITHIN_MS = 500.0
# ExecGo ends its tasks within this time before its process ends.
_SHUTDOWN_MS = 1000.0
_KILL = 9
# What a shell exits with if SIGKILL ended its child.
_KILLED_CHILD = 137


@dataclass(frozen=True)
class Window:
    """A span of the trial's clock in milliseconds."""

    start: float
    end: float


@dataclass(frozen=True)
class ChangedFile:
    """A file that a task names, and that has changed: the code of that, its event, and a sentence."""

    code: str
    event_id: str
    message: str


def _names(inputs: TaskInputs, path: str) -> bool:
    return any(path == one or path.startswith(f"{one}/") for one in inputs.files)


def _began(event: Health) -> float:
    """The earliest time at which the problem may have begun."""
    waited = event.waited_ms if isinstance(event, (ServiceSilent, LinkDegraded)) else 0.0
    return event.at_ms - max(waited, CHECK_MS)


@dataclass(frozen=True)
class Evidence:
    """The evidence events of one trial, in order of time, by type."""

    events: Sequence[EvidenceEvent]

    def of(self, kind: type[E]) -> list[E]:
        """All events of one type."""
        return [event for event in self.events if isinstance(event, kind)]

    def failures(self) -> list[TaskChanged]:
        """The first failed state of each task, one per submission, without :meth:`demanded` ones."""
        seen: dict[str, TaskChanged] = {}
        demanded = self.demanded()
        for event in self.of(TaskChanged):
            if event.status == "failed" and event.task_id not in demanded:
                seen.setdefault(event.engine_task_id, event)
        return list(seen.values())

    def demanded(self) -> frozenset[str]:
        """The tasks that failed as a check demands (``status: failed``). Such a failure is a result of
        the plan, not a problem with a cause."""
        return frozenset(
            check.task
            for check in self.of(CheckEvaluated)
            if check.task and check.ok and check.kind == "task" and check.expected == "failed"
        )

    def failed_stages(self) -> list[StageFinished]:
        """The stages that did not succeed, without those in which only :meth:`demanded` tasks failed."""
        return [
            stage
            for stage in self.of(StageFinished)
            if stage.outcome != "succeeded" and not self._failed_as_demanded(stage)
        ]

    def _failed_as_demanded(self, stage: StageFinished) -> bool:
        failed = {
            event.task_id
            for event in self.of(TaskChanged)
            if event.stage_id == stage.stage_id and event.status == "failed"
        }
        return stage.outcome == "failed" and bool(failed) and failed <= self.demanded()

    def first_failure_at(self) -> float:
        """When the first stage ended without success; infinity if every stage succeeded. What fails
        later may be a consequence."""
        return min((stage.at_ms for stage in self.failed_stages()), default=inf)

    def health(self, service: str) -> list[Health]:
        """The problems of a service that health checks saw, in order of time."""
        return [e for e in self.events if isinstance(e, _HEALTH) and e.service == service]

    def unhealthy_windows(self, service: str) -> list[Window]:
        """When tasks may have failed because a service was unhealthy.

        Each window begins when the problem may have begun, and ends a short time after the service was
        seen healthy again (never, if it was not).
        """
        found = [self.window(event) for event in self.health(service)]
        if service == "fixtures":
            found += self.away("fixtures") + self.fixtures_late()
            # A task may use a wrong answer at any time after it.
            found += [Window(event.at_ms, inf) for event in self.wrong_requests()]
        return found

    def window(self, problem: Health) -> Window:
        """From the earliest time at which a problem may have begun until a short time after the service
        was seen healthy again (never, if it was not)."""
        healthy = [e.at_ms for e in self.of(ServiceHealthy) if e.service == problem.service]
        end = next((at for at in healthy if at > problem.at_ms), inf)
        return Window(_began(problem), end + NOTICED_WITHIN_MS)

    def wrong_requests(self) -> list[FixtureRequest]:
        """Requests that the server answered with other content than the fixture's."""
        return [event for event in self.of(FixtureRequest) if event.wrong]

    def away(self, service: str) -> list[Window]:
        """From each end of the service's process until it is ready again."""
        ready = [e.at_ms for e in self.of(ServiceReady) if e.service == service]
        gone = [event.at_ms for event in self.exits(service)]
        ends = (next((back for back in ready if back > at), inf) for at in gone)
        return [Window(at, end + NOTICED_WITHIN_MS) for at, end in zip(gone, ends, strict=True)]

    def fixtures_late(self) -> list[Window]:
        """While a client waited for a slow answer."""
        slow = [event for event in self.of(FixtureRequest) if event.slow]
        return [Window(e.at_ms, e.at_ms + e.duration_ms + NOTICED_WITHIN_MS) for e in slow]

    def submitted_at(self, task: TaskChanged) -> float:
        """When ExecGo accepted the round of the task, which cannot have run before; minus infinity if
        that is not on record."""
        rounds = (e for e in self.of(Submitted) if task.task_id in e.task_ids)
        same = [e.at_ms for e in rounds if (e.stage_id, e.round) == (task.stage_id, task.round)]
        return min(same, default=-inf)

    def exits(self, service: str) -> list[ServiceExited]:
        """Each end of a process of the service."""
        return [event for event in self.of(ServiceExited) if event.service == service]

    def killed_at_shutdown(self, failed: TaskChanged) -> bool:
        """Whether ExecGo killed the task because it ended itself.

        ExecGo does that before its process ends. We may see it only after its restart, so the time that
        ExecGo recorded for the failure counts.
        """
        if KILLED_AT_SHUTDOWN not in self.message(failed):
            return False
        ends = [gone.wall_time for gone in self.exits("execgo") if gone.wall_time is not None]
        waits = [(end - failed.updated_at).total_seconds() * 1000 for end in ends]
        return any(0 <= wait < _SHUTDOWN_MS for wait in waits)

    def message(self, failed: TaskChanged) -> str:
        """ExecGo's words about a failed task."""
        return (failed.error.message if failed.error else "") or "failed without a message"

    def output(self, failed: TaskChanged) -> TaskOutput | None:
        """What is known of the process of a failed task."""
        same = (e for e in self.of(TaskOutput) if e.engine_task_id == failed.engine_task_id)
        return next(same, None)

    def words(self, failed: TaskChanged) -> str:
        """What a failed task itself wrote last, or else ExecGo's words about it."""
        output = self.output(failed)
        return (output.stderr.strip() if output else "") or self.message(failed)

    def stderr_of_end(self) -> TaskOutput | None:
        """What the first failed task wrote that was not submitted again, in the first stage that did not
        succeed; ``None`` if it wrote nothing to stderr."""
        stages = [stage.stage_id for stage in self.failed_stages()][:1]
        for failed in self.failures():
            output = self.output(failed)
            final = failed.stage_id in stages and self.settled_at(failed) == inf
            if final and output is not None and output.stderr.strip():
                return output
        return None

    def inputs(self, task_id: str) -> TaskInputs:
        """Where a task gets data from, as it was submitted last."""
        known = [e.inputs[task_id] for e in self.of(SubmissionStarted) if task_id in e.inputs]
        return known[-1] if known else TaskInputs()

    def is_submitted(self, task_id: str) -> bool:
        """Whether the submission of a task is on record, and with it what the task reads."""
        return any(task_id in e.inputs for e in self.of(SubmissionStarted))

    def reads(self, task_id: str) -> bool:
        """Whether a task may read more than its own payload and the files of the scenario: the answers
        of a service, the output of another task, or files that an earlier stage left."""
        inputs = self.inputs(task_id)
        if inputs.services or inputs.tasks:
            return True
        first = next((e.stage_id for e in self.of(StageStarted)), None)
        stages = [e.stage_id for e in self.of(SubmissionStarted) if task_id in e.inputs]
        return inputs.workspace and bool(stages) and stages[-1] != first

    def uses(self, service: str) -> bool:
        """Whether a task that was submitted has the URL of the service."""
        submitted = [one for e in self.of(SubmissionStarted) for one in e.inputs.values()]
        return any(service in inputs.services for inputs in submitted)

    def proven(self, task_id: str) -> bool:
        """Whether the task succeeded in a clean trial with the same payload. Then what
        reaches it has changed, or it does not always succeed; one trial cannot tell."""
        known = self.of(BaselineKnown)
        payload = self.inputs(task_id).payload
        return bool(known) and bool(payload) and known[-1].payloads.get(task_id) == payload

    def is_compared(self) -> bool:
        """Whether a clean trial of the same scenario is known."""
        return bool(self.of(BaselineKnown))

    def agreed(self, task_id: str) -> bool:
        """Whether the runtime itself gives the same output for a task as ExecGo."""
        return any(task_id in event.tasks for event in self.of(WitnessesAgree))

    def still_known(self, task_id: str) -> TaskStillKnown | None:
        """What the runtime says about a task that ExecGo gave up, if it knows the task."""
        found = (event for event in self.of(TaskStillKnown) if event.task_id == task_id)
        return next(found, None)

    def plan_proven(self) -> bool:
        """Whether every task that was submitted is :meth:`proven`, or differs by a value that a binding
        carried over."""
        bound = {event.target_task_id for event in self.of(BindingResolved)}
        submitted = {task for e in self.of(SubmissionStarted) for task in e.inputs}
        roots = submitted - bound
        return bool(roots) and all(self.proven(task) for task in roots)

    def addresses(self) -> dict[str, set[str]]:
        """Hosts and ports of the services."""
        started = self.of(TrialStarted)
        return {name: set(own) for name, own in started[-1].addresses.items()} if started else {}

    def answered(self, status: int | None) -> bool:
        """Whether the fixtures server itself answered a request with this status, rightly."""
        return any(e.status == status and not e.wrong for e in self.of(FixtureRequest))

    def went_wrong(self) -> bool:
        """Whether anything did not succeed, also if the trial recovered from it."""
        unmet = any(not check.ok for check in self.of(CheckEvaluated))
        return bool(self.failures() or self.failed_stages() or self.of(EngineUnreachable) or unmet)

    def was_killed(self) -> bool:
        """Whether SIGKILL ended a task or a service. A task that exceeds its own limit is not meant."""
        codes = [failure(failed).code for failed in self.failures()]
        statuses = {event.exit_status for service in LAYERS for event in self.exits(service)}
        outputs = [output for failed in self.failures() if (output := self.output(failed))]
        signalled = any(
            one.exit_signal == _KILL or one.exit_code == _KILLED_CHILD for one in outputs
        )
        own = "memory_limit_exceeded" in codes
        return not own and (signalled or "killed_by_signal" in codes or -_KILL in statuses)

    def readers(self, path: str) -> list[str]:
        """The submitted tasks that name a file of the workspace, or a folder that holds it."""
        submitted = [one for event in self.of(SubmissionStarted) for one in event.inputs.items()]
        return [task for task, inputs in submitted if _names(inputs, path)]

    def recovered_after(self, at_ms: float) -> float:
        """When the tasks of a stage were submitted again, or a stage succeeded, after a time; infinity
        if neither happened."""
        again = [event.at_ms for event in self.of(Resubmitted)]
        well = [event.at_ms for event in self.of(StageFinished) if event.outcome == "succeeded"]
        return min((at for at in (*again, *well) if at >= at_ms), default=inf)

    def changed_file(self, task_id: str) -> ChangedFile | None:
        """A file that the task names, and that is not as it was at the start."""
        for event in self.of(FileChanged):
            if event.task_id == task_id:
                return ChangedFile(f"file_{event.how}", event.event_id, event.sentence())
        inputs = self.inputs(task_id)
        for other in self.of(BaselineDiffers):
            if other.subject == "file" and _names(inputs, other.name):
                text = (
                    f"{other.name}, which task {task_id} names, has other content than in the clean "
                    "trials"
                )
                return ChangedFile("file_content", other.event_id, text)
        return None

    def failed_with_fixtures(self) -> bool:
        """Whether a task failed since fixtures became unhealthy, not by the fault of the runtime or of
        the machine."""
        since = min((window.start for window in self.unhealthy_windows("fixtures")), default=inf)
        return any(
            e.at_ms >= since
            and failure(e).kind != "runtime"
            and topic(self.words(e)) not in MACHINE
            for e in self.failures()
        )

    def wrong_content_is_used(self) -> bool:
        """Whether the result can contain a wrong answer of fixtures. Answers from before the last
        resubmission cannot be in it, because those tasks ran again."""
        again = max((event.at_ms for event in self.of(Resubmitted)), default=-inf)
        return any(event.at_ms > again for event in self.wrong_requests())

    def settled_at(self, failed: TaskChanged) -> float:
        """When the failed task was submitted again and then ended, or its stage succeeded after all;
        infinity if neither happened. An attempt without an end does not show that anything is better."""
        ended = any(
            (e.stage_id, e.task_id) == (failed.stage_id, failed.task_id)
            and e.round > failed.round
            and e.status in TERMINAL
            for e in self.of(TaskChanged)
        )
        again = [
            e.at_ms
            for e in self.of(Resubmitted)
            if ended and (e.stage_id, e.round) == (failed.stage_id, failed.round + 1)
        ]
        ends = [e for e in self.of(StageFinished) if e.stage_id == failed.stage_id]
        well = [e.at_ms for e in ends[-1:] if e.outcome == "succeeded"]
        return min([*again, *well], default=inf)

    def decided_from(self) -> float:
        """When the last round began of the first stage that did not succeed; infinity if every stage
        succeeded. What was over by then did not decide the end."""
        failed = {stage.stage_id for stage in self.failed_stages()}
        began = {e.stage_id: e.at_ms for e in self.of(StageStarted) if e.stage_id in failed}
        rounds = [e for e in self.of(Resubmitted) if e.stage_id in failed]
        # Of several resubmissions of a stage, the last one stays.
        return min((began | {e.stage_id: e.at_ms for e in rounds}).values(), default=inf)

    def gaps(self) -> list[ObserverStarved]:
        """The times in which nothing was observed."""
        return self.of(ObserverStarved)
