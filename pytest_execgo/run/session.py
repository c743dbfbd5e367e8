"""Runs the trials of one process, on a fleet that it brings up and replaces."""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_execgo.benchmark.attempts import begin_attempt, note_problem
from pytest_execgo.chaos.loaded_profile import LoadedProfile
from pytest_execgo.errors import HarnessError, UsageError
from pytest_execgo.files.writing import make_folder, make_new_folder, write_model
from pytest_execgo.harness.fleet import Fleet
from pytest_execgo.models.confirmation import Confirmation
from pytest_execgo.models.plan import Mode
from pytest_execgo.models.trial import Cell, Trial
from pytest_execgo.models.trial_result import TrialResult
from pytest_execgo.run.applicability import (
    FleetSubject,
    TrialSkipped,
    TrialSubject,
    skip_impossible,
    why_no_cell,
)
from pytest_execgo.run.baseline import TRIALS, Baseline
from pytest_execgo.run.confirming import confirm
from pytest_execgo.run.context import TrialContext
from pytest_execgo.run.controls import CONTROLS, Control
from pytest_execgo.run.matrix import Matrix
from pytest_execgo.run.planning import PLAN
from pytest_execgo.run.settings import Run
from pytest_execgo.run.trial import run_trial, write_result
from pytest_execgo.scenario.manifest import Scenario
from pytest_execgo.system.clock import monotonic


@dataclass(frozen=True)
class _Site:
    """Where a trial is recorded, and how it is known: ``prefix`` begins its ids on ExecGo. The rest is
    as in :class:`TrialContext`."""

    folder: Path
    prefix: str
    node_id: str | None = None
    plan: Path | None = None
    rerun: str = ""


