"""What two runs of one request have in common, whether one process ran them, several workers, or shards
that were merged, and whether they were killed and resumed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def document(run: Path) -> dict[str, Any]:
    """``benchmark.json`` of a run."""
    found: dict[str, Any] = json.loads((run / "benchmark.json").read_text())
    return found


def comparable(run: Path) -> dict[str, Any]:
    """Everything in ``benchmark.json`` but times, ids of processes and events, what follows from them,
    and the attempts that were killed."""
    found = document(run)
    trials = [
        (
            one["trial_id"], one["verdict"]["status"], one["outcome_digest"], one["rng_key"],
            [(cause["layer"], cause["code"]) for cause in one["verdict"]["attribution"]],
            [(fault["action"], fault["status"]) for fault in one["faults"]],
        )
        for one in found["trials"]
    ]  # fmt: skip
    same = ("coverage", "attribution", "not_applicable", "unfinished", "trustworthy", "gates")
    totals = found["totals"]
    return {
        "cells": [_cell(cell) for cell in found["cells"]],
        "request": {**found["request"], "shard": None},
        "trials": trials,
        "controls": sorted({control["name"] for control in found["controls"]}),
        "totals": {name: value for name, value in totals.items() if name != "recovery_time"},
        "recovered": (totals["recovery_time"]["recovered"], totals["recovery_time"]["trials"]),
        **{name: found[name] for name in same},
    }


def _cell(cell: dict[str, Any]) -> dict[str, Any]:
    kept = {
        name: value for name, value in cell.items() if name not in ("metrics", "failed_attempts")
    }
    return {**kept, "rates": {**cell["rates"], "recovery_median_ms": None}}
