"""What the viewer shows of a run, read from its folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_execgo.benchmark.aggregate import injected_cause
from pytest_execgo.benchmark.attempts import earlier_results
from pytest_execgo.benchmark.reports.ended import EndedTrial, ended_trials
from pytest_execgo.benchmark.run_trace import TRACE
from pytest_execgo.models.benchmark import BenchmarkResult
from pytest_execgo.models.document import LARGEST_JSON
from pytest_execgo.models.json_text import JsonProblem, decode_json
from pytest_execgo.models.shorten import shortened
from pytest_execgo.models.trial_result import TrialResult
from pytest_execgo.models.viewer import (
    ComparedRun,
    ViewerColumns,
    ViewerIndex,
    ViewerSlice,
    ViewerTrial,
)

_LONGEST_EVENT, _LONGEST_PLAN, _LONGEST_MODEL = 20_000, 200_000, 60_000
_MOST_EVENTS = 20_000
_LOG_BYTES = 8000


def index_of(
    result: BenchmarkResult,
    detailed: set[str],
    budget_mib: float,
    problems: Sequence[str],
    compared: Sequence[ComparedRun] = (),
) -> ViewerIndex:
    """The index of a page that holds the details of the trials in ``detailed``."""
    ended = list(ended_trials(result))
    cells = sorted({one.cell.cell_id for one in ended})
    causes = sorted({_cause(one) for one in ended})
    injected = sorted({_injected(one) for one in ended})
    numbers = {name: number for number, name in enumerate(cells)}
    cause_numbers = {name: number for number, name in enumerate(causes)}
    injected_numbers = {name: number for number, name in enumerate(injected)}
    return ViewerIndex(
        run=result.model_copy(update={"trials": ()}),
        cells=tuple(cells),
        causes=tuple(causes),
        injected=tuple(injected),
        trials=ViewerColumns(
            trial_id=tuple(one.trial_id for one in ended),
            cell=tuple(numbers[one.cell.cell_id] for one in ended),
            verdict=tuple(_verdict(one) for one in ended),
            cause=tuple(cause_numbers[_cause(one)] for one in ended),
            injected=tuple(injected_numbers[_injected(one)] for one in ended),
            recovery=tuple(one.result.verdict.recovery if one.result else "" for one in ended),
            wall_ms=tuple(one.result.metrics.wall_time_ms if one.result else None for one in ended),
            attempt=tuple(one.result.attempt if one.result else 1 for one in ended),
            has_detail=tuple(one.trial_id in detailed for one in ended),
        ),
        left_out=len(result.trials) - len(detailed),
        compared=tuple(compared),
        budget_mib=budget_mib,
        problems=tuple(problems),
    )


def _verdict(one: EndedTrial) -> str:
    if one.result is None:
        return "skipped" if one.end == "skipped" else one.end
    return "known" if one.result.known_finding else one.result.verdict.status


def _cause(one: EndedTrial) -> str:
    return one.result.verdict.attribution[0].name if one.result else ""


def _injected(one: EndedTrial) -> str:
    return injected_cause(one.result) or "" if one.result else ""


def in_order(result: BenchmarkResult) -> list[TrialResult]:
    """The trials in the order in which they get room in the page: those that did not pass, one of each
    cell, then the others."""
    red, first, others = [], [], []
    seen: set[str] = set()
    for trial in result.trials:
        if trial.verdict.status != "passed":
            red.append(trial)
        elif trial.cell_id not in seen:
            seen.add(trial.cell_id)
            first.append(trial)
        else:
            others.append(trial)
    return [*red, *first, *others]


def changed_first(base: BenchmarkResult, new: BenchmarkResult) -> list[TrialResult]:
    """The trials of the base that the new run has as well, those with another verdict first."""
    verdicts = {trial.trial_id: trial.verdict.status for trial in new.trials}
    common = [trial for trial in base.trials if trial.trial_id in verdicts]
    return sorted(common, key=lambda one: one.verdict.status == verdicts[one.trial_id])


def trial_document(folder: Path, result: TrialResult) -> ViewerTrial:
    """The document of one trial; ``folder`` has its record, as much of it as there is."""
    missing: list[str] = []
    model = _json(folder / "adapter_trace.json", missing) if result.model else None
    return ViewerTrial(
        result=result,
        attempts=tuple(earlier_results(folder).values()),
        events=tuple(_events(folder / "timeline.jsonl", missing)),
        slices=tuple(_slices(folder / TRACE, missing)),
        plan=shortened(_json(folder / "plan.json", missing), _LONGEST_PLAN),
        model=shortened(model, _LONGEST_MODEL),
        logs=_logs(folder / "logs") if result.verdict.status != "passed" else {},
        missing=tuple(missing),
    )


def _json(path: Path, missing: list[str]) -> Any:
    try:
        if path.stat().st_size > LARGEST_JSON:
            missing.append(f"{path.name}: too large")
            return None
        return decode_json(path.read_bytes())
    except OSError as error:
        missing.append(f"{path.name}: {error.strerror}")
    except JsonProblem as error:
        missing.append(f"{path.name}: {error}")
    return None


def _events(path: Path, missing: list[str]) -> list[dict[str, Any]]:
    """The lines of a timeline that can be read."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        missing.append(f"{path.name}: {error.strerror}")
        return []
    events = []
    for number, line in enumerate(lines[:_MOST_EVENTS], 1):
        try:
            event = decode_json(line)
        except JsonProblem as error:
            missing.append(f"{path.name}, line {number}: {error}")
            continue
        if isinstance(event, dict) and isinstance(event.get("at_ms"), (int, float)):
            # Most lines are short, and a line is longer than what it holds.
            found = event if len(line) <= _LONGEST_EVENT else shortened(event, _LONGEST_EVENT)
            events.append(found if isinstance(found, dict) else {**_head(event), "text": found})
    if len(lines) > _MOST_EVENTS:
        missing.append(f"{path.name}: {len(lines) - _MOST_EVENTS} events left out")
    return events


def _head(event: dict[str, Any]) -> dict[str, Any]:
    return {name: event[name] for name in ("event_id", "event_type", "at_ms") if name in event}


def _slices(path: Path, missing: list[str]) -> list[ViewerSlice]:
    document = _json(path, missing)
    events = document.get("traceEvents", ()) if isinstance(document, dict) else ()
    lanes: dict[Any, str] = {}
    found = []
    for event in events:
        try:
            if event["ph"] == "M" and event["name"] == "thread_name":
                lanes[event["tid"]] = str(event["args"]["name"])
            elif event["ph"] == "X":
                start = event["ts"] / 1000
                found.append(
                    ViewerSlice(
                        lane=lanes[event["tid"]],
                        name=str(event["name"]),
                        start_ms=start,
                        end_ms=start + event["dur"] / 1000,
                        facts=event.get("args", {}),
                    )
                )
        except (KeyError, TypeError, ValueError):
            missing.append(f"{path.name}: an event is not valid")
            break
    return found


def _logs(folder: Path) -> dict[str, str]:
    """The last lines that each service logged."""
    found = {}
    for path in sorted(folder.glob("*.log")):
        try:
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - _LOG_BYTES))
                found[path.stem] = file.read(_LOG_BYTES).decode("utf-8", "replace")
        except OSError:
            continue
    return found


def compact(document: ViewerIndex | ViewerTrial) -> bytes:
    """Its JSON in few bytes."""
    data = document.model_dump(mode="json", exclude_defaults=False)
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )
