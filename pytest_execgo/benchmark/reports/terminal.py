"""The table of cells for a terminal of any width: constant columns are left out, and in a long table the
cells in which everything passed are folded into one row per scenario."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from pytest_execgo.benchmark.reports.table import cell_notes, duration
from pytest_execgo.models.benchmark import BenchmarkResult, CellResult
from pytest_execgo.models.safe_text import for_terminal

MOST_ROWS = 8
"""Of a table in which no row is folded."""
_GAP = "  "
_SHORTEST_NAME = 12
_NAMES = ("scenario", "framework", "mode", "chaos")
_OPTIONAL = ("overhead", "engine", "wall p50", "recovered")
"""Columns that a narrow terminal does not show, the first one first."""
_RIGHT = {"passed", *_OPTIONAL}


@dataclass(frozen=True)
class TableRow:
    """One line of the table. ``state``: ``green``, ``red`` or ``yellow``; empty for the head."""

    cells: dict[str, str]
    state: str = ""


@dataclass(frozen=True)
class TerminalTable:
    """The lines above the table, and its rows with the width of each column."""

    caption: str
    rows: list[TableRow] = field(default_factory=list)
    widths: dict[str, int] = field(default_factory=dict)

    def text(self, row: TableRow) -> str:
        """One row, at most as wide as the terminal."""
        parts = []
        for name, width in self.widths.items():
            cell = _shortened(row.cells.get(name, ""), width)
            parts.append(cell.rjust(width) if name in _RIGHT else cell.ljust(width))
        return _GAP.join(parts).rstrip()


def terminal_table(result: BenchmarkResult, width: int, *, all_rows: bool = False) -> TerminalTable:
    """The table for a terminal of ``width`` columns. ``all_rows``: fold none."""
    cells = [cell for cell in result.cells if cell.trials or cell.skipped]
    if not cells:
        return TerminalTable("")
    constant = [n for n in ("framework", "mode") if len({getattr(c, n) for c in cells}) == 1]
    caption = " · ".join(f"{name} {for_terminal(getattr(cells[0], name))}" for name in constant)
    names = [name for name in _NAMES if name not in constant]
    rows = [_row(cell) for cell in cells]
    if len(cells) > MOST_ROWS and not all_rows:
        rows = list(_folded(cells, names))
    columns = [*names, "passed", "recovered", "wall p50", "engine", "overhead", "notes"]
    used = [c for c in columns if any(row.cells.get(c, "–") not in ("", "–") for row in rows)]
    head = TableRow({name: "" if name == "notes" else name for name in used})
    rows = [head, *rows]
    return TerminalTable(caption, rows, _fitted(_widths(used, rows), width))


def _row(cell: CellResult) -> TableRow:
    recovery = cell.rates.recovery
    return TableRow(
        {
            **{name: for_terminal(getattr(cell, name)) for name in _NAMES},
            "passed": f"{cell.passed}/{cell.trials}",
            "recovered": f"{recovery.count}/{recovery.of}" if recovery.of else "–",
            "wall p50": duration(cell.metrics["wall_time_ms"].median),
            "engine": duration(cell.metrics["engine_time_ms"].median),
            "overhead": duration(cell.metrics["overhead_ms"].median),
            "notes": ", ".join(cell_notes(cell)),
        },
        _state(cell),
    )


def _state(cell: CellResult) -> str:
    if cell.passed == cell.trials and not (cell.errors or cell.failed_attempts):
        return "yellow" if cell.skipped else "green"
    known = cell.passed + cell.known_findings == cell.trials and not cell.errors
    return "yellow" if known else "red"


def _folded(cells: Sequence[CellResult], names: Sequence[str]) -> Iterable[TableRow]:
    """The rows that are not green and, for each scenario, one row for the green ones."""
    shared = [name for name in names if name != "chaos"]

    def group(cell: CellResult) -> tuple[str, ...]:
        return tuple(getattr(cell, name) for name in shared)

    for key, found in groupby(sorted(cells, key=group), group):
        members = list(found)
        green = [cell for cell in members if _state(cell) == "green"]
        rows = [cell for cell in members if len(green) < 2 or cell not in green]
        if len(green) > 1:
            recoveries = [cell.rates.recovery for cell in green]
            of = sum(rate.of for rate in recoveries)
            yield TableRow(
                {
                    **dict(zip(shared, map(for_terminal, key), strict=True)),
                    "chaos": f"{len(green)} profiles",
                    "passed": f"{sum(c.passed for c in green)}/{sum(c.trials for c in green)}",
                    "recovered": f"{sum(r.count for r in recoveries)}/{of}" if of else "–",
                },
                "green",
            )
        yield from map(_row, rows)


def _widths(columns: Sequence[str], rows: Sequence[TableRow]) -> dict[str, int]:
    return {name: max(len(row.cells.get(name, "")) for row in rows) for name in columns}


def _fitted(widths: dict[str, int], limit: int) -> dict[str, int]:
    """The widths of the columns that fit: optional columns go first, then the longest names and notes
    get shorter."""
    widths = dict(widths)
    for name in _OPTIONAL:
        if _total(widths) <= limit:
            return widths
        widths.pop(name, None)
    while _total(widths) > limit:
        texts = {n: w for n, w in widths.items() if n not in _RIGHT and w > _SHORTEST_NAME}
        if not texts:
            return widths
        widths[max(texts, key=lambda name: texts[name])] -= 1
    return widths


def _total(widths: dict[str, int]) -> int:
    return sum(widths.values()) + len(_GAP) * (len(widths) - 1)


def _shortened(text: str, width: int) -> str:
    """``text`` with its end replaced by an ellipsis if it is longer than ``width``."""
    return text if len(text) <= width else f"{text[: width - 1]}…"
