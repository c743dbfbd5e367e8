"""The documents inside of ``index.html``: what the viewer shows of a run. Its TypeScript types are
generated from them."""

from __future__ import annotations

from typing import Any

from pytest_execgo.models.benchmark import BenchmarkResult
from pytest_execgo.models.comparison import Comparison
from pytest_execgo.models.document import Document
from pytest_execgo.models.trial_result import TrialResult


class ViewerColumns(Document):
    """One entry per trial in each list; trials of a cell follow each other.

    ``cell``, ``cause`` and ``injected`` are indexes into ``cells``, ``causes`` and ``injected`` of
    :class:`ViewerIndex`. ``verdict`` is the status, or the state of a trial without a result.
    ``has_detail``: the page holds its :class:`ViewerTrial`.
    """

    trial_id: tuple[str, ...]
    cell: tuple[int, ...]
    verdict: tuple[str, ...]
    cause: tuple[int, ...]
    injected: tuple[int, ...]
    recovery: tuple[str, ...]
    wall_ms: tuple[float | None, ...]
    attempt: tuple[int, ...]
    has_detail: tuple[bool, ...]


class ComparedCell(Document):
    """As in :class:`CellResult`: ``trials`` counts those that ended in an error as well."""

    passed: int
    trials: int


class ComparedRun(Document):
    """A run that the run of the page is compared with. ``trials``: those whose documents the page also
    holds. ``comparison``: of the run of the page with this one."""

    run_id: str
    comparison: Comparison | None = None
    cells: dict[str, ComparedCell]
    trials: tuple[str, ...] = ()


class ViewerIndex(Document):
    """The run without its trials, and the facts about each trial that tables and filters need.

    ``causes`` are the causes that were named first, ``injected`` those that were injected, as in the
    confusion matrix. ``left_out`` counts the trials whose details are not in the page; ``budget_mib`` is
    the limit for the size of the page. ``compared`` are other runs, the earliest first. ``problems``:
    files that could not be read, a line each.
    """

    run: BenchmarkResult
    cells: tuple[str, ...]
    causes: tuple[str, ...]
    injected: tuple[str, ...]
    trials: ViewerColumns
    left_out: int
    compared: tuple[ComparedRun, ...] = ()
    budget_mib: float
    problems: tuple[str, ...] = ()


class ViewerSlice(Document):
    """Something that took time, in milliseconds from the start of the trial: a bar of a lane."""

    lane: str
    name: str
    start_ms: float
    end_ms: float
    facts: dict[str, Any] = {}


class ViewerTrial(Document):
    """Everything about one trial. ``events`` are the lines of its timeline, ``plan`` and ``model`` are
    ``plan.json`` and ``adapter_trace.json``, ``logs`` the ends of the logs by service. ``missing`` names
    the files that are absent or cannot be read; long texts inside are shortened. ``attempts`` are the
    results of earlier attempts, as far as they can be read."""

    result: TrialResult
    attempts: tuple[TrialResult, ...] = ()
    events: tuple[dict[str, Any], ...] = ()
    slices: tuple[ViewerSlice, ...] = ()
    plan: Any = None
    model: Any = None
    logs: dict[str, str] = {}
    missing: tuple[str, ...] = ()


class ViewerDocuments(Document):
    """Both kinds of documents, for the schema."""

    index: ViewerIndex
    trial: ViewerTrial
