"""Estimates over all cells of a run: a part of ``benchmark.json``."""

from __future__ import annotations

from pytest_execgo.models.document import Document


class Estimate(Document):
    """A value with its 95 % interval; null ends if there is too little data for one."""

    value: float
    low: float | None = None
    high: float | None = None


class Bracket(Document):
    """A share of trials: harness errors count as failures in ``errors_fail``, and are left out in
    ``errors_dropped``. Null without trials."""

    errors_fail: float | None
    errors_dropped: float | None


class RecoveryTime(Document):
    """How long recovery takes, over the trials in which a fault was injected that needed recovery.

    ``recovered`` of ``trials`` recovered. The others count with the time for which they were watched.
    ``median_ms`` is the Kaplan-Meier estimate; null if more than half of them never recover. ``curve``
    holds each time in milliseconds at which a trial recovered, and the estimated share that takes
    longer.
    """

    trials: int
    recovered: int
    median_ms: float | None
    curve: tuple[tuple[float, float], ...] = ()


class Totals(Document):
    """Of the whole run.

    ``pass_hat`` maps k to the mean over the cells of the probability that k trials of a cell all pass;
    its interval is that of these cells. ``new_scenarios`` is the mean success of the scenarios; its
    interval holds for other scenarios of the same kind.
    """

    success: Bracket
    recovery: Bracket
    landing: Bracket
    pass_hat: dict[str, Estimate] = {}
    new_scenarios: Estimate | None = None
    recovery_time: RecoveryTime
