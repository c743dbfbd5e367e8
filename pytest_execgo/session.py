"""Wiring: one run, its fleet, and the way of a trial from cell to result. Knows nothing of pytest."""

from __future__ import annotations

import hashlib
import os
import secrets
import shlex
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pytest_execgo.adapter.base import PlanTrace
from pytest_execgo.benchmark.matrix import Cell, Trial
from pytest_execgo.benchmark.metrics import outcome_digest, trial_metrics
from pytest_execgo.catalogue import Catalogue
from pytest_execgo.chaos.controller import ChaosController, all_left_out
from pytest_execgo.controls import CONTROLS
from pytest_execgo.errors import ExecgoError, HarnessError
from pytest_execgo.harness.fleet import Fleet, FleetSpec, remove_tree
from pytest_execgo.models.benchmark import Environment, ServiceInfo, TrialResult
from pytest_execgo.models.context import PlanContext
from pytest_execgo.models.document import SCHEMA_VERSION, load
from pytest_execgo.models.finding import AcceptedFinding
from pytest_execgo.models.plan import StandardPlan
from pytest_execgo.models.timeline import ArtifactSeen, HarnessTrouble
from pytest_execgo.observability.access_log import collect_access_log
from pytest_execgo.observability.artifacts import (
    LogSlices,
    copy_workspace,
    keep_workspace,
    point_latest,
    write_json,
    write_model,
)
from pytest_execgo.observability.environment import describe_environment
from pytest_execgo.observability.health import HealthProber, ServiceMonitor
from pytest_execgo.observability.recorder import Recorder
from pytest_execgo.registry import LoadedProfile
from pytest_execgo.runner.client import ExecgoClient
from pytest_execgo.runner.trial import TrialIdentity, TrialRunner
from pytest_execgo.scenario.checks import TrialView, evaluate
from pytest_execgo.scenario.manifest import Scenario
from pytest_execgo.verdict.known import known_finding
from pytest_execgo.verdict.verify import judge

DEFAULT_SEED = 7


class TrialSkipped(ExecgoError):
    """The trial cannot be made here; the text says why and what would help."""


@dataclass(frozen=True)
class RunSettings:
    """Where and how one run takes place. ``options`` is what a rerun must repeat."""

    root: Path
    reports: Path
    run_id: str
    seed: int = DEFAULT_SEED
    fleet: FleetSpec = field(default_factory=FleetSpec)
    workers: int = 1
    options: tuple[str, ...] = ()
    plans: Mapping[str, Path] = field(default_factory=dict)
    """Recorded plans by trial id: what a replay submits instead of asking an adapter."""

    def environment(self, services: dict[str, ServiceInfo]) -> Environment:
        """Where this run takes place."""
        return describe_environment(self.root, self.seed, self.workers, services)

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.reports / self.run_id

    def trial_folder(self, trial_id: str) -> Path:
        """The folder of one trial."""
        return self.folder / "trials" / trial_id


