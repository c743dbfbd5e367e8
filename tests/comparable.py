"""What two runs of one request have in common, whether one process ran them, several workers, or shards
that were merged, and whether they were killed and resumed."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

from pytest_execgo.extensions.registry import Registry
from pytest_execgo.scenario import library


def document(run: Path) -> dict[str, Any]:
    """``benchmark.json`` of a run."""
    found: dict[str, Any] = json.loads((run / "benchmark.json").read_text())
    return found


def comparable(run: Path) -> dict[str, Any]:
    """Everything in ``benchmark.json`` but times, ids of processes and events, what follows from them,
    and the attempts that were killed.

    Of the causes, the first one counts, which decided the end of the trial. Whether a fault meets
    further tasks depends on the moment. Of a cause that the profile expects by its layer only, the code
    is left out for the same reason: a restart of the runtime shows as a lost handle or as a refused
    connection, and both are right. Of trials without faults, the digest of the outcome counts as well; a
    fault that ends a stage meets its other tasks sooner or later.
    """
    found = document(run)
    trials = [
        (
            one["trial_id"], one["verdict"]["status"], one["verdict"]["outcome"], one["rng_key"],
            None if one["faults"] else one["outcome_digest"],
            _first_cause(one), one["verdict"]["cause_named"],
            [(fault["action"], fault["status"]) for fault in one["faults"]],
        )
        for one in found["trials"]
    ]  # fmt: skip
    same = ("coverage", "not_applicable", "unfinished", "trustworthy", "gates")
    totals = found["totals"]
    return {
        "cells": [_cell(cell) for cell in found["cells"]],
        "request": {**found["request"], "shard": None},
        "trials": trials,
        "attribution": {**found["attribution"], "confusion": _confusion(found)},
        "controls": sorted({control["name"] for control in found["controls"]}),
        "totals": {name: value for name, value in totals.items() if name != "recovery_time"},
        "recovered": (totals["recovery_time"]["recovered"], totals["recovery_time"]["trials"]),
        **{name: found[name] for name in same},
    }


@cache
def by_layer(chaos: str) -> frozenset[str]:
    """The layers of which a built-in profile expects a cause with any code."""
    path = library.list_profiles(library.builtin_folder()).get(chaos)
    causes = Registry.build().load_profile(path).profile.causes if path else ()
    return frozenset(cause.layer for cause in causes if cause.code is None)


def _first_cause(trial: dict[str, Any]) -> str:
    first = trial["verdict"]["attribution"][0]
    return _cause(f"{first['layer']}/{first['code']}", by_layer(trial["chaos"]))


def _cause(name: str, any_code: frozenset[str]) -> str:
    layer = name.partition("/")[0]
    return layer if layer in any_code else name


def _confusion(found: dict[str, Any]) -> dict[str, dict[str, int]]:
    """The confusion matrix without the codes that were not expected, such as ``runtime`` for a row
    ``fixture/slow + runtime``."""
    matrix = {}
    for injected, row in found["attribution"]["confusion"].items():
        any_code = frozenset(injected.split(" + ")) - {"none"}
        counts: Counter[str] = Counter()
        for named, count in row.items():
            counts[_cause(named, any_code)] += count
        matrix[injected] = dict(counts)
    return matrix


def _cell(cell: dict[str, Any]) -> dict[str, Any]:
    kept = {
        name: value for name, value in cell.items() if name not in ("metrics", "failed_attempts")
    }
    rates = {**cell["rates"], "recovery_median_ms": None}
    if cell["chaos"] != "none":
        rates["determinism_drift"] = None
    return {**kept, "rates": rates}
