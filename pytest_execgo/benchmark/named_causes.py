"""Which causes a trial names, compared with the ones that were injected."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_execgo.models.trial_result import TrialResult


def broken_without_faults(trials: Sequence[TrialResult]) -> frozenset[tuple[str, str, str]]:
    """Scenario, framework and mode of plans that failed in a trial without a fault."""
    red = (t for t in trials if t.verdict.status == "failed" and not t.known_finding)
    return frozenset(_plan(trial) for trial in red if trial.chaos == "none")


def _plan(trial: TrialResult) -> tuple[str, str, str]:
    return trial.scenario, trial.framework, trial.mode


def judged(trials: Sequence[TrialResult]) -> list[TrialResult]:
    """The trials whose named cause can be right or wrong: a fault fired, and nothing else is known to
    have gone wrong. With a known finding, or with a plan that fails without a fault, something else
    has."""
    broken = broken_without_faults(trials)
    return [
        trial
        for trial in trials
        if trial.verdict.cause_named is not None
        and not trial.known_finding
        and _plan(trial) not in broken
    ]


def first_named(trial: TrialResult) -> str:
    """The first blamed cause; without one, the first mitigated cause in an injected layer."""
    causes = trial.verdict.attribution
    blamed = [cause for cause in causes if cause.layer != "none" and not cause.mitigated]
    injected = (trial.verdict.expected_cause or "").split(" + ")
    layers = {one.partition("/")[0] for one in injected}
    met = [cause for cause in causes if cause.mitigated and cause.layer in layers]
    no_failure = [cause for cause in causes if cause.layer == "none"]
    first = next(iter([*blamed, *met, *no_failure]), None)
    return f"{first.layer}/{first.code}" if first else "none/no_failure"


def misnamed_lines(trials: Sequence[TrialResult], most: int = 5) -> list[str]:
    """One line for each trial that does not name the injected cause: what is expected, what is named."""
    wrong = [trial for trial in judged(trials) if not trial.verdict.cause_named]
    lines = [
        f"{trial.trial_id} names {first_named(trial)}; expected {trial.verdict.expected_cause}"
        for trial in wrong[:most]
    ]
    left = len(wrong) - most
    return [*lines, f"{left} more trials name another cause than expected"] if left > 0 else lines
