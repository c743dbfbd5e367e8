"""What ``run.json`` says of a run of pytest."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_execgo.benchmark.gates import not_judged
from pytest_execgo.benchmark.rebuild import read_run_record
from pytest_execgo.benchmark.replay import differences
from pytest_execgo.models.benchmark import UnfinishedTrial
from pytest_execgo.models.run_record import (
    AcceptedFindingText,
    FaultPlace,
    NotApplicable,
    ReplayRecord,
    RunRecord,
    TrialEnd,
)
from pytest_execgo.models.trial import Cell
from pytest_execgo.models.trial_result import TrialResult
from pytest_execgo.plugin.state import PluginState


def run_record(state: PluginState) -> RunRecord:
    """What is known of the run until now; of a resumed run, with what its earlier processes knew. Raises
    :class:`UsageError` for a ``run.json`` that cannot be read."""
    earlier = read_run_record(state.run.folder)
    now = tuple(dict.fromkeys(state.planned.values()))
    # What is planned now has another end than before.
    ends = {name: end for name, end in earlier.ends.items() if name not in now}
    for trial_id, (kind, reason) in state.outcomes.items():
        lines = reason.strip().splitlines()
        ends[trial_id] = TrialEnd(state=kind, reason=lines[-1] if lines else kind)
    shard = state.request.shard
    return RunRecord(
        planned=tuple(dict.fromkeys((*earlier.planned, *now))),
        shards=() if shard is None else (shard,),
        ends=ends,
        not_applicable=_united(earlier.not_applicable, _not_applicable(state)),
        findings=_findings(state),
        faults=_faults(state),
        gates=tuple(map(not_judged, _expressions(state, earlier))),
    )


def _expressions(state: PluginState, earlier: RunRecord) -> list[str]:
    """The gates of this process and of the earlier ones of a resumed run."""
    now = [gate.text for gate in state.gates]
    return list(dict.fromkeys([*(gate.expression for gate in earlier.gates), *now]))


def _united(
    earlier: Sequence[NotApplicable], now: Sequence[NotApplicable]
) -> tuple[NotApplicable, ...]:
    return tuple(dict.fromkeys((*earlier, *now)))


def _not_applicable(state: PluginState) -> list[NotApplicable]:
    """The pairs of scenario and profile that make no trial, for the scenarios that were asked for."""
    chosen = {Cell.of_trial(name).scenario for name in state.planned.values()}
    found = state.matrix.not_applicable()
    option = state.config.option
    if not (option.keyword or option.markexpr):
        # A scenario without any trial is not among the planned ones, although it was asked for.
        paths = state.matrix.library.scenario_paths
        chosen |= {name for name, path in paths.items() if str(path) in state.config.args}
    return [pair for pair in found if not chosen or pair.scenario in chosen]


def _findings(state: PluginState) -> dict[str, AcceptedFindingText]:
    """Each finding that this run accepts as known."""
    matrix = state.matrix
    accepted = matrix.accepted_findings(*matrix.profiles())
    findings = matrix.library.findings
    return {
        name: AcceptedFindingText(reason=reason, summary=findings[name].summary)
        for name, reason in accepted.items()
    }


def replays(
    state: PluginState, results: Sequence[TrialResult], missing: Sequence[UnfinishedTrial]
) -> list[ReplayRecord]:
    """The recorded trials that were repeated, and how they differ."""
    repeated = {result.trial_id: result for result in results}
    reasons = {one.trial_id: one.reason for one in missing}
    impossible = {(p.scenario, p.chaos): p.reason for p in state.matrix.not_applicable()}
    option = state.config.option
    chosen = set(state.planned.values()) if option.keyword or option.markexpr else None
    records = []
    for trial_id, (folder, before) in state.recorded.items():
        if chosen is not None and trial_id not in chosen:
            continue
        before_profile = state.matrix.profile(before.chaos)
        if before_profile.targets_model:
            # A replay asks no model, so this trial was skipped and is listed as skipped.
            continue
        after = repeated.get(trial_id)
        if after is None:
            reason = reasons.get(trial_id) or impossible.get((before.scenario, before.chaos))
            found: tuple[str, ...] = (f"it was not repeated{f': {reason}' if reason else ''}",)
        else:
            found = differences(before, after)
        records.append(ReplayRecord(trial_id=trial_id, of=str(folder), differences=found))
    return records


def _faults(state: PluginState) -> dict[str, tuple[FaultPlace, ...]]:
    """The faults of each profile, for the coverage table."""
    return {
        profile.profile.id: tuple(
            FaultPlace(
                fault=f"{loaded.fault.action} {loaded.fault.target}", phase=loaded.fault.when.phase
            )
            for loaded in profile.faults
        )
        for profile in state.matrix.profiles()
    }
