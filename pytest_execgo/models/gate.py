"""Gates: conditions that decide whether a run is good enough."""

from __future__ import annotations

from typing import Literal

from pytest_execgo.models.document import Document

GateVerdict = Literal["PASS", "BLOCK", "INCONCLUSIVE"]


class GateComparison(Document):
    """Whether a metric of the new run is not worse than that of the base by more than ``margin``.

    ``difference`` is ``new - base`` for a rate and ``new / base - 1`` for times, with its 95 % interval
    ``low`` to ``high``; null with too little data. ``more_trials``: how many more trials each run needs
    for a decision if the rates stay as they are; null if it is decided, for times, and if no number of
    trials decides it.
    """

    verdict: GateVerdict
    margin: float
    difference: float | None
    low: float | None
    high: float | None
    more_trials: int | None = None


class GateRecord(Document):
    """A condition of ``--execgo-fail-if`` and what it came to. ``BLOCK`` fails the run. ``reason`` is
    one line."""

    expression: str
    verdict: GateVerdict
    reason: str
