"""Trials into cells, attribution score, coverage: the :class:`BenchmarkResult` of a run."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import floor
from typing import Any

from pytest_execgo.benchmark.intervals import (
    clopper_pearson_lower,
    median,
    pass_at_k,
    pass_hat_k,
    wilson,
)
from pytest_execgo.models.benchmark import (
    Attribution,
    AttributionScore,
    BenchmarkResult,
    BenchmarkRunRequest,
    CellRates,
    CellResult,
    ControlRecord,
    CoverageRow,
    Distribution,
    Environment,
    FindingSeen,
    NotApplicable,
    Rate,
    ReplayRecord,
    TrialMetrics,
    TrialResult,
    UnfinishedTrial,
)
from pytest_execgo.models.trial import Cell

MAX_K = 10


FaultPlace = tuple[str, str]
"""Action and target, and phase, as in a row of the coverage table."""


@dataclass(frozen=True)
class RunFacts:
    """What a run left on disk and what it was asked for.

    ``findings`` maps the ids of findings taken as known to (reason, summary); ``faults`` the chaos
    profiles to their faults, which trials without a result did not exercise.
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

    def trustworthy(self) -> bool:
        """No planned trial ended in a harness error or is missing (every figure rests on all the
        trials it claims to rest on); and where faults fired, controls were run and came out as they
        must."""
        whole = all(u.state == "skipped" for u in self.unfinished)
        fired = any(f.status == "fired" for trial in self.trials for f in trial.faults)
        return whole and all(c.ok for c in self.controls) and (bool(self.controls) or not fired)


def aggregate(run: RunFacts) -> BenchmarkResult:
    """The whole run; a pure function of its facts."""
    ordered = sorted(run.trials, key=lambda trial: trial.trial_id)
    return BenchmarkResult(
        run_id=run.run_id,
        request=run.request,
        environment=run.environment,
        trustworthy=run.trustworthy(),
        trials=tuple(ordered),
        cells=tuple(_cells(ordered, run.unfinished)),
        attribution=attribution_score(ordered),
        coverage=tuple(_coverage(ordered, run.unfinished, run.faults)),
        controls=tuple(run.controls),
        replays=tuple(run.replays),
        not_applicable=tuple(run.not_applicable),
        unfinished=tuple(sorted(run.unfinished, key=lambda u: u.trial_id)),
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


def _met(trial: TrialResult) -> str | None:
    return trial.known_finding.id if trial.known_finding else None


def _cells(
    trials: Sequence[TrialResult], unfinished: Sequence[UnfinishedTrial]
) -> Iterable[CellResult]:
    groups: dict[str, list[TrialResult]] = defaultdict(list)
    for trial in trials:
        groups[trial.cell_id].append(trial)
    # A cell of which nothing came back is a row too: errors must not vanish from the table.
    for cell_id in sorted({*groups, *(u.cell_id for u in unfinished)}):
        missing = [u for u in unfinished if u.cell_id == cell_id]
        yield _cell(Cell.parse(cell_id), groups[cell_id], missing)


def _cell(cell: Cell, members: list[TrialResult], missing: list[UnfinishedTrial]) -> CellResult:
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
        rates=_rates(members, count["passed"], errors),
        metrics={
            name: _distribution([getattr(trial.metrics, name) for trial in members])
            for name in TrialMetrics.model_fields
        },
    )


def _rates(members: list[TrialResult], passed: int, errors: int) -> CellRates:
    of = len(members)
    ks = range(1, min(of, MAX_K) + 1)
    # Where failure is what the profile expects, there is nothing to recover.
    needed = [
        t
        for t in members
        if t.verdict.recovery != "not_needed" and t.verdict.expectation != "expected_failure"
    ]
    classes = Counter(trial.outcome_digest for trial in members)
    return CellRates(
        success=rate(passed, of),
        success_errors_as_failures=rate(passed, of + errors),
        pass_at={str(k): round(pass_at_k(passed, of, k), 6) for k in ks},
        pass_hat={str(k): round(pass_hat_k(passed, of, k), 6) for k in ks},
        recovery=rate(sum(t.verdict.recovery == "recovered" for t in needed), len(needed)),
        determinism_drift=None if of < 2 else round(1 - max(classes.values()) / of, 6),
        **_landing(members),
    )


def _landing(members: list[TrialResult]) -> dict[str, Any]:
    """How plans landed; nothing where no model was asked."""
    asked = [trial for trial in members if trial.metrics.landed is not None]
    if not asked:
        return {}
    of, landed = len(asked), sum(trial.metrics.landed == 1 for trial in asked)
    return {
        "landing": rate(landed, of),
        "landing_at_first": rate(sum(t.metrics.landed_at_first == 1 for t in asked), of),
        "landing_pass_hat": {
            str(k): round(pass_hat_k(landed, of, k), 6) for k in range(1, min(of, MAX_K) + 1)
        },
        "plan_shapes": len({trial.plan_shape for trial in asked if trial.plan_shape}),
    }


def rate(count: int, of: int) -> Rate:
    """A proportion with its Wilson interval; nulls for nothing out of nothing."""
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
    """Over trials with a fired fault and an expected cause; clean trials only join the matrix."""
    # Where a known finding struck as well, what was injected is not all that was wrong.
    judged = [t for t in trials if t.verdict.cause_named is not None and not t.known_finding]
    correct = sum(t.verdict.cause_named is True for t in judged)
    fired = {t.trial_id for t in trials if any(fault.status == "fired" for fault in t.faults)}
    clean = [t for t in trials if t.trial_id not in fired and t.verdict.status == "passed"]
    confusion: dict[str, Counter[str]] = defaultdict(Counter)
    for trial in trials:
        injected = "none" if trial.trial_id not in fired else trial.verdict.expected_cause
        if injected is not None:
            confusion[injected][_first_named(trial)] += 1
    return AttributionScore(
        trials=len(judged),
        correct=correct,
        abstained=sum(_first_named(t).startswith(("unknown/", "none/")) for t in judged),
        clean=len(clean),
        false_causes=sum(any(_blames(c) for c in t.verdict.attribution) for t in clean),
        mitigated=sum(any(c.mitigated for c in t.verdict.attribution) for t in clean),
        accuracy=correct / len(judged) if judged else None,
        lower_95=_bound(correct, len(judged)) if judged else None,
        confusion={key: dict(sorted(row.items())) for key, row in sorted(confusion.items())},
    )


def _first_named(trial: TrialResult) -> str:
    """The first cause that is to blame; where there is none, what was overcome, if it was injected."""
    causes = trial.verdict.attribution
    blamed = [cause for cause in causes if _blames(cause)]
    injected = (trial.verdict.expected_cause or "").split(" + ")
    layers = {one.partition("/")[0] for one in injected}
    met = [cause for cause in causes if cause.mitigated and cause.layer in layers]
    calm = [cause for cause in causes if cause.layer == "none"]
    first = next(iter([*blamed, *met, *calm]), None)
    return f"{first.layer}/{first.code}" if first else "none/no_failure"


def _blames(cause: Attribution) -> bool:
    return cause.layer != "none" and not cause.mitigated


def _bound(count: int, of: int) -> float:
    """A lower bound is rounded down, or it is none."""
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
