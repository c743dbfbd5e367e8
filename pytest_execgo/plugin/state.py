"""The state of the current run. Each part is made when it is first used, and kept in pytest's stash."""

from __future__ import annotations

import json
import os
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path

import pytest

from pytest_execgo.benchmark.collect import MissingOutcome
from pytest_execgo.benchmark.gates import Gate, parse_gate
from pytest_execgo.benchmark.rebuild import load_result, read_run_record
from pytest_execgo.benchmark.viewer.page import DEFAULT_BUDGET_MIB
from pytest_execgo.errors import UsageError
from pytest_execgo.extensions.registry import Registry
from pytest_execgo.harness.fleet import FleetSpec
from pytest_execgo.harness.readiness import DEFAULT_TIMEOUT_SECONDS
from pytest_execgo.harness.service import SERVICE_NAMES, LaunchSettings
from pytest_execgo.models.benchmark import BenchmarkResult
from pytest_execgo.models.document import load
from pytest_execgo.models.request import BenchmarkRunRequest
from pytest_execgo.models.trial import Shard
from pytest_execgo.models.trial_result import TrialResult
from pytest_execgo.options.table import BY_NAME
from pytest_execgo.plugin import options
from pytest_execgo.plugin.naming import ScenarioNames, manifests
from pytest_execgo.plugin.places import (
    called_folder,
    option_path,
    places,
    reports_folder,
    root_folder,
)
from pytest_execgo.plugin.progress import RunProgress
from pytest_execgo.plugin.project import registry_of
from pytest_execgo.plugin.request import RequestReader
from pytest_execgo.plugin.rerun import live_options, rerun_options
from pytest_execgo.plugin.safe_errors import printable
from pytest_execgo.plugin.trial_markers import TrialMarkers
from pytest_execgo.plugin.user_key import refuse_key_in, user_key
from pytest_execgo.run.matrix import Matrix
from pytest_execgo.run.planning import PLAN
from pytest_execgo.run.session import RunSession
from pytest_execgo.run.settings import Run
from pytest_execgo.run.shards import Weights
from pytest_execgo.scenario.library import Library


