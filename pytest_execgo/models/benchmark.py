"""Requests and results of runs: ``request.json``, ``result.json`` and ``benchmark.json``."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from pytest_execgo.models.cause import Layer
from pytest_execgo.models.chaos import Expectation
from pytest_execgo.models.context import DEFAULT_MAX_REPAIRS, ModelProfile, PlanBudget
from pytest_execgo.models.document import Document, VersionedDocument
from pytest_execgo.models.finding import AcceptedFinding
from pytest_execgo.models.plan import Mode

VerdictStatus = Literal["passed", "failed", "inconclusive"]
Confidence = Literal["certain", "likely", "possible"]
FaultStatus = Literal["fired", "not_fired", "not_exercised"]
RecoveryOutcome = Literal["not_needed", "recovered", "degraded", "stuck", "lost"]
UnfinishedState = Literal["error", "skipped", "not_run"]


class BenchmarkRunRequest(VersionedDocument):
    """What a run was asked for. Empty lists mean: all scenarios, all installed frameworks.

    ``harness`` and ``services`` are launchers, ``KIND`` or ``KIND:TARGET``; ``python_image`` is what
    images of our own services are built from (null: the default). ``model`` is what live trials
    ask, ``budget`` what each of their plans may cost.
    """

    scenarios: tuple[str, ...] = ()
    frameworks: tuple[str, ...] = ()
    modes: tuple[Mode, ...] = Field(default=("replay",), min_length=1)
    chaos: tuple[str, ...] = Field(default=("none",), min_length=1)
    repetitions: int = Field(default=1, ge=1, strict=True)
    seed: int | None = Field(default=None, ge=0, strict=True)
    harness: str = "embedded"
    services: dict[str, str] = {}
    python_image: str | None = None
    model: ModelProfile | None = None
    max_repairs: int = Field(default=DEFAULT_MAX_REPAIRS, ge=0, le=20, strict=True)
    budget: PlanBudget = PlanBudget()
    known_findings: tuple[AcceptedFinding, ...] = ()


class TrialMetrics(Document):
    """Measured on one trial. Times in milliseconds; rates from 0 to 1; null where the trial gives
    no value (nothing had to recover, nothing was submitted).

    ``engine_time_ms`` runs from the first ``created_at`` to the last ``updated_at`` that ExecGo
    itself reports, summed over the stages; ``overhead_ms`` is the wall time beyond it.
    ``detection_ms`` runs from the first fault that fired to the first evidence of it (an answer of
    ExecGo, the end of a process, a health check), ``recovery_ms`` to the success of the stage in
    which that was seen (to the plan, where it was seen before there was one), for trials that had to
    recover. ``repair_count`` is
    how often the model had to answer again (null where none is asked), ``landed`` whether a legal plan
    came of its answers in the end, ``landed_at_first`` whether the first one was legal (both null where
    the endpoint was to blame). ``model_requests`` counts what the framework asked, ``model_retries``
    how often that was asked again because the endpoint gave no answer. Tokens as the endpoint counts
    them (null where it does not).
    """

    plan_validity: float | None
    submit_accept_rate: float | None
    scenario_success: float
    recovery_success: float | None
    wall_time_ms: float
    engine_time_ms: float
    overhead_ms: float
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

    ``strikes`` counts how often it struck; ``at_ms`` is the first time, ``healed_at_ms`` the last
    healing. ``stage_id`` and ``task_id`` are where its condition came true, ``detail`` what it did;
    ``tasks_inside`` ran, as ExecGo said, in between. ``reason``: why it did not strike (again).
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
    kind: str
    ok: bool
    message: str
    expected: Any = None
    got: Any = None


class Attribution(Document):
    """One named cause: layer, stable code, and the events that show it. ``overcome``: it was there, and
    the trial got over it (the model was asked again) before anything came of it."""

    layer: Layer
    code: str
    confidence: Confidence
    evidence: tuple[str, ...]
    message: str
    mitigated: bool = False

    @property
    def name(self) -> str:
        """``layer/code``, and whether it was overcome."""
        return f"{self.layer}/{self.code}{' (mitigated)' if self.mitigated else ''}"


class ExplanationStep(Document):
    at_ms: float
    text: str
    events: tuple[str, ...]


class Verdict(Document):
    """``outcome`` is one line: what happened, next to what was expected."""

    status: VerdictStatus
    expectation: Expectation
    outcome: str
    recovery: RecoveryOutcome
    checks: tuple[CheckRecord, ...]
    attribution: tuple[Attribution, ...]
    expected_cause: str | None = None
    cause_named: bool | None = None
    explanation: tuple[ExplanationStep, ...]


class TrialResult(VersionedDocument):
    """One trial: an element of ``benchmark.json`` and the whole of ``result.json``.

    ``plan_shape``: the digest of the plan without its names. ``model``: the provider and model that made
    it, in replay that of the recording; null where none did. ``broken_rules``: what answers of the model
    broke before one was legal.
    ``dice_id`` is what its dice were thrown from, with the seed: by default its own id.
    ``known_finding``: the trial failed, and an accepted finding about an engine explains it.
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
    rerun: str