class RunSession:
    """Runs trials one after another on a fleet that it brings up when it is first needed."""

    def __init__(self, settings: RunSettings, catalogue: Catalogue) -> None:
        self.settings, self.catalogue = settings, catalogue
        self._fleet: Fleet | None = None
        self._spoilt = False
        self._controlled = False

    @property
    def fleet(self) -> Fleet:
        """The running fleet, brought up now if need be; raises :class:`HarnessError`."""
        return self._fleet or self.ensure_fleet()

    def ensure_fleet(self, links: frozenset[str] = frozenset()) -> Fleet:
        """A fleet in which every service answers and nothing is wrong: the one there is, or a new one
        in its place. ``links`` names the services that must be reached through a fault proxy."""
        fleet = self._fleet
        if fleet is not None and (
            self._spoilt or not links <= fleet.links or fleet.abnormal() or fleet.unready()
        ):
            self.close()
        if self._fleet is None:
            # All that the run may need, so that its trials share one kind of fleet.
            links = links | self.catalogue.links()
            spec = replace(self.settings.fleet, links=links)
            fleet = Fleet(spec, self.catalogue.registry.launchers)
            fleet.start()
            self._fleet, self._spoilt = fleet, False
            self._write_environment(fleet)
            return fleet
        return self._fleet

    def close(self) -> None:
        """Take the fleet down. A later trial would bring up a new one."""
        fleet, self._fleet = self._fleet, None
        if fleet is not None:
            fleet.stop()

    def run_cell(self, scenario: str, *, framework: str, chaos: str) -> TrialResult:
        """One more repetition of a cell; for tests that call the runner themselves."""
        found = self.catalogue.named(scenario)
        self.catalogue.registry.adapter(framework)
        reason = self.catalogue.why_not(found, self.catalogue.profile(chaos))
        if reason:
            raise TrialSkipped(f"{found.id} × {chaos} is not applicable: {reason}")
        cell = Cell(found.id, framework, "replay", chaos)
        trial = Trial(cell, 0)
        while True:
            try:
                self.settings.trial_folder(trial.trial_id).mkdir(parents=True)
                break
            except FileExistsError:
                trial = Trial(cell, trial.repetition + 1)
        return self.run_trial(trial, found)

    def run_trial(
        self, trial: Trial, scenario: Scenario, node_id: str | None = None
    ) -> TrialResult:
        """Run one trial and write its folder; raises :class:`TrialSkipped`, :class:`HarnessError`."""
        profile = self.catalogue.profile(trial.cell.chaos)
        self._check_possible(trial, scenario)
        self._check_dice(trial, profile)
        if profile.faults and not self._controlled:
            self._run_controls(profile.links)
        fleet = self.ensure_fleet(profile.links)
        self._check_capabilities(profile, fleet)
        return self._execute(trial, scenario, profile, fleet, node_id)

    def _run_controls(self, links: frozenset[str]) -> None:
        """Once per process, on the fleet of its own, before the first fault."""
        self._controlled = True
        for control in CONTROLS:
            scenario, profile = control.load(self.catalogue.registry)
            fleet = self.ensure_fleet(links)
            folder = self.settings.folder / "controls" / f"{control.name}-{os.getpid()}"
            result = self._execute(control.trial, scenario, profile, fleet, None, folder)
            write_model(folder / "control.json", control.record(result))

    def _execute(
        self,
        trial: Trial,
        scenario: Scenario,
        profile: LoadedProfile,
        fleet: Fleet,
        node_id: str | None,
        folder: Path | None = None,
    ) -> TrialResult:
        prefix = f"{self.settings.run_id}.{trial.trial_id}"
        if folder is not None:
            # Every process runs the controls, perhaps all on one engine that somebody else runs.
            prefix += f".{os.getpid()}"
        folder = folder or self.settings.trial_folder(trial.trial_id)
        again = (folder / "timeline.jsonl").exists()
        if again:
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        if again:
            # A runtime refuses ids it has had: a second attempt needs other ones.
            prefix += f".{secrets.token_hex(2)}"
        execution = _Execution(self, trial, scenario, profile, fleet, folder, prefix)
        try:
            return execution.run(node_id)
        except HarnessError:
            self._spoilt = True
            raise
        finally:
            self._spoilt = self._spoilt or not execution.clean

    def _check_possible(self, trial: Trial, scenario: Scenario) -> None:
        adapter = self.catalogue.registry.adapter(trial.cell.framework)
        install = adapter.missing()
        if install:
            raise TrialSkipped(f"{adapter.name} is not installed; install it with: {install}")
        if adapter.name == "reference" and scenario.reference_plan is None:
            raise TrialSkipped(f"scenario {scenario.id} has no reference_plan to replay")

    def chaos_seed(self, profile: LoadedProfile) -> str:
        """What the dice of a profile are thrown from in this run."""
        return f"{self.settings.seed}:{profile.profile.seed}"

    def _check_dice(self, trial: Trial, profile: LoadedProfile) -> None:
        """A trial without any of its faults would be a vacuous pass (`measure` has none)."""
        if profile.profile.expectation == "measure":
            return
        if all_left_out(profile.faults, self.chaos_seed(profile), trial.trial_id):
            odds = ", ".join(f"{loaded.fault.probability}" for loaded in profile.faults)
            raise TrialSkipped(
                f"{profile.profile.id}: the dice left its faults out (probability {odds}, "
                f"seed {self.settings.seed})"
            )

    @staticmethod
    def _check_capabilities(profile: LoadedProfile, fleet: Fleet) -> None:
        for loaded in profile.faults:
            service = fleet.services.get(loaded.fault.target)
            reason = loaded.action.unsupported(service, loaded.params) if service else None
            if reason:
                raise TrialSkipped(f"{profile.profile.id}: {reason}")

    def _write_environment(self, fleet: Fleet) -> None:
        path = self.settings.folder / "environment.json"
        open_run(self.settings)
        if not path.exists():
            write_model(path, self.settings.environment(fleet.infos()))


