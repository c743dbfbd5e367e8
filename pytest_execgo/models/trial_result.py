"""The result of one trial: ``result.json``, or ``problem.json`` if it has none."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pytest_execgo.models.confirmation import Confirmation
from pytest_execgo.models.document import Document, VersionedDocument
from pytest_execgo.models.finding import AcceptedFinding
from pytest_execgo.models.plan import Mode
from pytest_execgo.models.verdict import Verdict

FaultStatus = Literal["fired", "not_fired", "not_exercised"]


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


class TrialProblem(VersionedDocument):
    """``problem.json``: the trial ended without its verdict. A ``result.json`` in the same folder is
    then ignored. ``not_run``: interrupted. ``reason`` is one line."""

    state: Literal["error", "not_run"]
    reason: str