class Rate(Document):
    """A proportion with its Wilson 95 % interval; ``value`` is null where ``of`` is 0."""

    count: int
    of: int
    value: float | None
    low: float | None
    high: float | None


class Distribution(Document):
    """Order statistics over the trials of a cell that gave a value."""

    count: int
    median: float | None
    min: float | None
    max: float | None


class CellRates(Document):
    """``success`` leaves trials with harness errors out, ``success_errors_as_failures`` counts them.

    ``pass_at`` and ``pass_hat`` map k to the unbiased estimates that at least one of k, or all of
    k trials pass. ``landing`` (null where no model is asked): how many trials came to a legal plan, and
    how many at the first answer; ``landing_pass_hat``: that all of k do; ``plan_shapes``: how many
    different plans these were, names aside. ``determinism_drift`` is 1 - the share of the largest class
    of equal outcomes.
    """

    success: Rate
    success_errors_as_failures: Rate
    pass_at: dict[str, float]
    pass_hat: dict[str, float]
    recovery: Rate
    determinism_drift: float | None
    landing: Rate | None = None
    landing_at_first: Rate | None = None
    landing_pass_hat: dict[str, float] = {}
    plan_shapes: int | None = None


class CellResult(Document):
    """Counts of one cell. ``failed`` leaves out what a known finding explains, which is counted in
    ``known_findings``; it is no success all the same."""

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
    rates: CellRates
    metrics: dict[str, Distribution]


class AttributionScore(Document):
    """How often attribution named the layer that was hit, over the trials whose fault fired.

    ``lower_95`` is the one-sided Clopper-Pearson bound. ``abstained`` counts those of which it said
    ``unknown``. ``clean`` trials had no fault and passed; a cause named in one is a false one, but for
    trouble with a model that was overcome: those are counted in ``overcome``.
    ``confusion`` maps the injected cause to what was attributed; clean trials stand under ``none``.
    """

    trials: int
    correct: int
    abstained: int = 0
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
    """A scenario and chaos profile that make no trial, and why; with one framework in one mode, where
    the others do (else null)."""

    scenario: str
    chaos: str
    reason: str
    framework: str | None = None
    mode: Mode | None = None


class UnfinishedTrial(Document):
    """A planned trial without a result: a harness error, a skip, or the run ended before it."""

    trial_id: str
    cell_id: str
    state: UnfinishedState
    reason: str


class ControlRecord(Document):
    """A trial whose outcome was known beforehand; ``ok`` is false where it came out otherwise, ``ran``
    where a harness error kept it from being made at all."""

    name: str
    expected: str
    got: str
    ok: bool
    ran: bool = True


class ReplayRecord(Document):
    """A trial that was repeated, and how it differs from the recorded one (empty: not at all)."""

    trial_id: str
    of: str
    differences: tuple[str, ...]


class FindingSeen(Document):
    """A finding that the run takes as known, and the trials that met it (perhaps none)."""

    id: str
    reason: str
    summary: str
    trials: tuple[str, ...]


class ServiceInfo(Document):
    """One service of the fleet; ``digest`` is the sha256 of the binary or of the program's files.
    ``proxied``: its clients reach it through a fault proxy, which costs each request a little."""

    launcher: str
    version: str
    path: str | None = None
    image: str | None = None
    url: str | None = None
    digest: str | None = None
    proxied: bool = False


class Environment(VersionedDocument):
    """Where a run took place (``environment.json``)."""

    pytest_execgo: str
    python: str
    platform: str
    cpu_count: int
    git_commit: str | None
    seed: int
    workers: int
    services: dict[str, ServiceInfo]
    packages: dict[str, str]


class BenchmarkResult(VersionedDocument):
    """The whole run."""

    run_id: str
    request: BenchmarkRunRequest
    environment: Environment
    trustworthy: bool
    trials: tuple[TrialResult, ...]
    cells: tuple[CellResult, ...]
    attribution: AttributionScore
    coverage: tuple[CoverageRow, ...]
    not_applicable: tuple[NotApplicable, ...] = ()
    unfinished: tuple[UnfinishedTrial, ...] = ()
    known_findings: tuple[FindingSeen, ...] = ()
    controls: tuple[ControlRecord, ...] = ()
    replays: tuple[ReplayRecord, ...] = ()
