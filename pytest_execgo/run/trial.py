"""One trial from its context to ``result.json``."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_execgo.benchmark.attempts import RESULT
from pytest_execgo.benchmark.chrome_trace import chrome_trace
from pytest_execgo.benchmark.golden import write_golden
from pytest_execgo.benchmark.metrics import outcome_digest, plan_facts, trial_metrics
from pytest_execgo.benchmark.reports.failure_text import trial_summary
from pytest_execgo.chaos.controller import ChaosController
from pytest_execgo.chaos.model_proxy import ModelProxy
from pytest_execgo.files.reading import FileProblem
from pytest_execgo.files.workspace import remove_tree, sha256_inside
from pytest_execgo.files.writing import write_json, write_model, write_text
from pytest_execgo.harness.fleet import Fleet
from pytest_execgo.harness.processes.service import ProcessService
from pytest_execgo.models.document import shown
from pytest_execgo.models.events import (
    ArtifactSeen,
    CheckEvaluated,
    HarnessProblem,
    ProcessLeft,
    TrialFinished,
)
from pytest_execgo.models.finding import AcceptedFinding
from pytest_execgo.models.plan import StandardPlan
from pytest_execgo.models.shorten import shortened
from pytest_execgo.models.trial_result import TrialResult
from pytest_execgo.observability.access_log import collect_access_log
from pytest_execgo.observability.artifacts import (
    LogSlices,
    copy_workspace,
    keep_workspace,
)
from pytest_execgo.observability.changed_files import note_changed_files
from pytest_execgo.observability.health import HealthProber, ServiceMonitor
from pytest_execgo.observability.link_use import LinkUse
from pytest_execgo.observability.log_errors import note_log_errors
from pytest_execgo.observability.machine import MachineWatch
from pytest_execgo.observability.recorder import TimelineRecorder
from pytest_execgo.observability.second_look import look_again
from pytest_execgo.observability.witnesses import (
    ask_engine_again,
    compare_requests,
    compare_witnesses,
    note_given_up,
)
from pytest_execgo.observability.workspace_watch import WorkspaceWatch
from pytest_execgo.ports import Target
from pytest_execgo.run import own_fixtures
from pytest_execgo.run.baseline import Baseline, baseline_of, differences, digests_of
from pytest_execgo.run.context import TrialContext
from pytest_execgo.run.fleet_view import TrialFleet
from pytest_execgo.run.planning import Planning
from pytest_execgo.runner.client import EngineError, ExecgoClient
from pytest_execgo.runner.trial import TrialIdentity, TrialRunner
from pytest_execgo.scenario.checks import TrialView, evaluate
from pytest_execgo.scenario.golden import new_content
from pytest_execgo.system import tree
from pytest_execgo.verdict.failure_counts import failure_counts
from pytest_execgo.verdict.known import (
    JudgedTrial,
    findings_about,
    known_finding,
    named_findings,
)
from pytest_execgo.verdict.verify import judge

_METRICS_SECONDS = 0.5
_WITNESS_SECONDS = 0.5
# A process of a task may need a moment to end after the task.
_LEFTOVER_SECONDS = 1.0
_MOST_LEFT = 20
_LONGEST_METRICS = 20_000


@dataclass(frozen=True)
class FinishedTrial:
    """The result of a trial. ``clean`` is false if the fleet must be replaced before the next one.
    ``baseline``: the trial, if later ones can be compared with it."""

    result: TrialResult
    clean: bool
    baseline: Baseline | None


def run_trial(context: TrialContext) -> FinishedTrial:
    """Execute and judge. :func:`write_result` completes the record. Raises :class:`HarnessError`."""
    logs = LogSlices(context.fleet.log_paths())
    with _workspace(context) as workspace, _observed(context, workspace) as observed:
        recorder = observed.recorder
        proxy = ModelProxy() if context.profile.targets_model else None
        planning = Planning(context, recorder, proxy)
        if context.baseline is not None:
            recorder.add(context.baseline.known)
        try:
            done = _execute(context, planning, workspace, observed)
        finally:
            logs.save(context.folder / "logs", context.run.hide.record)
        if not _succeeded(recorder):
            note_log_errors(context.folder / "logs", recorder)
        # Without its record, a verdict has no evidence.
        recorder.check()
        result = _judge(context, recorder)
        if result.verdict.status == "passed":
            planning.keep_recording()
        else:
            keep_workspace(workspace, context.folder / "workspace", context.run.hide.is_in)
        trace = chrome_trace(context.trial.trial_id, recorder.events())
        write_json(context.folder / "trace.json", context.run.hide.value(trace))
        baseline = baseline_of(
            result.verdict, result.faults, recorder.events(), done.results, done.files
        )
    return FinishedTrial(result, done.clean, baseline)


def write_result(folder: Path, result: TrialResult) -> None:
    """Write ``summary.md`` and, last, ``result.json``: without it, a trial has no result. Raises
    :class:`HarnessError`."""
    write_text(folder / "summary.md", trial_summary(result, shown(folder)))
    write_model(folder / RESULT, result)


@contextmanager
def _workspace(context: TrialContext) -> Iterator[Path]:
    workspace = context.fleet.work_root / context.trial.trial_id
    copy_workspace(context.scenario.workspace, workspace)
    try:
        yield workspace
    finally:
        remove_tree(workspace)


@dataclass(frozen=True)
class _Executed:
    """``clean``: whether the fleet is as before. ``results``: tasks by plan id, as ExecGo last returned
    them. ``files``: the digests of the workspace's files at the end."""

    clean: bool
    results: Mapping[str, Mapping[str, Any]]
    files: Mapping[str, str]


