"""The results of a whole run: ``benchmark.json``."""

from __future__ import annotations

from typing import Literal

from pytest_execgo.models.comparison import Comparison
from pytest_execgo.models.confirmation import ConfirmationStatus
from pytest_execgo.models.document import Document, VersionedDocument
from pytest_execgo.models.environment import Environment
from pytest_execgo.models.gate import GateRecord
from pytest_execgo.models.plan import Mode
from pytest_execgo.models.request import BenchmarkRunRequest
from pytest_execgo.models.run_record import NotApplicable, ReplayRecord, UnfinishedState
from pytest_execgo.models.totals import Totals
from pytest_execgo.models.trial_result import TrialResult
from pytest_execgo.models.verdict import VerdictStatus


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


class FindingSeen(Document):
    """A finding that the run accepts as known, and the trials that it explains, if any."""

    id: str
    reason: str
    summary: str
    trials: tuple[str, ...]


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
