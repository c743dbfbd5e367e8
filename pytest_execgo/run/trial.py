"""One trial on its way from cell to ``result.json``. Here the layers meet; knows nothing of pytest."""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_execgo.benchmark.metrics import outcome_digest, plan_facts, trial_metrics
from pytest_execgo.chaos.controller import ChaosController
from pytest_execgo.chaos.model_proxy import ModelProxy
from pytest_execgo.chaos.profile import LoadedProfile
from pytest_execgo.harness.files import remove_tree
from pytest_execgo.harness.fleet import Fleet
from pytest_execgo.models.benchmark import TrialResult
from pytest_execgo.models.events import ArtifactSeen, HarnessProblem
from pytest_execgo.models.finding import AcceptedFinding
from pytest_execgo.models.plan import StandardPlan
from pytest_execgo.models.trial import Trial
from pytest_execgo.observability.access_log import collect_access_log
from pytest_execgo.observability.artifacts import (
    LogSlices,
    copy_workspace,
    keep_workspace,
    write_model,
)
from pytest_execgo.observability.health import HealthProber, ServiceMonitor
from pytest_execgo.observability.recorder import TimelineRecorder
from pytest_execgo.ports import Target
from pytest_execgo.run.matrix import Catalogue
from pytest_execgo.run.planning import Planning
from pytest_execgo.run.settings import RunSettings
from pytest_execgo.runner.engine import ExecgoClient
from pytest_execgo.runner.trial import TrialIdentity, TrialRunner
from pytest_execgo.scenario.checks import TrialView, evaluate
from pytest_execgo.scenario.manifest import Scenario
from pytest_execgo.verdict.known import JudgedTrial, known_finding
from pytest_execgo.verdict.verify import judge


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
class Execution:
    """One trial on its way from cell to result."""

    settings: RunSettings
    catalogue: Catalogue
    trial: Trial
    scenario: Scenario
    profile: LoadedProfile
    fleet: Fleet
    folder: Path
    prefix: str
    clean: bool = field(default=True, init=False)
    _planning: Planning | None = field(default=None, init=False)

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
            if result.verdict.status == "passed" and self._planning is not None:
                self._planning.keep_recording()
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
    def _recorder(self) -> Iterator[TimelineRecorder]:
        recorder = TimelineRecorder(self.folder)
        monitor = ServiceMonitor(recorder)
        self.fleet.watch(monitor)
        services = list(self.fleet.services.values())
        links = {s.name: s.link.probe_url for s in services if s.link is not None}
        prober = HealthProber(services, links, recorder)
        try:
            yield recorder
        finally:
            prober.stop()
            self.fleet.unwatch(monitor)
            recorder.close()

    def _execute(self, workspace: Path, recorder: TimelineRecorder) -> None:
        seed = self.settings.seed
        proxy = ModelProxy() if self.profile.targets_model else None
        targets: dict[str, Target] = {**self.fleet.services}
        if proxy is not None:
            targets[proxy.name] = proxy
        chaos = ChaosController(
            list(self.profile.faults),
            targets,
            recorder,
            trial_id=self.trial.trial_id,
            rng_key=self.trial.rng_key,
            seed=self.settings.chaos_seed(self.profile.profile),
        )
        chaos.arm()
        identity = TrialIdentity(self.prefix, self.trial.trial_id, self.trial.cell.cell_id, seed)

        def verify(plan: StandardPlan, results: Mapping[str, dict[str, Any]]) -> None:
            self._verify(plan, results, workspace, recorder)

        planning = self._planning = Planning(
            self.settings,
            self.catalogue,
            self.trial,
            self.scenario,
            self.fleet,
            self.folder,
            recorder,
            proxy,
        )
        with ExecgoClient(self.fleet.url("execgo")) as client:
            runner = TrialRunner(client, recorder, _Surroundings(self.fleet, chaos), chaos)
            try:
                outcome = runner.run(
                    identity,
                    lambda: planning.make(workspace),
                    self._placeholders(workspace),
                    verify,
                )
                self.clean = outcome.clean and not chaos.heal_failed
            except BaseException:
                self.clean = False
                raise
        fixtures = self.fleet.services["fixtures"].url
        if not collect_access_log(fixtures, self.trial.trial_id, recorder):
            recorder.add(HarnessProblem(message="the access log of fixtures cannot be read"))

    def _placeholders(self, workspace: Path) -> dict[str, str]:
        known = {
            "workspace": str(workspace),
            "fixtures_url": f"{self.fleet.url('fixtures')}/t/{self.trial.trial_id}",
            "run_id": self.settings.run_id,
            "trial_id": self.trial.trial_id,
            "python": self.fleet.python,
        }
        return {name: value for name, value in known.items() if value is not None}

    def _verify(
        self,
        plan: StandardPlan,
        results: Mapping[str, dict[str, Any]],
        workspace: Path,
        recorder: TimelineRecorder,
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

    def _judge(self, recorder: TimelineRecorder, node_id: str | None) -> TrialResult:
        events = recorder.events()
        verdict, faults = judge(self.profile.profile, events)
        cell = self.trial.cell
        accepted = self.catalogue.accepted(self.profile)
        met = known_finding(
            JudgedTrial(verdict, self.profile.profile.causes, faults, events),
            [self.catalogue.findings[name] for name in accepted],
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
            seed=self.settings.seed,
            rng_key=self.trial.rng_key,
            started_at=recorder.started_at,
            outcome_digest=outcome_digest(events, verdict),
            **plan_facts(events),
            metrics=trial_metrics(events, verdict),
            faults=faults,
            verdict=verdict,
            known_finding=AcceptedFinding(id=met, reason=accepted[met]) if met else None,
            rerun=self._rerun(node_id),
        )

    def _rerun(self, node_id: str | None) -> str:
        """The command that repeats just this trial."""
        settings, cell = self.settings, self.trial.cell
        options = settings.options + (settings.live_options if cell.mode == "live" else ())
        if self.trial.caller:
            seed = ["--execgo-seed", str(settings.seed)]
            return shlex.join(["pytest", self.trial.caller, *seed, *options])
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
        return shlex.join([*words, "--execgo-seed", str(settings.seed), *options])


def _sha256(path: Path) -> str | None:
    if not path.is_file():
        return None
    return hashlib.sha256(path.read_bytes()).hexdigest()