@dataclass(frozen=True)
class _Observed:
    """What watches a trial until its end."""

    recorder: TimelineRecorder
    links: LinkUse
    machine: MachineWatch

    def ended(self) -> None:
        """Record what is known only now, before the services are asked anything more."""
        self.links.record()
        self.machine.look("end")


@contextmanager
def _observed(context: TrialContext, workspace: Path) -> Iterator[_Observed]:
    recorder = TimelineRecorder(context.folder, context.run.hide.record)
    monitor = ServiceMonitor(recorder)
    context.fleet.watch(monitor)
    services = list(context.fleet.services.values())
    links = {s.name: s.link for s in services if s.link is not None}
    prober = HealthProber(services, links, recorder)
    folders = {
        "workspace": workspace,
        "reports": context.folder,
        "temporary": Path(tempfile.gettempdir()),
    }
    try:
        WorkspaceWatch(workspace, recorder)
        machine = MachineWatch(folders, services, recorder)
        yield _Observed(recorder, LinkUse(links, recorder), machine)
    finally:
        prober.stop()
        context.fleet.unwatch(monitor)
        recorder.close()


def _execute(
    context: TrialContext, planning: Planning, workspace: Path, observed: _Observed
) -> _Executed:
    """Plan, run the stages, check, and ask the services once more."""
    recorder = observed.recorder
    trial = context.trial
    targets: dict[str, Target] = {**context.fleet.services}
    if planning.proxy is not None:
        targets[planning.proxy.name] = planning.proxy
    chaos = ChaosController(
        context.profile.faults,
        targets,
        recorder,
        trial_id=trial.trial_id,
        rng_key=trial.rng_key,
        seed=context.run.chaos_seed(context.profile.profile),
    )
    own_fixtures.serve(context)
    chaos.arm()
    identity = TrialIdentity(
        context.prefix, trial.trial_id, trial.cell.cell_id, context.run.seed, context.addresses()
    )

    def verify(plan: StandardPlan, results: Mapping[str, dict[str, Any]]) -> None:
        _check(context, plan, results, workspace, recorder)

    with ExecgoClient(
        context.fleet.url("execgo"), headers=context.fleet.headers("execgo")
    ) as client:
        before = _engine_metrics(client)
        fleet = TrialFleet(context.fleet, chaos)
        runner = TrialRunner(client, recorder, fleet, chaos)
        try:
            done = runner.execute(
                identity,
                lambda: planning.make(workspace),
                context.placeholders(workspace),
                verify,
            )
        finally:
            # Healing and cleaning up are not part of the trial's time.
            wall_time_ms = recorder.elapsed_ms()
            chaos.heal()
        observed.ended()
        note_changed_files(context.scenario.workspace, workspace, recorder)
        original, files = digests_of(context.scenario.workspace, workspace)
        if context.baseline is not None and not _succeeded(recorder):
            events = recorder.events()
            for one in differences(context.baseline, events, done.results, files, original):
                recorder.add(one)
        if not _succeeded(recorder):
            own = context.fleet.services["runtime"].pid is not None
            compare_witnesses(done.results, fleet.runtime_answers, recorder, own=own)
            compare_requests(done.results, recorder)
            note_given_up(done.results, fleet.runtime_answers, recorder)
            with suppress(EngineError):
                ask_engine_again(lambda name: _status(client, name), recorder)
        clean = runner.clean_up()
        counters = {"before": before, "after": _engine_metrics(client)}
        counters = context.run.hide.value(counters)
        write_json(context.folder / "execgo_metrics.json", counters)
        recorder.add(TrialFinished(wall_time_ms=wall_time_ms))
    clean = clean and not _end_leftovers(context.fleet, recorder)
    fixtures = context.fleet.services["fixtures"].url
    headers = context.fleet.headers("fixtures")
    if not collect_access_log(fixtures, headers, trial.trial_id, recorder):
        message = "the access log of fixtures cannot be read"
        recorder.add(HarnessProblem(message=message, service="fixtures"))
    elif not _succeeded(recorder):
        look_again(context.fleet.url("fixtures"), headers, trial.trial_id, recorder)
    own_fixtures.forget(context)
    return _Executed(clean and not chaos.heal_failed, done.results, files)


