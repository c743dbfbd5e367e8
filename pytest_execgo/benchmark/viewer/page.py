"""Writes ``index.html``: the viewer, its data in compressed pieces, and the same facts as plain HTML."""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from pytest_execgo.benchmark.viewer.documents import (
    changed_first,
    compact,
    in_order,
    index_of,
    trial_document,
)
from pytest_execgo.benchmark.viewer.plain import plain_html
from pytest_execgo.models.benchmark import BenchmarkResult
from pytest_execgo.models.comparison import Comparison
from pytest_execgo.models.safe_text import for_html
from pytest_execgo.models.trial_result import TrialResult
from pytest_execgo.models.viewer import ComparedCell, ComparedRun

PAGE = "index.html"
DEFAULT_BUDGET_MIB = 24.0
# Before the viewer starts, the plain page is hidden, so that nothing jumps.
_HIDE_PLAIN = "document.documentElement.className='js'"
_INDEX_SHARE = 0.9
"""Of the budget; the rest is for the index, the viewer and the plain page."""
_MOST_PROBLEMS = 100


@dataclass(frozen=True)
class RunWithRecords:
    """A run with the folder of its records. ``comparison``: of the run of the page with this one."""

    folder: Path
    result: BenchmarkResult
    comparison: Comparison | None = None

    def pieces(self, trials: Iterable[TrialResult], room: float) -> Iterator[_PagePiece]:
        """The documents of trials, as long as there is room for them."""
        for trial in trials:
            document = trial_document(self.folder / "trials" / trial.trial_id, trial)
            packed = _packed(compact(document))
            room -= len(packed)
            if room < 0:
                return
            yield _PagePiece(trial.trial_id, packed, document.missing)

    def compared(self, trials: Iterable[str]) -> ComparedRun:
        """The run in the index of the page, which holds the documents of ``trials``."""
        cells = {
            cell.cell_id: ComparedCell(passed=cell.passed, trials=cell.trials)
            for cell in self.result.cells
        }
        return ComparedRun(
            run_id=self.result.run_id,
            comparison=self.comparison,
            cells=cells,
            trials=tuple(trials),
        )


@dataclass(frozen=True)
class _PagePiece:
    """One document of the page. ``missing``: what its record lacks."""

    name: str
    packed: str
    missing: tuple[str, ...]


def index_html(
    folder: Path,
    result: BenchmarkResult,
    budget_mib: float = DEFAULT_BUDGET_MIB,
    others: Sequence[RunWithRecords] = (),
) -> str:
    """The page of the run in ``folder``. Trials for whose details there is no room are in the tables.
    ``others``: runs that it is compared with, the earliest first; their trials are shown beside those of
    the same id."""
    room = budget_mib * 1024 * 1024 * _INDEX_SHARE
    own = list(RunWithRecords(folder, result).pieces(in_order(result), room))
    room -= sum(len(piece.packed) for piece in own)
    pieces = [(piece.name, piece.packed) for piece in own]
    problems = [f"{piece.name}: {line}" for piece in own for line in piece.missing[:3]]
    compared = []
    for number, other in enumerate(others):
        found = list(
            other.pieces(changed_first(other.result, result), room / (len(others) - number))
        )
        room -= sum(len(piece.packed) for piece in found)
        pieces += [(f"{number}/{piece.name}", piece.packed) for piece in found]
        problems += [
            f"{other.result.run_id}, {piece.name}: {line}"
            for piece in found
            for line in piece.missing
        ]
        compared.append(other.compared(piece.name for piece in found))
    index = index_of(
        result,
        {piece.name for piece in own},
        budget_mib,
        problems[:_MOST_PROBLEMS],
        compared,
    )
    return "".join(_html(result, [("index", _packed(compact(index))), *pieces]))


def _packed(content: bytes) -> str:
    # Without a time, the same run gives the same bytes.
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()


def _html(result: BenchmarkResult, pieces: list[tuple[str, str]]) -> Iterator[str]:
    script, style = _asset("viewer.js"), _asset("viewer.css")
    hashes = " ".join(f"'sha256-{_digest(text)}'" for text in (_HIDE_PLAIN, script))
    policy = (
        f"default-src 'none'; script-src {hashes}; style-src 'sha256-{_digest(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{for_html(result.run_id)} · pytest-execgo</title>\n"
        f"<style>{style}</style>\n<script>{_HIDE_PLAIN}</script>\n</head>\n<body>\n"
        '<div id="viewer"></div>\n<div id="plain">\n'
    )
    yield from plain_html(result)
    yield "</div>\n"
    for name, piece in pieces:
        yield f'<script type="text/plain" data-piece="{for_html(name)}">{piece}</script>\n'
    yield f"<script>{script}</script>\n</body>\n</html>\n"


def _asset(name: str) -> str:
    return files("pytest_execgo.benchmark.reports").joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