class RunSession:
    """Runs trials one after another on a fleet that it brings up when a trial first needs it.

    ``progress`` is called with a line about what takes long.
    """

    def __init__(
        self, run: Run, matrix: Matrix, progress: Callable[[str], None] | None = None
    ) -> None:
        self.run, self.matrix = run, matrix
        self._progress = progress or (lambda line: None)
        self._fleet: Fleet | None = None
        self._needs_renewal = False
        self._controlled = False
        self._calls: Counter[str] = Counter()
        self._baselines: dict[tuple[Path, str, Mode], Baseline] = {}
        self._compared: set[tuple[Path, str, Mode]] = set()

    @property
    def fleet(self) -> Fleet:
        """The running fleet, brought up now if there is none; raises :class:`HarnessError`."""
        return self._fleet or self.ensure_fleet()

    def ensure_fleet(self, links: frozenset[str] = frozenset()) -> Fleet:
        """A fleet in which every service answers and no fault is in place: the one that runs, or a new
        one that replaces it. ``links`` names the services that need a fault proxy."""
        fleet = self._fleet
        renew = fleet is not None and self._is_unusable(fleet, links)
        if renew:
            self.close()
        if self._fleet is None:
            self._fleet = self._start_fleet(links, renew=renew)
            self._needs_renewal = False
            self._write_environment(self._fleet)
        return self._fleet

    def _is_unusable(self, fleet: Fleet, links: frozenset[str]) -> bool:
        return bool(
            self._needs_renewal
            or not links <= fleet.links
            or fleet.active_faults()
            or fleet.unready()
        )

    def _start_fleet(self, links: frozenset[str], *, renew: bool) -> Fleet:
        # All links that the run may need, so that its trials share one kind of fleet.
        links = links | self.matrix.links() | self.run.fleet.links
        spec = replace(self.run.fleet, links=links, variables=self.matrix.variables())
        try:
            fleet = Fleet(spec, self.matrix.registry.launchers, renew=renew)
        except UsageError as error:
            # The choice was valid at startup, so this is the harness's failure, not the user's.
            raise HarnessError(str(error)) from None
        began = monotonic()
        fleet.start()
        if fleet.slow_to_start:
            self._progress(f"fleet ready in {monotonic() - began:.1f} s")
        return fleet

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
        """One more repetition of a cell, for tests that run trials themselves.

        ``scenario`` is a name or a path. ``caller`` (a test's node id) makes the random draws depend on
        the test alone, whichever worker runs it and when.
        """
        found = self.matrix.library.find_scenario(scenario)
        self.matrix.check_mode(framework, mode)
        profile = self.matrix.profile(chaos)
        reason = why_no_cell(self.matrix.subject(found, profile, framework, mode))
        if reason:
            raise TrialSkipped(f"{found.id} × {chaos} is not applicable: {reason}")
        self._calls[caller] += 1
        rng_override = f"{caller}:{self._calls[caller]}" if caller else ""
        cell = Cell(found.id, framework, mode, profile.profile.id)
        trial = Trial(cell, 0, rng_override, caller)
        self.run.open()
        make_folder(self.run.trial_folder(trial.trial_id).parent)
        while not make_new_folder(self.run.trial_folder(trial.trial_id)):
            trial = replace(trial, repetition=trial.repetition + 1)
        return self.run_trial(trial, found)

    def run_trial(
        self, trial: Trial, scenario: Scenario, node_id: str | None = None
    ) -> TrialResult:
        """Run one trial and write its folder; raises :class:`TrialSkipped`, :class:`HarnessError`."""
        profile = self.matrix.profile(trial.cell.chaos)
        cell = self.matrix.subject(scenario, profile, trial.cell.framework, trial.cell.mode)
        skip_impossible(TrialSubject(cell, trial, self.run))
        if profile.faults and not self._controlled:
            self._run_controls(profile.links)
        if profile.faults:
            self._run_baseline(trial, scenario, profile.links)
        fleet = self.ensure_fleet(profile.links)
        skip_impossible(FleetSubject(cell, fleet))
        prefix = f"{self.run.run_id}.{trial.trial_id}"
        folder = self.run.trial_folder(trial.trial_id)
        place = _Site(folder, prefix, node_id)
        result = self._execute(trial, scenario, profile, place)
        if self.run.request.confirm:
            found = self._confirm(result, trial, scenario, profile)
            result = result.model_copy(update={"confirmation": found})
        write_result(folder, result)
        return result

    def run_schedule(self, scenario: Scenario, profile: LoadedProfile, number: int) -> TrialResult:
        """Trial ``number`` of a search, with the reference plan; recorded in ``search/<number>``. The
        random draws are those of the first trial of the matrix with this profile."""
        cell = Cell(scenario.id, "reference", "replay", profile.profile.id)
        trial = Trial(cell, number, rng_override=Trial(cell, 0).trial_id)
        self.ensure_fleet(self.run.fleet.links)
        return self._execute_aside(
            trial, scenario, profile, self.run.folder / "search" / str(number)
        )

    def _confirm(
        self, result: TrialResult, trial: Trial, scenario: Scenario, profile: LoadedProfile
    ) -> Confirmation | None:
        """Repeat a trial with its faults and without; ``None`` if there is nothing to confirm."""
        folder = self.run.trial_folder(trial.trial_id)
        plan = folder / PLAN
        if not plan.exists():
            return Confirmation(status="not_run", reason="planning failed, so there is no plan")

        def repeat(some: LoadedProfile, number: int) -> TrialResult:
            cell = replace(trial.cell, scenario=f"confirm_{scenario.id}")
            again = replace(trial, cell=cell, repetition=number, rng_override=trial.rng_key)
            prefix = f"{self.run.run_id}.{trial.trial_id}.c{number}"
            place = _Site(folder / "confirm" / str(number), prefix, plan=plan, rerun=result.rerun)
            self.ensure_fleet(profile.links)
            one = self._execute(again, scenario, some, place)
            write_result(place.folder, one)
            return one

        return confirm(result, profile, self.run.request.confirm, repeat)

    def _run_controls(self, links: frozenset[str]) -> None:
        """Once per process, on its own fleet, before the first fault; again if a harness error kept a
        control from running."""
        self._progress(f"{len(CONTROLS)} control trials run before the first fault")
        for control in CONTROLS:
            folder = self.run.folder / "controls" / f"{control.name}-{os.getpid()}"
            try:
                record = control.record(self._run_control(control, links, folder))
            except HarnessError as error:
                write_model(folder / "control.json", control.failed(str(error)))
                raise
            write_model(folder / "control.json", record)
        self._controlled = True

    def _run_control(self, control: Control, links: frozenset[str], folder: Path) -> TrialResult:
        scenario, profile = control.load(self.matrix.registry)
        self.ensure_fleet(links)
        return self._execute_aside(control.trial, scenario, profile, folder)

    def _run_baseline(self, trial: Trial, scenario: Scenario, links: frozenset[str]) -> None:
        """Before the first fault on a plan: clean trials of it, to compare with; one, if that does not
        pass. A model is not asked again for that."""
        cell = trial.cell
        key = _baseline_key(trial, scenario)
        if key in self._compared or cell.mode == "live":
            return
        self._compared.add(key)
        for number in range(TRIALS):
            known = self._baselines.get(key)
            if known.known.trials >= TRIALS if known else number:
                break
            clean = Trial(
                Cell(f"baseline_{scenario.id}", cell.framework, cell.mode, "none"), number
            )
            folder = self.run.folder / "controls" / f"{clean.trial_id}-{os.getpid()}"
            self.ensure_fleet(links)
            self._execute_aside(clean, scenario, self.matrix.profile("none"), folder)

    def _execute_aside(
        self, trial: Trial, scenario: Scenario, profile: LoadedProfile, folder: Path
    ) -> TrialResult:
        """Execute a trial that is not part of the matrix. Every process has its own, perhaps all on one
        external engine, so ids must differ."""
        place = _Site(folder, f"{self.run.run_id}.{trial.trial_id}.{os.getpid()}")
        result = self._execute(trial, scenario, profile, place)
        write_result(folder, result)
        return result

    def _execute(
        self, trial: Trial, scenario: Scenario, profile: LoadedProfile, place: _Site
    ) -> TrialResult:
        fleet, folder, prefix = self.fleet, place.folder, place.prefix
        attempt = begin_attempt(folder)
        if attempt > 1:
            # A runtime refuses ids that it knows: a second attempt needs others.
            prefix += f".{secrets.token_hex(2)}"
        make_folder(folder)
        context = TrialContext(
            self.run, self.matrix, trial, scenario, profile, fleet, folder, prefix, place.node_id,
            attempt, self._baselines.get(_baseline_key(trial, scenario)), place.plan, place.rerun,
        )  # fmt: skip
        try:
            finished = run_trial(context)
        except BaseException as error:
            # Any exception: pytest-timeout and Ctrl-C end a trial in the same way.
            self._needs_renewal = True
            _note(folder, error, self.run.hide.record)
            raise
        self._needs_renewal = self._needs_renewal or not finished.clean
        if finished.baseline is not None:
            key = _baseline_key(trial, scenario)
            before = self._baselines.get(key)
            known = finished.baseline
            self._baselines[key] = before.merged(known) if before else known
        return finished.result

    def _write_environment(self, fleet: Fleet) -> None:
        path = self.run.folder / "environment.json"
        self.run.open()
        if not path.exists():
            write_model(path, self.run.environment(fleet.infos()))


def _baseline_key(trial: Trial, scenario: Scenario) -> tuple[Path, str, Mode]:
    return scenario.path, trial.cell.framework, trial.cell.mode


def _note(folder: Path, error: BaseException, hide: Callable[[str], str]) -> None:
    """Record what ended a trial before its verdict."""
    # The caller gets the first error, not one of writing its record.
    with suppress(HarnessError):
        if isinstance(error, KeyboardInterrupt):
            note_problem(folder, "not_run", f"interrupted; its record is in trials/{folder.name}")
        elif isinstance(error, HarnessError):
            note_problem(folder, "error", hide(str(error)))
        else:
            note_problem(folder, "error", hide(f"{type(error).__name__}: {error}"))
