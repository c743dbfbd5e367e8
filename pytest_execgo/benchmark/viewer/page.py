"""Writes ``index.html``: the viewer, its data in compressed pieces, and the same facts as plain HTML."""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Iterable, Iterator
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
from pytest_execgo.models.benchmark import BenchmarkResult, TrialResult
from pytest_execgo.models.safe_text import for_html

PAGE = "index.html"
DEFAULT_BUDGET_MIB = 24.0
# Before the viewer starts, the plain page is hidden, so that nothing jumps.
_HIDE_PLAIN = "document.documentElement.className='js'"
_INDEX_SHARE = 0.9
"""Of the budget; the rest is for the index, the viewer and the plain page."""
_MOST_PROBLEMS = 100


@dataclass(frozen=True)
class RunWithRecords:
    """A run with the folder of its records."""

    folder: Path
    result: BenchmarkResult

    def pieces(self, trials: Iterable[TrialResult], room: float) -> Iterator[_PagePiece]:
        """The documents of trials, as long as there is room for them."""
        for trial in trials:
            document = trial_document(self.folder / "trials" / trial.trial_id, trial)
            packed = _packed(compact(document))
            room -= len(packed)
            if room < 0:
                return
            yield _PagePiece(trial.trial_id, packed, document.missing)


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
    base: RunWithRecords | None = None,
) -> str:
    """The page of the run in ``folder``. Trials for whose details there is no room are in the tables.
    ``base``: the run that it is compared with, whose trials are shown beside those of the same id."""
    room = budget_mib * 1024 * 1024 * _INDEX_SHARE
    own = list(RunWithRecords(folder, result).pieces(in_order(result), room))
    room -= sum(len(piece.packed) for piece in own)
    others = list(base.pieces(changed_first(base.result, result), room)) if base else []
    problems = [f"{piece.name}: {line}" for piece in own for line in piece.missing[:3]]
    index = index_of(
        result,
        {piece.name for piece in own},
        budget_mib,
        problems[:_MOST_PROBLEMS],
        [piece.name for piece in others],
    )
    pieces = [("index", _packed(compact(index)))]
    pieces += [(piece.name, piece.packed) for piece in own]
    pieces += [(f"base/{piece.name}", piece.packed) for piece in others]
    return "".join(_html(result, pieces))


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