class PluginState:
    """Request, run, matrix and session of one pytest process."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.result: BenchmarkResult | None = None
        self.report_failures: list[str] = []
        self.outcomes: dict[str, MissingOutcome] = {}
        """What ended trials other than their verdict, by trial id."""
        self.trials: RunProgress | None = None
        self.planned: dict[str, str] = {}
        self.collected: dict[str, Path] = {}
        """The manifests that are collected so far, by the name of the scenario."""
        self.markers = TrialMarkers(config)

    @classmethod
    def of(cls, config: pytest.Config) -> PluginState:
        """The state of this process."""
        if _STATE not in config.stash:
            config.stash[_STATE] = cls(config)
        return config.stash[_STATE]

    def progress(self, line: str) -> None:
        """Write a line about slow work to the terminal; a worker has no terminal."""
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        capture = self.config.pluginmanager.get_plugin("capturemanager")
        if reporter is None:
            return
        # pytest would take the line for output of the test that is running.
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            reporter.ensure_newline()
            text = f"execgo: {printable(line)}"
            test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
            if test and reporter.showfspath:
                # The dots of pytest follow the name of their file.
                reporter.write(text)
                reporter.write_fspath_result(test, "")
            else:
                reporter.write_line(text)

    @property
    def is_worker(self) -> bool:
        """Whether this process is an xdist worker."""
        return hasattr(self.config, "workerinput")

    @cached_property
    def request(self) -> BenchmarkRunRequest:
        """The request of this run; raises :class:`UsageError`."""
        request = RequestReader(self.config, self.recorded).read()
        refuse_key_in(request)
        return request

    @cached_property
    def run(self) -> Run:
        """The run with its request, folders, id and fleet; raises :class:`UsageError`."""
        worker = getattr(self.config, "workerinput", None) or {}
        return Run(
            request=self.request,
            root=root_folder(self.config),
            called=called_folder(self.config),
            reports=reports_folder(self.config),
            run_id=options.run_id(self.config),
            fleet=self.fleet_spec,
            workers=int(worker.get("execgo_workers", 1)),
            options=rerun_options(self.config, self.request),
            live_options=live_options(self.request),
            repeats=bool(self.recorded),
            record=bool(options.value(self.config, "record")),
            share=bool(options.value(self.config, "share_reports")),
            update_expected=bool(options.value(self.config, "update_expected")),
            # No file, trace or framework gets it.
            api_key=user_key(),
            plans={
                trial_id: path / PLAN
                for trial_id, (path, _) in self.recorded.items()
                if (path / PLAN).exists()
            },
        )

    @cached_property
    def fleet_spec(self) -> FleetSpec:
        """The launcher of each service."""
        choices = tuple(sorted(self.request.services.items()))
        # Without the matrix, the profiles of execgo_run are not known yet, and a test may keep the
        # addresses of its fleet. So every service gets its fault proxy from the beginning.
        links = frozenset() if options.matrix_wanted(self.config) else frozenset(SERVICE_NAMES)
        return FleetSpec(
            self.request.harness,
            choices,
            links,
            self._service_base(),
            LaunchSettings(self.request.python_image, self._pinned()),
            self._ready_timeout(),
            arguments=self.request.service_args,
        )

    def _service_base(self) -> Path:
        """The folder that paths of services are relative to: the root folder for those of the ini
        file."""
        in_ini = self.config.getini("execgo_service") or self.config.getini("execgo_harness")
        given = [options.given(self.config, name) for name in ("service", "harness", "request")]
        if in_ini and not any(given):
            return root_folder(self.config)
        return called_folder(self.config)

    def _pinned(self) -> dict[str, str]:
        """The images that the controller pulled or built; empty in the controller until it has done
        so."""
        worker = getattr(self.config, "workerinput", None) or {}
        found: dict[str, str] = json.loads(worker.get("execgo_images", "{}"))
        return found

    def _ready_timeout(self) -> float:
        found = options.value(self.config, "ready_timeout")
        if found is None:
            return DEFAULT_TIMEOUT_SECONDS
        return float(BY_NAME["ready_timeout"].read(found))

    @property
    def builtin_because(self) -> str:
        """Why the matrix is made of the built-in scenarios although nothing asked for them; empty if it
        is not."""
        if not options.matrix_wanted(self.config):
            return ""
        return places(self.config).scenarios.builtin_because

    @cached_property
    def registry(self) -> Registry:
        """The adapters, actions, launchers and report formats of the project."""
        return registry_of(self.config)

    @cached_property
    def matrix(self) -> Matrix:
        """The trials of the request; raises :class:`UsageError` for a misspelt name."""
        # Tests can be listed on a machine that cannot run them.
        names_only = options.only_shows(self.config)
        self.fleet_spec.resolve(self.registry.launchers, names_only=names_only)
        folder = places(self.config).scenarios
        found = Matrix(Library(folder.path), self.registry, self.request)
        self._check_faults_of_models(found)
        if options.matrix_wanted(self.config) and not (names_only or self.recorded):
            self._check_installed()
        return found

    def _check_installed(self) -> None:
        """Refuse a framework that was asked for by name and is not installed: to skip all of its trials
        would look like a success."""
        for name in self.request.frameworks:
            install = self.registry.adapter(name).missing()
            if install:
                raise UsageError(f"framework {name} is not installed; install it with: {install}")

    def _check_faults_of_models(self, matrix: Matrix) -> None:
        """Refuse a run in which only faults of models are requested and no model is asked or
        recorded."""
        if not all(profile.targets_model for profile in matrix.profiles()):
            return
        faults = f"the faults of {', '.join(matrix.profile_names)}"
        if "live" not in self.request.modes:
            raise UsageError(
                f"{faults} target a model, which is asked in live mode only; add --execgo-mode live"
            )
        if self.run.record:
            raise UsageError(
                f"--execgo-record: {faults} change what the model answers, and such answers are not "
                "recorded; add --execgo-chaos none"
            )

    @cached_property
    def names(self) -> ScenarioNames:
        """The names of the scenarios that the arguments of pytest stand for."""
        called, skip = called_folder(self.config), self.config.getini("norecursedirs")
        files = manifests(self.config.args, called, skip)
        return ScenarioNames(root_folder(self.config), self.matrix.library.scenario_paths, files)

    @cached_property
    def shard(self) -> Shard | None:
        """The part of the trials that belongs to this run; ``None`` for all."""
        text = self.request.shard
        return Shard.parse(text) if text else None

    @cached_property
    def own_trials(self) -> frozenset[str] | None:
        """The ids of the trials of the shard; ``None`` without one. A resumed run keeps those that it
        planned."""
        if self.shard is None:
            return None
        if options.value(self.config, "resume"):
            planned = read_run_record(self.run.folder).planned
            return frozenset(planned) or frozenset(self._dealt(self.shard))
        return frozenset(self._dealt(self.shard))

    def _dealt(self, shard: Shard) -> list[str]:
        trials = self.matrix.all_trials()
        path = option_path(self.config, "shard_weights")
        part = shard.of(trials) if path is None else Weights.read(path).part(trials, shard)
        return [trial.trial_id for trial in part]

    @cached_property
    def session(self) -> RunSession:
        """The session that runs trials in this process."""
        return RunSession(self.run, self.matrix, self.progress)

    @cached_property
    def recorded(self) -> dict[str, tuple[Path, TrialResult]]:
        """The trials that are to be repeated: folder and result, by id. Empty without
        ``--execgo-replay``."""
        folder = options.replay_folder(self.config)
        if folder is None:
            return {}
        folders = [folder] if (folder / RESULT).exists() else sorted(folder.glob("trials/*"))
        found = {
            path: load(TrialResult, path / RESULT) for path in folders if (path / RESULT).exists()
        }
        if not found:
            raise UsageError(
                f"--execgo-replay {folder}: no {RESULT} there; give the folder of a trial "
                "(reports/RUN/trials/ID) or of a run (reports/RUN)"
            )
        return {result.trial_id: (path, result) for path, result in found.items()}

    @cached_property
    def base(self) -> BenchmarkResult | None:
        """The result to compare with; ``None`` without one. ``reports/latest`` is the newest run before
        this one, so it is read before this run begins."""
        path = option_path(self.config, "compare")
        return None if path is None else load_result(path)

    @cached_property
    def html_budget_mib(self) -> float:
        """The most that ``index.html`` may hold."""
        found = options.value(self.config, "html_budget")
        return DEFAULT_BUDGET_MIB if found is None else float(BY_NAME["html_budget"].read(found))

    @cached_property
    def all_gates(self) -> tuple[Gate, ...]:
        """With those that the earlier processes of a resumed run had."""
        earlier = read_run_record(self.run.folder).gates if self.run.folder.exists() else ()
        return (*self.gates, *(parse_gate(gate.expression) for gate in earlier))

    @cached_property
    def gates(self) -> tuple[Gate, ...]:
        """The conditions that fail the run."""
        return tuple(parse_gate(text) for text in options.value(self.config, "fail_if") or ())


RESULT = "result.json"
_STATE: pytest.StashKey[PluginState] = pytest.StashKey()
