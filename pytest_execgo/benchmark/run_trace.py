"""``trace.json`` of a run: the timelines of its trials on one time axis, in the Chrome Trace Event
format. Each trial is a process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_execgo.models.benchmark import BenchmarkResult

TRACE = "trace.json"
MOST_TRIALS = 2000
"""A viewer needs about a megabyte of memory for ten trials. Trials that did not pass come first."""


def run_trace(folder: Path, result: BenchmarkResult) -> str:
    """The document, from the ``trace.json`` of each trial in the folder of the run. Trials without one
    that can be read are named in ``otherData``."""
    ordered = sorted(result.trials, key=lambda one: (one.verdict.status == "passed", one.trial_id))
    chosen = sorted(ordered[:MOST_TRIALS], key=lambda one: (one.started_at, one.trial_id))
    begin = chosen[0].started_at if chosen else None
    events: list[dict[str, Any]] = []
    missing: list[str] = []
    for number, trial in enumerate(chosen, 1):
        found = _read(folder / "trials" / trial.trial_id / TRACE)
        if found is None:
            missing.append(trial.trial_id)
            continue
        assert begin is not None
        offset = round((trial.started_at - begin).total_seconds() * 1_000_000)
        events += _moved(found, number, offset)
    events.sort(key=lambda event: event.get("ts", -1))
    other = {"missing": missing, "left_out": len(ordered) - len(chosen)}
    document = {"displayTimeUnit": "ms", "otherData": other, "traceEvents": events}
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False) + "\n"


def _read(path: Path) -> list[dict[str, Any]] | None:
    try:
        events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
        return [event for event in events if _is_placed(event)]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _is_placed(event: Any) -> bool:
    """Whether it is an object, with a whole number of microseconds if it has a time."""
    return isinstance(event, dict) and isinstance(event.get("ts", 0), int)


def _moved(events: list[dict[str, Any]], process: int, offset: int) -> Iterator[dict[str, Any]]:
    for event in events:
        moved = {**event, "pid": process}
        if "ts" in event:
            moved["ts"] = event["ts"] + offset
        yield moved
