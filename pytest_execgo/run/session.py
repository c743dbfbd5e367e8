"""Wiring: one run, its fleet, and which trials are possible on it. Knows nothing of pytest."""

from __future__ import annotations

import os
import secrets
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import monotonic

from pytest_execgo.adapter.base import asks_model
from pytest_execgo.chaos.draws import all_left_out
from pytest_execgo.chaos.profile import LoadedProfile
from pytest_execgo.errors import ExecgoError, HarnessError, UsageError
from pytest_execgo.harness.fleet import Fleet
from pytest_execgo.models.benchmark import TrialResult
from pytest_execgo.models.document import shown
from pytest_execgo.models.plan import Mode
from pytest_execgo.models.plan_rules import uses_placeholder
from pytest_execgo.models.trial import Cell, Trial
from pytest_execgo.observability.artifacts import write_model
from pytest_execgo.run.controls import CONTROLS, Control
from pytest_execgo.run.matrix import Catalogue
from pytest_execgo.run.planning import recording_path
from pytest_execgo.run.settings import RunSettings, open_run
from pytest_execgo.run.trial import Execution
from pytest_execgo.scenario.manifest import Scenario


class TrialSkipped(ExecgoError):
    """The trial cannot be made here; the text says why and what would help."""


class RunSession:
    """Runs trials one after another on a fleet that it brings up when it is first needed."""

    def __init__(
        self,
        settings: RunSettings,
        catalogue: Catalogue,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        self.settings, self.catalogue = settings, catalogue
        self._progress = progress or (lambda line: None)
        self._fleet: Fleet | None = None
        self._needs_renewal = False
        self._controlled = False
        self._calls: Counter[str] = Counter()

    @property
    def fleet(self) -> Fleet:
        """The running fleet, brought up now if need be; raises :class:`HarnessError`."""
        return self._fleet or self.ensure_fleet()

    def ensure_fleet(self, links: frozenset[str] = frozenset()) -> Fleet:
        """A fleet in which every service answers and nothing is wrong: the one there is, or a new one
        in its place. ``links`` names the services that must be reached through a fault proxy."""
        fleet, renew = self._fleet, False
        if fleet is not None and (
            self._needs_renewal
            or not links <= fleet.links
            or fleet.active_faults()
            or fleet.unready()
        ):
            self.close()
            renew = True
        if self._fleet is None:
            # All that the run may need, so that its trials share one kind of fleet.
            links = links | self.catalogue.links() | self.settings.fleet.links
            spec = replace(self.settings.fleet, links=links)
            try:
                fleet = Fleet(spec, self.catalogue.registry.launchers, renew=renew)
            except UsageError as error:
                # It could be done when the run began.
                raise HarnessError(str(error)) from None
            began = monotonic()
            fleet.start()
            if fleet.slow_to_start:
                self._progress(f"fleet ready in {monotonic() - began:.1f} s")
            self._fleet, self._needs_renewal = fleet, False
            self._write_environment(fleet)
            return fleet
        return self._fleet

    def close(self) -> None:
        """Take the fleet down. A later trial would bring up a new one."""
        fleet, self._fleet = self._fleet, None
        if fleet is not None:
            fleet.stop()

    def run_cell(
        self,
        scenario: str,
        *,
        framework: str,
        chaos: str,
        mode: Mode = "replay",
        caller: str = "",
    ) -> TrialResult:
        """One more repetition of a cell; for tests that call the runner themselves. ``caller`` (a
        test's node id) makes its dice its own, whichever worker runs it and when."""
        found = self.catalogue.named(scenario)
        self.catalogue.check_mode(framework, mode)
        reason = self.catalogue.why_not(found, self.catalogue.profile(chaos), framework, mode)
        if reason:
            raise TrialSkipped(f"{found.id} × {chaos} is not applicable: {reason}")
        cell = Cell(found.id, framework, mode, chaos)
        self._calls[caller] += 1
        rng = f"{caller}:{self._calls[caller]}" if caller else ""
        trial = Trial(cell, 0, rng, caller)
        open_run(self.settings, self.catalogue.request)
        while True:
            try:
                self.settings.trial_folder(trial.trial_id).mkdir(parents=True)
                break
            except FileExistsError:
                trial = replace(trial, repetition=trial.repetition + 1)
        return self.run_trial(trial, found)

    def run_trial(
        self, trial: Trial, scenario: Scenario, node_id: str | None = None
    ) -> TrialResult:
        """Run one trial and write its folder; raises :class:`TrialSkipped`, :class:`HarnessError`."""
        profile = self.catalogue.profile(trial.cell.chaos)
        self._check_possible(trial, scenario)
        self._check_random_draw(trial, profile)
        if profile.faults and not self._controlled:
            self._run_controls(profile.links)
        fleet = self.ensure_fleet(profile.links)
        self._check_capabilities(profile, fleet)
        self._check_python(scenario, fleet)
        return self._execute(trial, scenario, profile, fleet, node_id)

    def _run_controls(self, links: frozenset[str]) -> None:
        """Once per process, on the fleet of its own, before the first fault; again if it could not be
        done."""
        for control in CONTROLS:
            folder = self.settings.folder / "controls" / f"{control.name}-{os.getpid()}"
            try:
                record = control.record(self._run_control(control, links, folder))
            except HarnessError as error:
                write_model(folder / "control.json", control.failed(str(error)))
                raise
            write_model(folder / "control.json", record)
        self._controlled = True

    def _run_control(self, control: Control, links: frozenset[str], folder: Path) -> TrialResult:
        folder.mkdir(parents=True, exist_ok=True)
        scenario, profile = control.load(self.catalogue.registry)
        fleet = self.ensure_fleet(links)
        return self._execute(control.trial, scenario, profile, fleet, None, folder)

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
        execution = Execution(
            self.settings, self.catalogue, trial, scenario, profile, fleet, folder, prefix
        )
        try:
            return execution.run(node_id)
        except HarnessError:
            self._needs_renewal = True
            raise
        finally:
            self._needs_renewal = self._needs_renewal or not execution.clean

    def _check_possible(self, trial: Trial, scenario: Scenario) -> None:
        adapter = self.catalogue.registry.adapter(trial.cell.framework)
        install = adapter.missing()
        if install:
            raise TrialSkipped(f"{adapter.name} is not installed; install it with: {install}")
        if adapter.name == "reference" and scenario.reference_plan is None:
            raise TrialSkipped(f"scenario {scenario.id} has no reference_plan to replay")
        if self.settings.repeats and self.catalogue.profile(trial.cell.chaos).targets_model:
            raise TrialSkipped(
                f"the faults of {trial.cell.chaos} strike a model, and a recorded trial is repeated "
                "without asking one"
            )
        repeated = self.settings.repeats and trial.trial_id not in self.settings.plans
        if repeated and trial.cell.mode == "live":
            raise TrialSkipped(
                "the recorded trial came to no plan, and a model would have to be asked"
            )
        if trial.cell.mode == "replay" and asks_model(adapter):
            path = recording_path(scenario, adapter.name)
            if not path.exists():
                raise TrialSkipped(
                    f"there is no recording {shown(path)}; make one: pytest --execgo-matrix "
                    f"--execgo-scenario {scenario.id} --execgo-framework {adapter.name} "
                    "--execgo-mode live --execgo-provider … --execgo-record"
                )

    def _check_random_draw(self, trial: Trial, profile: LoadedProfile) -> None:
        """A trial without any of its faults would be a vacuous pass (`measure` has none)."""
        if profile.profile.expectation == "measure":
            return
        if all_left_out(profile.faults, self.settings.chaos_seed(profile.profile), trial.rng_key):
            odds = ", ".join(f"{loaded.fault.probability}" for loaded in profile.faults)
            raise TrialSkipped(
                f"{profile.profile.id}: the dice left its faults out (probability {odds}, "
                f"seed {self.settings.seed})"
            )

    @staticmethod
    def _check_capabilities(profile: LoadedProfile, fleet: Fleet) -> None:
        for loaded in profile.faults:
            service = fleet.services.get(loaded.fault.target)
            reason = loaded.action.unsupported(service) if service else None
            if reason:
                raise TrialSkipped(f"{profile.profile.id}: {reason}")

    @staticmethod
    def _check_python(scenario: Scenario, fleet: Fleet) -> None:
        """Images have what their makers put there."""
        if (
            fleet.python is None
            and scenario.plan is not None
            and uses_placeholder(scenario.plan, "python")
        ):
            raise TrialSkipped(
                f"the plan uses ${{python}}, and the runtime's image "
                f"{fleet.services['runtime'].info.image} has no python3"
            )

    def _write_environment(self, fleet: Fleet) -> None:
        path = self.settings.folder / "environment.json"
        open_run(self.settings, self.catalogue.request)
        if not path.exists():
            write_model(path, self.settings.environment(fleet.infos()))
