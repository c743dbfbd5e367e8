"""Clean trials, with which later trials of the same scenario and framework are compared."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from pytest_execgo.files.workspace import names_below, open_inside
from pytest_execgo.models.events import (
    BaselineDiffers,
    BaselineKnown,
    ChaosEvent,
    EvidenceEvent,
    LinkUsed,
    StageFinished,
    SubmissionStarted,
    TrialStarted,
)
from pytest_execgo.models.trial_result import FaultRecord
from pytest_execgo.models.verdict import Verdict

TRIALS = 2
"""Clean trials of a plan: what differs between them is volatile."""
_MOST_FIELDS = 40
_MOST_FILES = 200
_MOST_DIFFERENCES = 20
_LONGEST_VALUE = 80
_LONGEST_TEXT = 200_000
_LARGEST_FILE = 10_000_000

Events = Sequence[EvidenceEvent | ChaosEvent]
Results = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Baseline:
    """What clean trials have in common.

    ``outputs``: what each task ended with, by field. ``files``: the sha256 of the files in the workspace
    at the end. ``links``: the number of connections over each link.
    """

    known: BaselineKnown
    outputs: Mapping[str, Mapping[str, str]]
    files: Mapping[str, str]
    links: Mapping[str, int]

    def merged(self, other: Baseline) -> Baseline:
        """With another clean trial: what both have in common, and of durations the longer one."""
        mine, others = self.known, other.known
        known = mine.model_copy(
            update={
                "trials": mine.trials + others.trials,
                "payloads": _same(mine.payloads, others.payloads),
                "stages": {
                    name: max(ms, others.stages[name])
                    for name, ms in mine.stages.items()
                    if name in others.stages
                },
            }
        )
        outputs = {
            name: _same(one, other.outputs[name])
            for name, one in self.outputs.items()
            if name in other.outputs
        }
        files, links = _same(self.files, other.files), _same(self.links, other.links)
        return Baseline(known, outputs, files, links)


def baseline_of(
    verdict: Verdict,
    faults: Sequence[FaultRecord],
    events: Events,
    results: Results,
    files: Mapping[str, str],
) -> Baseline | None:
    """The trial as a baseline; ``None`` unless it passed without a fault and without anything to
    recover from. ``results`` maps plan task ids to tasks as ExecGo returned them, ``files`` the files of
    the workspace to their digests."""
    quiet = verdict.attribution[0].layer == "none" and verdict.recovery == "not_needed"
    started = [event for event in events if isinstance(event, TrialStarted)]
    if faults or verdict.status != "passed" or not quiet or not started:
        return None
    stages = {
        event.stage_id: round(event.duration_ms, 1)
        for event in events
        if isinstance(event, StageFinished)
    }
    return Baseline(
        BaselineKnown(trial_id=started[0].trial_id, payloads=_payloads(events), stages=stages),
        {name: fields(task) for name, task in results.items()},
        files,
        {one.service: one.connections for one in events if isinstance(one, LinkUsed)},
    )


def differences(
    baseline: Baseline,
    events: Events,
    results: Results,
    files: Mapping[str, str],
    original: Mapping[str, str],
) -> list[BaselineDiffers]:
    """What a trial has otherwise than the clean ones, at most 20: the output of tasks with the same
    payload, files of the scenario (``original``) that no clean trial changes, and the number of
    connections over each link. Nothing if only one clean trial is known, because it does not show what
    is volatile."""
    if baseline.known.trials < TRIALS:
        return []
    found = [*_tasks(baseline, events, results), *_files(baseline, files, original)]
    return [*found, *_links(baseline, events)][:_MOST_DIFFERENCES]


def fields(task: Mapping[str, Any]) -> dict[str, str]:
    """What a task ended with, field by field: its status and exit code, and the values in its output if
    that is JSON, or else its lines. Long values are digests; at most 40 fields."""
    runtime = task.get("runtime")
    output = runtime.get("output") if isinstance(runtime, Mapping) else None
    status = {"status": _text(task.get("status"))}
    if not isinstance(output, Mapping):
        return status
    leaves = islice(_leaves(output.get("stdout")), _MOST_FIELDS - 2)
    return {
        **status,
        "exit_code": _text(output.get("exit_code")),
        **{at: _text(value) for at, value in leaves},
    }


def digests_of(original: Path | None, workspace: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The sha256 of the scenario's files, at most 200 of at most 10 MB, and of the same files in the
    workspace. What cannot be read is left out."""
    if original is None:
        return {}, {}
    before = _digests(original, names_below(original, _MOST_FILES))
    return before, _digests(workspace, before)


def _digests(folder: Path, names: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in names:
        with suppress(OSError), open_inside(folder, name) as file:
            if os.fstat(file.fileno()).st_size <= _LARGEST_FILE:
                found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def _leaves(stdout: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(stdout, str) or len(stdout) > _LONGEST_TEXT:
        yield "stdout", stdout
        return
    try:
        yield from _values("stdout", json.loads(stdout))
    except (ValueError, RecursionError):
        for number, line in enumerate(stdout.splitlines(), 1):
            yield f"stdout line {number}", line


def _values(at: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _values(f"{at}.{key}", inner)
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from _values(f"{at}[{index}]", inner)
    else:
        yield at, value


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if len(text) <= _LONGEST_VALUE:
        return text
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _payloads(events: Events) -> dict[str, str]:
    submitted = [event for event in events if isinstance(event, SubmissionStarted)]
    return {name: one.payload for event in submitted for name, one in event.inputs.items()}


def _same(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in first.items() if second.get(key) == value}


def _tasks(baseline: Baseline, events: Events, results: Results) -> Iterator[BaselineDiffers]:
    payloads = _payloads(events)
    for name, expected in baseline.outputs.items():
        same = name in payloads and baseline.known.payloads.get(name) == payloads[name]
        got: Mapping[str, str] = expected
        if same and name in results:
            got = fields(results[name])
        changed = next((key for key, value in expected.items() if got.get(key) != value), None)
        if changed is not None:
            yield BaselineDiffers(
                subject="task",
                name=name,
                field=changed,
                expected=expected[changed],
                got=got.get(changed),
            )


def _files(
    baseline: Baseline, files: Mapping[str, str], original: Mapping[str, str]
) -> Iterator[BaselineDiffers]:
    for name, before in original.items():
        # A file that tasks write may differ because of them.
        if baseline.files.get(name) == before and files.get(name, before) != before:
            yield BaselineDiffers(
                subject="file",
                name=name,
                field="sha256",
                expected=before[:16],
                got=files[name][:16],
            )


def _links(baseline: Baseline, events: Events) -> Iterator[BaselineDiffers]:
    used = {event.service: event.connections for event in events if isinstance(event, LinkUsed)}
    for service, expected in baseline.links.items():
        got = used.get(service, 0)
        if got != expected:
            yield BaselineDiffers(
                subject="link",
                name=service,
                field="connections",
                expected=str(expected),
                got=str(got),
            )