def _succeeded(recorder: TimelineRecorder) -> bool:
    """Whether every check holds."""
    checks = [event for event in recorder.events() if isinstance(event, CheckEvaluated)]
    return bool(checks) and all(check.ok for check in checks)


def _end_leftovers(fleet: Fleet, recorder: TimelineRecorder) -> bool:
    """End the processes that tasks left behind, and record each; whether there were any.

    Only called when no task runs any more, so everything below a service is left over.
    """
    services = [s for s in fleet.services.values() if isinstance(s, ProcessService)]
    found = False
    for service in services:
        left = service.leftovers(_LEFTOVER_SECONDS)
        for process in left:
            found = True
            command = tree.command_of(process)
            recorder.add(ProcessLeft(service=service.name, pid=process.pid, command=command))
        tree.kill(left)
    return found


def _status(client: ExecgoClient, engine_task_id: str) -> str | None:
    seen = client.get(engine_task_id, timeout=_WITNESS_SECONDS)
    return seen.task.status if seen else None


def _engine_metrics(client: ExecgoClient) -> Any:
    """The counters of ExecGo; ``None`` if it does not answer at once."""
    try:
        return shortened(client.metrics(_METRICS_SECONDS), _LONGEST_METRICS)
    except EngineError:
        return None


def _check(
    context: TrialContext,
    plan: StandardPlan,
    results: Mapping[str, dict[str, Any]],
    workspace: Path,
    recorder: TimelineRecorder,
) -> None:
    """Record the artifacts that the plan promises, and the checks of the scenario."""
    for stage in plan.stages:
        for artifact in stage.expected_artifacts:
            recorder.add(
                ArtifactSeen(
                    stage_id=stage.stage_id,
                    path=artifact.path,
                    sha256=_digest(workspace, artifact.path),
                    expected_sha256=artifact.sha256,
                )
            )
    view = TrialView(plan, results, workspace, context.scenario.manifest.input)
    for event in evaluate(context.scenario, view):
        recorder.add(event)
    if context.run.update_expected and not context.profile.faults:
        _keep_expected(context, view)


def _keep_expected(context: TrialContext, view: TrialView) -> None:
    """Keep the new content of the expected files, except one that holds the user's key."""
    found = new_content(context.scenario, view)
    folder = context.scenario.folder
    has_key = context.run.hide.is_in
    kept = [
        (folder / one.file, one.content)
        for one in found
        if not has_key(one.content.decode("utf-8", "replace"))
    ]
    write_golden(context.folder, kept)


def _digest(workspace: Path, path: str) -> str | None:
    try:
        return sha256_inside(workspace, path)
    except FileProblem:
        return None


def _judge(context: TrialContext, recorder: TimelineRecorder) -> TrialResult:
    events = recorder.events()
    profile, trial = context.profile.profile, context.trial
    accepted = context.matrix.accepted_findings(context.profile)
    library, services = context.matrix.library, context.fleet.infos()
    defects = findings_about(services, list(library.findings.values()))
    causes = [cause for one in defects for cause in one.causes]
    verdict, faults = judge(profile, events, causes, context.matrix.registry.rules.values())
    met = known_finding(
        JudgedTrial(verdict, profile.causes, faults, events),
        [library.findings[name] for name in accepted],
        services,
    )
    plan = plan_facts(events)
    return TrialResult(
        trial_id=trial.trial_id,
        cell_id=trial.cell.cell_id,
        scenario=trial.cell.scenario,
        framework=trial.cell.framework,
        mode=trial.cell.mode,
        chaos=trial.cell.chaos,
        repetition=trial.repetition,
        seed=context.run.seed,
        rng_key=trial.rng_key,
        started_at=recorder.started_at,
        outcome_digest=outcome_digest(events, verdict),
        plan_shape=plan.plan_shape,
        model=plan.model,
        broken_rules=plan.broken_rules,
        metrics=trial_metrics(events, verdict, failure_counts(events)),
        faults=faults,
        verdict=verdict,
        known_finding=AcceptedFinding(id=met, reason=accepted[met]) if met else None,
        findings=named_findings(verdict, defects),
        attempt=context.attempt,
        left_behind=tuple(event.command for event in events if isinstance(event, ProcessLeft))[
            :_MOST_LEFT
        ],
        rerun=context.rerun_command(),
    )
