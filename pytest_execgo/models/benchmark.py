"""Requests and results of runs: ``request.json``, ``result.json`` and ``benchmark.json``."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from pytest_execgo.models.cause import Layer
from pytest_execgo.models.chaos import Expectation
from pytest_execgo.models.comparison import Comparison
from pytest_execgo.models.context import DEFAULT_MAX_REPAIRS, ModelProfile, PlanBudget
from pytest_execgo.models.document import Document, VersionedDocument
from pytest_execgo.models.finding import AcceptedFinding
from pytest_execgo.models.gate import GateRecord
from pytest_execgo.models.plan import Mode
from pytest_execgo.models.totals import Totals

MOST_CONFIRMATIONS = 100
VerdictStatus = Literal["passed", "failed", "inconclusive"]
Confidence = Literal["certain", "likely", "possible"]
FaultStatus = Literal["fired", "not_fired", "not_exercised"]
RecoveryOutcome = Literal["not_needed", "recovered", "degraded", "stuck", "lost"]
ConfirmationStatus = Literal[
    "confirmed", "associated", "independent", "flaky", "deterministic", "not_reproduced", "not_run"
]
UnfinishedState = Literal["error", "skipped", "not_needed", "not_run"]


SHARD = "^[0-9]+/[0-9]+$"


class BenchmarkRunRequest(VersionedDocument):
    """The request of a run. Empty lists mean all scenarios and all installed frameworks.

    ``confirm``: how often a trial with a failure or a recovery is repeated with its faults and without.
    ``harness`` and ``services`` name launchers, ``KIND`` or ``KIND:TARGET``. ``service_args`` are
    further arguments for services that are launched as binaries. ``python_image`` is the
    base image for the images of our own services (null: the default). ``model`` is the model of live
    trials, ``budget`` the limit for each of their plans. ``adaptive``: ``repetitions`` is the most, and
    a cell gets no more of them when the gates for its success rate are decided. ``shard``: run part i of
    n of the trials (``i/n``), divided by the times with the digest ``shard_weights`` if there is one.

    ``request.json`` of a run names the scenarios, frameworks, profiles and seed that were used.
    """

    scenarios: tuple[str, ...] = ()
    frameworks: tuple[str, ...] = ()
    modes: tuple[Mode, ...] = Field(default=("replay",), min_length=1)
    chaos: tuple[str, ...] = Field(default=("none",), min_length=1)
    repetitions: int = Field(default=1, ge=1, strict=True)
    adaptive: bool = False
    seed: int | None = Field(default=None, ge=0, strict=True)
    shard: str | None = Field(default=None, pattern=SHARD)
    shard_weights: str | None = None
    confirm: int = Field(default=0, ge=0, le=MOST_CONFIRMATIONS, strict=True)
    harness: str = "embedded"
    services: dict[str, str] = {}
    service_args: dict[str, tuple[str, ...]] = {}
    python_image: str | None = None
    model: ModelProfile | None = None
    max_repairs: int = Field(default=DEFAULT_MAX_REPAIRS, ge=0, le=20, strict=True)
    budget: PlanBudget = PlanBudget()
    known_findings: tuple[AcceptedFinding, ...] = ()


class TrialMetrics(Document):
    """The metrics of one trial. Times are milliseconds, rates 0 to 1. A metric is null if the trial
    gives no value for it: nothing had to recover, nothing was submitted.

    ``engine_time_ms`` spans the first ``created_at`` to the last ``updated_at`` that ExecGo reports,
    summed over the stages. ``overhead_ms`` is the rest of the wall time. Both are null if a clock was
    set during the trial. ``detection_ms`` is the time from the first injected fault to its first symptom
    (an answer of ExecGo or of the model, the end of a process, a health check). ``recovery_ms``, for
    trials that recovered, is the time from that fault to the next success of a stage, or to the plan if
    the symptom was seen while planning.

    ``repair_count`` is the number of further answers that the model had to give. ``landed`` tells
    whether its answers led to a legal plan, ``landed_at_first`` whether the first answer did; both are
    null if the endpoint failed. ``model_requests`` counts the framework's requests, ``model_retries``
    the requests that were sent again because the endpoint gave no usable answer. Tokens are those that
    the endpoint counts. All of these are null if no model was asked.
    """

    plan_validity: float | None
    submit_accept_rate: float | None
    scenario_success: float
    recovery_success: float | None
    wall_time_ms: float
    engine_time_ms: float | None
    overhead_ms: float | None
    plan_time_ms: float
    stage_count: int
    task_count: int
    retry_count: int
    resubmit_count: int
    repair_count: int | None
    timeout_count: int
    runtime_failure_count: int
    invalid_action_count: int
    artifact_hash_match: float | None
    detection_ms: float | None
    recovery_ms: float | None
    landed: float | None = None
    landed_at_first: float | None = None
    model_requests: int | None = None
    model_retries: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class FaultRecord(Document):
    """What became of one fault of the profile.

    ``injections`` counts how often it was injected; ``at_ms`` is the first injection, ``healed_at_ms``
    the last healing. Its condition came true at ``stage_id`` and ``task_id``; ``detail`` describes its
    effect. ExecGo reported ``tasks_inside`` as running between injection and healing. ``reason``: why
    the fault was not injected (again).
    """

    action: str
    target: str
    phase: str
    status: FaultStatus
    injections: int = 0
    detail: str | None = None
    stage_id: str | None = None
    task_id: str | None = None
    tasks_inside: tuple[str, ...] = ()
    at_ms: float | None = None
    healed_at_ms: float | None = None
    reason: str | None = None
    events: tuple[str, ...] = ()


class CheckRecord(Document):
    """One check of a trial. ``diff``: the lines that differ, as a unified diff."""

    kind: str
    ok: bool
    message: str
    expected: Any = None
    got: Any = None
    diff: tuple[str, ...] = ()


class FailureCounts(Document):
    """Failed tasks of a trial by who ended them. ``timeouts``: their own timeout. ``invalid_actions``:
    tools and task types that ExecGo does not know, with refused submissions."""

    timeouts: int = 0
    of_runtime: int = 0
    invalid_actions: int = 0


class Attribution(Document):
    """One named cause: layer, stable code, and the ids of the events that show it.

    ``mitigated``: it occurred without an effect on the trial, because the model was asked again.
    """

    layer: Layer
    code: str
    confidence: Confidence
    evidence: tuple[str, ...]
    message: str
    mitigated: bool = False

    @property
    def name(self) -> str:
        """``layer/code``, with `` (mitigated)`` if it was mitigated."""
        return f"{self.layer}/{self.code}{' (mitigated)' if self.mitigated else ''}"


class ExplanationStep(Document):
    at_ms: float
    text: str
    events: tuple[str, ...]


class TaskWords(Document):
    """What the failed task that decided the end of a trial wrote last: the last lines of its stderr."""

    task_id: str
    stderr: tuple[str, ...]


class Verdict(Document):
    """The judgement of a trial.

    ``outcome`` is one line with the expectation and what happened. ``expected_cause`` and
    ``cause_named`` (whether attribution found it) are null if no fault was injected. ``failed_task`` is
    null if no task failed that wrote to stderr. ``next_step``: what to do about the first cause, in
    one line; empty for a trial that passed, and for a cause without advice.
    """

    status: VerdictStatus
    expectation: Expectation
    outcome: str
    recovery: RecoveryOutcome
    checks: tuple[CheckRecord, ...]
    attribution: tuple[Attribution, ...]
    expected_cause: str | None = None
    cause_named: bool | None = None
    failed_task: TaskWords | None = None
    next_step: str = ""
    explanation: tuple[ExplanationStep, ...]

    @property
    def headline(self) -> str:
        """The first cause, with the task that failed and the last line that it wrote."""
        cause = self.attribution[0]
        if self.failed_task is None:
            return f"{cause.name}: {cause.message}"
        return f"{cause.name} {self.failed_task.task_id}: {self.failed_task.stderr[-1].strip()}"


class ConfirmationArm(Document):
    """Repetitions of a trial with some of its faults, or with none. ``faults`` holds ``action target``
    of each, with its number in the profile if two faults are alike.

    ``same``: how many ended like the trial itself, with a cause in the same layer. ``clean``: how many
    passed without anything to recover from or to blame. The rest of ``of`` ended in another way.
    """

    faults: tuple[str, ...]
    same: int
    clean: int
    of: int


class Confirmation(Document):
    """Whether the faults of a trial are the reason for its end, by repetitions of its recorded plan.

    ``confirmed``: it always ends the same way with the faults in ``by``, and is always clean without
    faults. ``associated``: it is always clean without faults, and sometimes ends the same way with them.
    ``independent``: it is never clean, with or without faults. ``flaky``: it is sometimes clean although
    nothing differs. ``deterministic``: no fault was injected, and it is never clean. ``not_reproduced``:
    no repetition ended the same way. ``not_run``: ``reason`` says why nothing was repeated.
    """

    status: ConfirmationStatus
    by: tuple[str, ...] = ()
    arms: tuple[ConfirmationArm, ...] = ()
    reason: str = ""

    @property
    def text(self) -> str:
        """The status with its counts: ``confirmed 3/3 vs 0/3``, ``flaky 2/3``."""
        words = self.status.replace("_", " ")
        if not self.arms:
            return f"{words}: {self.reason}" if self.reason else words
        plain = next(arm for arm in self.arms if not arm.faults)
        without = f"{plain.of - plain.clean}/{plain.of}"
        if self.status in ("flaky", "deterministic"):
            return f"{words} {without}"
        arms = [arm for arm in self.arms if arm.faults]
        shown = next((arm for arm in arms if arm.faults == self.by), arms[-1])
        by = f" by {' and '.join(self.by)} alone" if 0 < len(self.by) < len(arms[-1].faults) else ""
        return f"{words} {shown.same}/{shown.of} vs {without}{by}"


class TrialResult(VersionedDocument):
    """One trial: an element of ``benchmark.json`` and the whole of ``result.json``.

    ``plan_shape`` is the digest of the plan without its names. ``model`` is the provider and model that
    made the plan (in replay, those of the recording), or null. ``broken_rules`` are the rules that
    answers of the model broke. ``rng_key`` and ``seed`` determine the random draws; the key is the
    trial's id unless the caller chose another. ``known_finding``: the trial failed, and an accepted
    finding about a service explains it. ``findings``: all findings whose cause was named, whether the
    trial failed or not, and whether the run accepts them or not. ``confirmation``: what repetitions
    with and without the faults showed, if the run asked for them. ``attempt`` counts from 1; earlier
    ones are in ``BenchmarkResult.attempts``. ``left_behind``: the command lines of processes that tasks
    left running, at most 20; they were ended, and the fleet was replaced.
    """

    trial_id: str
    cell_id: str
    scenario: str
    framework: str
    mode: Mode
    chaos: str
    repetition: int
    seed: int
    rng_key: str = ""
    started_at: datetime
    outcome_digest: str
    plan_shape: str | None = None
    model: str | None = None
    broken_rules: tuple[str, ...] = ()
    metrics: TrialMetrics
    faults: tuple[FaultRecord, ...] = ()
    verdict: Verdict
    known_finding: AcceptedFinding | None = None
    findings: tuple[str, ...] = ()
    confirmation: Confirmation | None = None
    attempt: int = 1
    left_behind: tuple[str, ...] = ()
    rerun: str


class Rate(Document):
    """A proportion with its Wilson 95 % interval; ``value`` is null where ``of`` is 0."""

    count: int
    of: int
    value: float | None
    low: float | None
    high: float | None


class Distribution(Document):
    """Order statistics over the trials of a cell that have a value."""

    count: int
    median: float | None
    min: float | None
    max: float | None


class CellRates(Document):
    """``success`` leaves trials with harness errors out; ``success_errors_as_failures`` counts them as
    failures. Both leave out failures that a known finding explains.

    ``pass_at`` and ``pass_hat`` map k to the unbiased estimates that at least one of k trials passes,
    or that all k pass. ``landing`` is the share of trials that came to a legal plan,
    ``landing_at_first`` the share that did with the first answer, ``landing_pass_hat`` the estimate
    that all of k trials do, and ``plan_shapes`` the number of different plans without their names;
    without values if no model was asked. ``determinism_drift`` is 1 - the share of the largest class of
    equal outcomes. ``recovery_median_ms`` is the Kaplan-Meier median of the time to recovery.
    """

    success: Rate
    success_errors_as_failures: Rate
    pass_at: dict[str, float]
    pass_hat: dict[str, float]
    recovery: Rate
    recovery_median_ms: float | None = None
    determinism_drift: float | None
    landing: Rate | None = None
    landing_at_first: Rate | None = None
    landing_pass_hat: dict[str, float] = {}
    plan_shapes: int | None = None


class CellResult(Document):
    """Counts of one cell. A failure that a known finding explains counts in ``known_findings``, not in
    ``failed``, and never in ``passed``. ``failed_attempts`` counts the earlier attempts of its trials
    that failed, were inconclusive or ended in an error; all other figures are those of the last
    attempts."""

    cell_id: str
    scenario: str
    framework: str
    mode: Mode
    chaos: str
    trials: int
    passed: int
    failed: int
    inconclusive: int
    errors: int
    skipped: int
    known_findings: int = 0
    failed_attempts: int = 0
    rates: CellRates
    metrics: dict[str, Distribution]


class AttributionScore(Document):
    """How often attribution named the injected cause, over the trials whose fault was injected.

    ``accuracy`` is ``correct`` / ``trials``, ``lower_95`` its one-sided Clopper-Pearson bound.
    ``abstained`` counts the trials for which attribution named ``unknown`` or ``none``.
    ``wrong_and_certain`` counts the trials, with and without a fault, with a certain cause in a layer
    into which none was injected; ``none`` is one if a fault was injected. Trials that met a known
    finding do not count: its cause is there, although no fault caused it. ``clean``
    counts the trials without a fault that passed: ``false_causes`` those of them with a blamed cause,
    ``mitigated`` those with a mitigated problem of a model. ``confusion`` maps each injected cause to
    the first named causes and their counts; trials without a fault are in the row ``none``.
    """

    trials: int
    correct: int
    abstained: int = 0
    wrong_and_certain: int = 0
    clean: int = 0
    false_causes: int = 0
    mitigated: int = 0
    accuracy: float | None
    lower_95: float | None
    confusion: dict[str, dict[str, int]]


class CoverageRow(Document):
    framework: str
    action: str
    phase: str
    fired: int
    armed_not_fired: int
    not_exercised: int


class NotApplicable(Document):
    """A scenario and chaos profile that make no trial, and the reason. ``framework`` and ``mode`` are
    null unless the reason concerns only them."""

    scenario: str
    chaos: str
    reason: str
    framework: str | None = None
    mode: Mode | None = None


class UnfinishedTrial(Document):
    """A trial without a result that counts: an error, a skip, a repetition that was not needed, or a
    trial that was not run.

    ``verdict`` is the one that the trial had before an error, as in the teardown of a fixture.
    """

    trial_id: str
    cell_id: str
    state: UnfinishedState
    reason: str
    verdict: VerdictStatus | None = None


class TrialProblem(VersionedDocument):
    """``problem.json``: the trial did not end with its verdict. A ``result.json`` beside it does not
    count. ``not_run``: interrupted. ``reason`` is one line."""

    state: Literal["error", "not_run"]
    reason: str


class TrialEnd(Document):
    """How a trial ended without a result that counts; ``reason`` is one line."""

    state: UnfinishedState
    reason: str


class AcceptedFindingText(Document):
    """Why a run accepts a finding as known, and what the finding is about."""

    reason: str
    summary: str


class FaultPlace(Document):
    """One fault of a chaos profile: ``action target`` and its phase."""

    fault: str
    phase: str


class EarlierAttempt(Document):
    """An attempt that was followed by another one of the same trial, in a rerun or a resumed run.

    Its record is in ``trials/<trial_id>/attempts/<attempt>``. ``reason`` is the outcome of its verdict,
    or what ended it otherwise.
    """

    trial_id: str
    cell_id: str
    attempt: int
    state: Literal["finished", "error", "not_run"]
    verdict: VerdictStatus | None = None
    known_finding: str | None = None
    reason: str

    @property
    def failed(self) -> bool:
        """Whether it ended in an error, or with a verdict that is neither passed nor explained by a
        known finding."""
        if self.state != "finished":
            return self.state == "error"
        return self.verdict != "passed" and self.known_finding is None


class ControlRecord(Document):
    """A trial with a known outcome. ``ok`` is false if its outcome was another one, ``ran`` is false if
    a harness error prevented it."""

    name: str
    expected: str
    got: str
    ok: bool
    ran: bool = True


class ReplayRecord(Document):
    """A repeated trial; ``differences`` from the recorded trial are empty if both are equal."""

    trial_id: str
    of: str
    differences: tuple[str, ...]


class FindingSeen(Document):
    """A finding that the run accepts as known, and the trials that it explains, if any."""

    id: str
    reason: str
    summary: str
    trials: tuple[str, ...]


class ServiceInfo(Document):
    """One service of the fleet; ``digest`` is the sha256 of the binary or of the program's files.
    ``arguments``: those that the user added to the binary's command line.
    ``proxied``: its clients reach it through a fault proxy, which slows each request down a little."""

    launcher: str
    version: str
    path: str | None = None
    image: str | None = None
    url: str | None = None
    digest: str | None = None
    arguments: tuple[str, ...] = ()
    proxied: bool = False


class Environment(VersionedDocument):
    """The machine, the versions and the services of a run: ``environment.json``."""

    pytest_execgo: str
    python: str
    platform: str
    cpu_count: int
    git_commit: str | None
    seed: int
    workers: int
    services: dict[str, ServiceInfo]
    packages: dict[str, str]


class RunRecord(VersionedDocument):
    """``run.json``: what the reports of a run need besides the folders of its trials.

    ``planned``: ids of the trials. ``shards``: the parts ``i/n`` of the matrix that the folder holds;
    empty for the whole. ``ends``: trials that ended without a result. ``findings`` by id, ``faults`` by
    chaos profile: those of a trial without a result count as not exercised. ``gates``: what they came to
    in this run; a report judges those anew that need no base.
    """

    planned: tuple[str, ...] = ()
    shards: tuple[str, ...] = ()
    ends: dict[str, TrialEnd] = {}
    not_applicable: tuple[NotApplicable, ...] = ()
    findings: dict[str, AcceptedFindingText] = {}
    faults: dict[str, tuple[FaultPlace, ...]] = {}
    replays: tuple[ReplayRecord, ...] = ()
    gates: tuple[GateRecord, ...] = ()


class BenchmarkResult(VersionedDocument):
    """The whole run: ``benchmark.json``. ``confirmations`` counts the trials that were repeated with and
    without their faults, by the outcome. ``comparison``: with the run of ``--execgo-compare``."""

    run_id: str
    request: BenchmarkRunRequest
    environment: Environment
    trustworthy: bool
    trials: tuple[TrialResult, ...]
    cells: tuple[CellResult, ...]
    totals: Totals | None = None
    attribution: AttributionScore
    coverage: tuple[CoverageRow, ...]
    confirmations: dict[ConfirmationStatus, int] = {}
    not_applicable: tuple[NotApplicable, ...] = ()
    unfinished: tuple[UnfinishedTrial, ...] = ()
    attempts: tuple[EarlierAttempt, ...] = ()
    known_findings: tuple[FindingSeen, ...] = ()
    controls: tuple[ControlRecord, ...] = ()
    replays: tuple[ReplayRecord, ...] = ()
    gates: tuple[GateRecord, ...] = ()
    comparison: Comparison | None = None
