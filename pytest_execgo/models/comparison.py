"""How a run differs from an earlier one: ``compare``."""

from __future__ import annotations

from typing import Literal

from pytest_execgo.models.document import Document, VersionedDocument
from pytest_execgo.models.gate import GateComparison, GateRecord

Change = Literal["better", "worse", "no evidence"]


class MetricComparison(Document):
    """One metric over the cells that both runs have.

    ``base`` and ``new`` are means of the cells: a rate from 0 to 1, or milliseconds (geometric means).
    ``difference`` is ``new - base`` for a rate and ``new / base - 1`` for times, with its 95 % interval
    ``low`` to ``high``; null with fewer than two values. ``p_value``: how often a difference as large as
    this one appears if nothing changed, corrected for the number of metrics. ``cells``: how many cells
    have the metric in both runs.
    """

    name: str
    unit: Literal["rate", "ms"]
    cells: int
    base: float
    new: float
    difference: float
    low: float | None
    high: float | None
    p_value: float
    change: Change


class Comparison(VersionedDocument):
    """The document of ``compare --json``. The lists hold ids of cells; ``newly_named`` the causes of
    failures that the base did not have; ``gates``: the further conditions for the new run."""

    base: str
    new: str
    metrics: tuple[MetricComparison, ...]
    gate: GateComparison
    gates: tuple[GateRecord, ...] = ()
    new_cells: tuple[str, ...] = ()
    gone_cells: tuple[str, ...] = ()
    newly_red: tuple[str, ...] = ()
    newly_green: tuple[str, ...] = ()
    newly_named: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