@dataclass
class _Surroundings:
    """What the runner may ask about the fleet."""

    fleet: Fleet
    chaos: ChaosController

    def will_return(self, service: str) -> bool:
        return self.fleet.services[service].running() or self.chaos.returning(service)

    def unready(self) -> list[str]:
        return self.fleet.unready()

    def identity(self, service: str) -> int | None:
        return self.fleet.services[service].pid


@dataclass
class _Execution:
    """One trial on its way from cell to result."""

    session: RunSession
    trial: Trial
    scenario: Scenario
    profile: LoadedProfile
    fleet: Fleet
    folder: Path
    prefix: str
    clean: bool = field(default=True, init=False)

    def run(self, node_id: str | None) -> TrialResult:
        """Execute, judge, write ``result.json``."""
        logs = LogSlices(self.fleet.log_paths())
        with self._workspace() as workspace, self._recorder() as recorder:
            try:
                self._execute(workspace, recorder)
            finally:
                logs.save(self.folder / "logs")
            result = self._judge(recorder, node_id)
            write_model(self.folder / "result.json", result)
            if result.verdict.status != "passed":
                keep_workspace(workspace, self.folder / "workspace")
        return result

    @contextmanager
    def _workspace(self) -> Iterator[Path]:
        workspace = self.fleet.work_root / self.trial.trial_id
        copy_workspace(self.scenario.workspace, workspace)
        try:
            yield workspace
        finally:
            remove_tree(workspace)

    @contextmanager
    def _recorder(self) -> Iterator[Recorder]:
        recorder = Recorder(self.folder)
        monitor = ServiceMonitor(recorder)
        self.fleet.watch(monitor)
        services = list(self.fleet.services.values())
        links = {s.name: s.link.url for s in services if s.link is not None}
        prober = HealthProber(services, links, recorder)
        try:
            yield recorder
        finally:
            prober.stop()
            self.fleet.unwatch(monitor)
            recorder.close()

    def _execute(self, workspace: Path, recorder: Recorder) -> None:
        seed = self.session.settings.seed
        chaos = ChaosController(
            list(self.profile.faults),
            self.fleet.services,
            recorder,
            trial_id=self.trial.trial_id,
            seed=self.session.chaos_seed(self.profile),
        )
        chaos.arm()
        identity = TrialIdentity(self.prefix, self.trial.trial_id, self.trial.cell.cell_id, seed)

        def verify(plan: StandardPlan, results: Mapping[str, dict[str, Any]]) -> None:
            self._verify(plan, results, workspace, recorder)

        with ExecgoClient(self.fleet.url("execgo")) as client:
            runner = TrialRunner(client, recorder, _Surroundings(self.fleet, chaos), chaos)
            try:
                outcome = runner.run(
                    identity,
                    lambda: self._plan(workspace),
                    self._placeholders(workspace),
                    verify,
                )
                self.clean = outcome.clean and not chaos.heal_failed
            except BaseException:
                self.clean = False
                raise
        fixtures = self.fleet.services["fixtures"].url
        if not collect_access_log(fixtures, self.trial.trial_id, recorder):
            recorder.add(HarnessTrouble(message="the access log of fixtures cannot be read"))

    def _plan(self, workspace: Path) -> StandardPlan:
        cell = self.trial.cell
        adapter = self.session.catalogue.registry.adapter(cell.framework)
        context = PlanContext(
            scenario_id=cell.scenario,
            framework=cell.framework,
            mode=cell.mode,
            prompt_pack=self.scenario.prompts,
            seed=self.session.settings.seed + self.scenario.manifest.seed,
            chaos_profile=cell.chaos,
            scenario_input=self.scenario.manifest.input,
            workspace_dir=str(workspace),
        )
        trace = PlanTrace()
        recorded = self.session.settings.plans.get(self.trial.trial_id)
        try:
            plan = (
                load(StandardPlan, recorded)
                if recorded
                else adapter.plan(context, trace, self.scenario.reference_plan)
            )
            write_model(self.folder / "plan.json", plan)
            return plan
        finally:
            document = {
                "schema_version": SCHEMA_VERSION,
                "scenario_id": cell.scenario,
                "framework": cell.framework,
                "mode": cell.mode,
                "steps": trace.steps,
            }
            write_json(self.folder / "adapter_trace.json", document)

    def _placeholders(self, workspace: Path) -> dict[str, str]:
        return {
            "workspace": str(workspace),
            "fixtures_url": f"{self.fleet.url('fixtures')}/t/{self.trial.trial_id}",
            "run_id": self.session.settings.run_id,
            "trial_id": self.trial.trial_id,
            "python": self.fleet.python,
        }

    def _verify(
        self,
        plan: StandardPlan,
        results: Mapping[str, dict[str, Any]],
        workspace: Path,
        recorder: Recorder,
    ) -> None:
        for stage in plan.stages:
            for artifact in stage.expected_artifacts:
                recorder.add(
                    ArtifactSeen(
                        stage_id=stage.stage_id,
                        path=artifact.path,
                        sha256=_sha256(workspace / artifact.path),
                        expected_sha256=artifact.sha256,
                    )
                )
        view = TrialView(plan, results, workspace, self.scenario.manifest.input)
        for event in evaluate(self.scenario, view):
            recorder.add(event)

    def _judge(self, recorder: Recorder, node_id: str | None) -> TrialResult:
        events = recorder.events()
        verdict, faults = judge(self.profile.profile, events)
        cell = self.trial.cell
        catalogue = self.session.catalogue
        accepted = catalogue.accepted(self.profile)
        met = known_finding(
            verdict,
            self.profile.profile.causes,
            [catalogue.findings[name] for name in accepted],
            self.fleet.infos(),
        )
        return TrialResult(
            trial_id=self.trial.trial_id,
            cell_id=cell.cell_id,
            scenario=cell.scenario,
            framework=cell.framework,
            mode=cell.mode,
            chaos=cell.chaos,
            repetition=self.trial.repetition,
            seed=self.session.settings.seed,
            started_at=recorder.started_at,
            outcome_digest=outcome_digest(events, verdict),
            metrics=trial_metrics(events, verdict),
            faults=faults,
            verdict=verdict,
            known_finding=AcceptedFinding(id=met, reason=accepted[met]) if met else None,
            rerun=self._rerun(node_id),
        )

    def _rerun(self, node_id: str | None) -> str:
        """The command that repeats just this trial."""
        settings, cell = self.session.settings, self.trial.cell
        if node_id is None:
            manifest = os.path.relpath(self.scenario.path, settings.root)
            node_id = f"{Path(manifest).as_posix()}::{self.trial.item_name}"
        words = ["pytest", node_id]
        if cell.mode != "replay":
            words += ["--execgo-mode", cell.mode]
        if cell.chaos != "none":
            words += ["--execgo-chaos", cell.chaos]
        if self.trial.repetition:
            words += ["--execgo-repetitions", str(self.trial.repetition + 1)]
        return shlex.join([*words, "--execgo-seed", str(settings.seed), *settings.options])


def open_run(settings: RunSettings) -> None:
    """Make the run's folder, and ``latest`` lead to it: also for a run that comes to nothing."""
    try:
        settings.folder.mkdir(parents=True, exist_ok=True)
        point_latest(settings.reports, settings.run_id)
    except OSError as error:
        raise HarnessError(f"the run's folder {settings.folder} cannot be made: {error}") from None


def _sha256(path: Path) -> str | None:
    if not path.is_file():
        return None
    return hashlib.sha256(path.read_bytes()).hexdigest()
