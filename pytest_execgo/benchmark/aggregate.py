"""Trials into cells, attribution score, coverage: the :class:`BenchmarkResult` of a run."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import floor
from statistics import median

from pytest_execgo.benchmark.intervals import (
    clopper_pearson_lower,
    pass_at_k,
    pass_hat_k,
    wilson,
)
from pytest_execgo.benchmark.named_causes import first_named, judged
from pytest_execgo.benchmark.totals import recovery_time, totals
from pytest_execgo.models.benchmark import (
    AttributionScore,
    BenchmarkResult,
    CellRates,
    CellResult,
    ControlRecord,
    CoverageRow,
    Distribution,
    EarlierAttempt,
    FindingSeen,
    Rate,
    UnfinishedTrial,
)
from pytest_execgo.models.confirmation import ConfirmationStatus
from pytest_execgo.models.environment import Environment
from pytest_execgo.models.request import BenchmarkRunRequest
from pytest_execgo.models.run_record import NotApplicable, ReplayRecord
from pytest_execgo.models.trial import Cell
from pytest_execgo.models.trial_result import TrialMetrics, TrialResult
from pytest_execgo.models.verdict import Attribution

MAX_K = 10


FaultPlace = tuple[str, str]
"""``action target`` and phase: one row of the coverage table."""


@dataclass(frozen=True)
class RunFacts:
    """The request of a run and its record on disk.

    ``findings`` maps the ids of accepted findings to (reason, summary). ``faults`` maps each chaos
    profile to its faults: those of a trial without a result count as not exercised.
    """

    run_id: str
    request: BenchmarkRunRequest
    environment: Environment
    trials: Sequence[TrialResult]
    unfinished: Sequence[UnfinishedTrial] = ()
    not_applicable: Sequence[NotApplicable] = ()
    findings: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    controls: Sequence[ControlRecord] = ()
    replays: Sequence[ReplayRecord] = ()
    faults: Mapping[str, Sequence[FaultPlace]] = field(default_factory=dict)
    attempts: Sequence[EarlierAttempt] = ()

    def trustworthy(self) -> bool:
        """Whether no planned trial is missing or ended in a harness error, every control has its known
        outcome, and at least one control ran if a fault fired."""
        whole = all(u.state in ("skipped", "not_needed") for u in self.unfinished)
        fired = any(f.status == "fired" for trial in self.trials for f in trial.faults)
        return whole and all(c.ok for c in self.controls) and (bool(self.controls) or not fired)


@dataclass(frozen=True)
class LandingRates:
    """How often plans of a model landed; without values for a cell in which no model was asked."""

    landing: Rate | None = None
    landing_at_first: Rate | None = None
    landing_pass_hat: dict[str, float] = field(default_factory=dict)
    plan_shapes: int | None = None


def aggregate(run: RunFacts) -> BenchmarkResult:
    """The result of the whole run; a pure function of ``run``."""
    ordered = sorted(run.trials, key=lambda trial: trial.trial_id)
    cells = tuple(_cells(ordered, run))
    return BenchmarkResult(
        run_id=run.run_id,
        request=run.request,
        environment=run.environment,
        trustworthy=run.trustworthy(),
        trials=tuple(ordered),
        cells=cells,
        totals=totals(cells, ordered),
        attribution=attribution_score(ordered),
        coverage=tuple(_coverage(ordered, run.unfinished, run.faults)),
        confirmations=dict(sorted(Counter(_confirmations(ordered)).items())),
        controls=tuple(run.controls),
        replays=tuple(run.replays),
        # In one order, whether the run was merged or not.
        not_applicable=tuple(sorted(run.not_applicable, key=_place)),
        unfinished=tuple(sorted(run.unfinished, key=lambda u: u.trial_id)),
        attempts=tuple(sorted(run.attempts, key=lambda a: (a.trial_id, a.attempt))),
        known_findings=tuple(
            FindingSeen(
                id=name,
                reason=reason,
                summary=summary,
                trials=tuple(t.trial_id for t in ordered if _met(t) == name),
            )
            for name, (reason, summary) in sorted(run.findings.items())
        ),
    )


def _place(pair: NotApplicable) -> tuple[str, ...]:
    return pair.scenario, pair.chaos, pair.framework or "", pair.mode or "", pair.reason


def _met(trial: TrialResult) -> str | None:
    return trial.known_finding.id if trial.known_finding else None


def _confirmations(trials: Iterable[TrialResult]) -> Iterable[ConfirmationStatus]:
    return (trial.confirmation.status for trial in trials if trial.confirmation)


def _cells(trials: Sequence[TrialResult], run: RunFacts) -> Iterable[CellResult]:
    groups: dict[str, list[TrialResult]] = defaultdict(list)
    for trial in trials:
        groups[trial.cell_id].append(trial)
    # A cell without any result is a row, too: errors must not vanish from the table.
    missing: dict[str, list[UnfinishedTrial]] = defaultdict(list)
    for one in run.unfinished:
        missing[one.cell_id].append(one)
    failed = Counter(attempt.cell_id for attempt in run.attempts if attempt.failed)
    for name in sorted({*groups, *missing}):
        yield _cell(Cell.parse(name), groups[name], missing[name], failed[name])


def _cell(
    cell: Cell, members: list[TrialResult], missing: list[UnfinishedTrial], failed_attempts: int
) -> CellResult:
    count = Counter(trial.verdict.status for trial in members)
    errors = sum(u.state == "error" for u in missing)
    known = sum(trial.known_finding is not None for trial in members)
    return CellResult(
        cell_id=cell.cell_id,
        scenario=cell.scenario,
        framework=cell.framework,
        mode=cell.mode,
        chaos=cell.chaos,
        trials=len(members) + errors,
        passed=count["passed"],
        failed=count["failed"] - known,
        inconclusive=count["inconclusive"],
        errors=errors,
        skipped=sum(u.state == "skipped" for u in missing),
        known_findings=known,
        failed_attempts=failed_attempts,
        rates=_rates(members, count["passed"], errors),
        metrics={
            name: _distribution([getattr(trial.metrics, name) for trial in members])
            for name in TrialMetrics.model_fields
        },
    )


def _rates(members: list[TrialResult], passed: int, errors: int) -> CellRates:
    # A failure that a known finding explains is neither a success nor a failure.
    of = sum(trial.known_finding is None for trial in members)
    # A trial that is expected to fail has nothing to recover from.
    needed = [
        t
        for t in members
        if t.verdict.recovery != "not_needed" and t.verdict.expectation != "expected_failure"
    ]
    classes = Counter(trial.outcome_digest for trial in members)
    landing = _landing(members)
    return CellRates(
        success=rate(passed, of),
        success_errors_as_failures=rate(passed, of + errors),
        pass_at={str(k): round(pass_at_k(passed, of, k), 6) for k in _ks(of)},
        pass_hat=_pass_hat(passed, of),
        recovery=rate(sum(t.verdict.recovery == "recovered" for t in needed), len(needed)),
        recovery_median_ms=recovery_time(members).median_ms,
        determinism_drift=_drift(classes),
        landing=landing.landing,
        landing_at_first=landing.landing_at_first,
        landing_pass_hat=landing.landing_pass_hat,
        plan_shapes=landing.plan_shapes,
    )


def _drift(classes: Counter[str]) -> float | None:
    count = classes.total()
    return None if count < 2 else round(1 - max(classes.values()) / count, 6)


def _landing(members: list[TrialResult]) -> LandingRates:
    asked = [trial for trial in members if trial.metrics.landed is not None]
    if not asked:
        return LandingRates()
    of, landed = len(asked), sum(trial.metrics.landed == 1 for trial in asked)
    return LandingRates(
        landing=rate(landed, of),
        landing_at_first=rate(sum(t.metrics.landed_at_first == 1 for t in asked), of),
        landing_pass_hat=_pass_hat(landed, of),
        plan_shapes=len({trial.plan_shape for trial in asked if trial.plan_shape}),
    )


def _ks(of: int) -> range:
    return range(1, min(of, MAX_K) + 1)


def _pass_hat(passed: int, of: int) -> dict[str, float]:
    return {str(k): round(pass_hat_k(passed, of, k), 6) for k in _ks(of)}


def rate(count: int, of: int) -> Rate:
    """A proportion with its Wilson interval; null values if ``of`` is 0."""
    if not of:
        return Rate(count=0, of=0, value=None, low=None, high=None)
    low, high = wilson(count, of)
    return Rate(count=count, of=of, value=count / of, low=round(low, 6), high=round(high, 6))


def _distribution(values: list[float | None]) -> Distribution:
    known = [float(value) for value in values if value is not None]
    if not known:
        return Distribution(count=0, median=None, min=None, max=None)
    return Distribution(
        count=len(known), median=round(median(known), 3), min=min(known), max=max(known)
    )


def attribution_score(trials: Sequence[TrialResult]) -> AttributionScore:
    """How often attribution named the injected cause, over trials whose fault fired.

    Clean trials count in ``clean``, ``false_causes``, ``mitigated`` and the confusion matrix.
    """
    compared = judged(trials)
    correct = sum(t.verdict.cause_named is True for t in compared)
    fired = {t.trial_id for t in trials if any(fault.status == "fired" for fault in t.faults)}
    passed = [t for t in trials if t.trial_id not in fired and t.verdict.status == "passed"]
    # A cause that is a known defect of a service is there, although no fault caused it.
    clean = [t for t in passed if not t.findings]
    confusion: dict[str, Counter[str]] = defaultdict(Counter)
    for trial in trials:
        injected = injected_cause(trial)
        if injected is not None:
            confusion[injected][first_named(trial)] += 1
    return AttributionScore(
        trials=len(compared),
        correct=correct,
        abstained=sum(first_named(t).startswith(("unknown/", "none/")) for t in compared),
        wrong_and_certain=sum(_wrong_and_certain(t) for t in (*compared, *clean) if not t.findings),
        clean=len(clean),
        false_causes=sum(any(_blames(c) for c in t.verdict.attribution) for t in clean),
        mitigated=sum(any(c.mitigated for c in t.verdict.attribution) for t in clean),
        accuracy=correct / len(compared) if compared else None,
        lower_95=_bound(correct, len(compared)) if compared else None,
        confusion={key: dict(sorted(row.items())) for key, row in sorted(confusion.items())},
    )


def injected_cause(trial: TrialResult) -> str | None:
    """What the profile expects attribution to name, ``none`` if no fault fired, and ``None`` if the
    profile expects nothing: the row of the trial in the confusion matrix."""
    fired = any(fault.status == "fired" for fault in trial.faults)
    return trial.verdict.expected_cause if fired else "none"


def _wrong_and_certain(trial: TrialResult) -> bool:
    """Whether a certain cause is in a layer into which no fault was injected."""
    expected = trial.verdict.expected_cause or "none"
    right = {one.partition("/")[0] for one in expected.split(" + ")}
    blamed = [c for c in trial.verdict.attribution if c.confidence == "certain" and not c.mitigated]
    return any(cause.layer not in right for cause in blamed)


def _blames(cause: Attribution) -> bool:
    return cause.layer not in ("none", "unknown") and not cause.mitigated


def _bound(count: int, of: int) -> float:
    # Rounded down: rounded up, it would no longer be a lower bound.
    return floor(clopper_pearson_lower(count, of) * 1e6) / 1e6


def _coverage(
    trials: Sequence[TrialResult],
    unfinished: Sequence[UnfinishedTrial],
    faults: Mapping[str, Sequence[FaultPlace]],
) -> Iterable[CoverageRow]:
    counts: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    for trial in trials:
        for fault in trial.faults:
            place = trial.framework, f"{fault.action} {fault.target}", fault.phase
            counts[place][fault.status] += 1
    for missing in unfinished:
        cell = Cell.parse(missing.cell_id)
        for action, phase in faults.get(cell.chaos, ()):
            counts[cell.framework, action, phase]["not_exercised"] += 1
    for (framework, action, phase), count in sorted(counts.items()):
        yield CoverageRow(
            framework=framework,
            action=action,
            phase=phase,
            fired=count["fired"],
            armed_not_fired=count["not_fired"],
            not_exercised=count["not_exercised"],
        )
