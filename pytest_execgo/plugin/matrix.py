"""The plugin of ``--execgo-matrix``; pytest has it only in a run with the matrix."""

from __future__ import annotations

import shlex
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from pytest_execgo.benchmark.attempts import note_problem
from pytest_execgo.benchmark.collect import read_results
from pytest_execgo.benchmark.gates import check_base
from pytest_execgo.benchmark.rebuild import forget_comparison
from pytest_execgo.errors import HarnessError, ScenarioFailure, UsageError
from pytest_execgo.models.document import shown
from pytest_execgo.models.safe_text import for_terminal
from pytest_execgo.plugin import options
from pytest_execgo.plugin.adaptive import AdaptiveRepetitions, NotNeeded
from pytest_execgo.plugin.collection import ScenarioFile, TrialItem, find_argument
from pytest_execgo.plugin.colours import colour_failures
from pytest_execgo.plugin.matrix_checks import check_persistent, check_reports
from pytest_execgo.plugin.naming import manifests
from pytest_execgo.plugin.places import places
from pytest_execgo.plugin.progress import close_earlier, reason_of
from pytest_execgo.plugin.safe_errors import printable, usage_error
from pytest_execgo.plugin.state import PluginState
from pytest_execgo.scenario.manifest import MANIFEST


class MatrixPlugin:
    """Collects scenarios as tests, and marks what pytest reports of them."""

    def __init__(self, config: pytest.Config) -> None:
        self._state = PluginState.of(config)
        self._taken: list[str] = []
        try:
            self._prepare(config)
        except (UsageError, HarnessError) as error:
            raise usage_error(error) from None

    def _prepare(self, config: pytest.Config) -> None:
        state = self._state
        matrix = state.matrix
        matrix.check_stages()
        _ = state.shard
        if not (state.is_worker or state.shard):
            check_base(state.all_gates, state.base)
        self._adaptive = AdaptiveRepetitions(state) if state.request.adaptive else None
        if config.getoption("dist", "no") == "each":
            raise UsageError("--dist each would run every trial twice into one folder; use -n N")
        check_reports(state, config)
        check_persistent(state, config)
        sources = pytest.Config.ArgsSource
        if config.args_source in (sources.INVOCATION_DIR, sources.TESTPATHS):
            config.args[:] = [str(path) for path in matrix.scenario_paths()]
        else:
            called, known = places(config).called, matrix.library.scenario_paths
            config.args[:] = [find_argument(arg, called, known) for arg in config.args]
        if options.value(config, "resume") and not (state.is_worker or options.only_shows(config)):
            close_earlier(state.run.folder)
            forget_comparison(state.run.folder)
        if options.distributed(config) and not self._state.is_worker:
            self._check_manifests()
        for name, text in self._markers():
            if not state.markers.register(name, text):
                self._taken.append(name)
        _ = state.names

    def _check_manifests(self) -> None:
        """Read all manifests before any worker starts. With xdist a broken one would be reported once
        per worker, after all other trials, with exit code 1."""
        self._state.matrix.scenarios()

    def _markers(self) -> list[tuple[str, str]]:
        matrix = self._state.matrix
        library = matrix.library
        markers = [(name, "execgo scenario") for name in library.scenario_paths]
        markers += [(name, "execgo chaos profile") for name in library.profile_paths]
        names = [name.replace("-", "_") for name in matrix.registry.adapters]
        markers += [(name, "execgo framework") for name in names]
        return [*markers, ("live", "execgo mode"), ("replay", "execgo mode")]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Pull and build missing images once, before any worker starts."""
        state = self._state
        if state.is_worker or options.only_shows(session.config):
            return
        try:
            state.fleet_spec.prepare(state.registry.launchers, state.progress)
            session.config.stash[options.IMAGES] = state.fleet_spec.settings.images
        except UsageError as error:
            raise usage_error(error) from None

    def pytest_report_header(self, config: pytest.Config) -> list[str]:
        """Show the run, its services and its model."""
        state = self._state
        line = f"execgo: run {state.run.run_id} · seed {state.run.seed}"
        line = f"{line}\n  scenarios {for_terminal(self._scenarios())}"
        if options.only_shows(config):
            # To describe a binary means to start it once, which a list of names is not worth.
            return [line]
        chosen = state.fleet_spec.resolve(state.registry.launchers)
        arguments = state.request.service_args
        services = [
            f"{n:8} {launcher.describe(n, t)} {shlex.join(arguments.get(n, ()))}".rstrip()
            for n, (launcher, t) in chosen.items()
        ]
        model = state.request.model
        at = f" at {model.base_url}" if model and model.base_url else ""
        asked = [f"model    {model.provider} {model.model}{at}"] if model else []
        lines = (*services, *asked, *self._notes())
        return [line, *(f"  {for_terminal(text)}" for text in lines)]

    def _notes(self) -> Iterator[str]:
        """What a user cannot expect of the names of scenarios, frameworks and chaos profiles."""
        for name, path in self._state.names.changed.items():
            yield f"scenario {name} is {shown(path)}: another scenario has the same name"
        for name in self._taken:
            yield f"marker {name} belongs to pytest or a plugin: select these trials with -k {name}"

    def _scenarios(self) -> str:
        found = places(self._state.config)
        if found.scenarios.builtin_because:
            return f"built in ({found.scenarios.builtin_because})"
        return f"in {found.shown(found.scenarios.path)}"

    def pytest_collect_file(
        self, file_path: Path, parent: pytest.Collector
    ) -> pytest.Collector | None:
        """Collect the trials of a ``scenario.yaml``."""
        if file_path.name != MANIFEST:
            return None
        wanted = self._state.request.scenarios
        if wanted and file_path.parent.name not in wanted:
            return None
        return ScenarioFile.of(parent, file_path)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Deselect trials that pytest was given twice, and trials for which a resumed run has a result.
        One with a damaged result runs again."""
        seen: set[str] = set()
        if options.value(config, "resume"):
            results, _ = read_results(self._state.run.folder)
            seen |= {result.trial_id for result in results}
        wanted: list[pytest.Item] = []
        left_out: list[pytest.Item] = []
        for item in items:
            trial_id = item.trial.trial_id if isinstance(item, TrialItem) else item.nodeid
            again = isinstance(item, TrialItem) and trial_id in seen
            seen.add(trial_id)
            (left_out if again else wanted).append(item)
        if left_out:
            config.hook.pytest_deselected(items=left_out)
            items[:] = wanted

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Skip a trial that is not needed. Keep the record of an earlier attempt, before anything of
        this one can fail."""
        if isinstance(item, TrialItem) and not options.only_shows(item.config):
            try:
                if self._adaptive is not None:
                    self._adaptive.check(item.trial)
            finally:
                # A trial that is not needed leaves an attempt that was interrupted behind as well.
                item.begin(self._state.run)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Mark a harness error during a trial: it is an error, not a failed test. Record what else ends
        a trial, here and not in the controller: a rerun may begin before the controller knows."""
        report = yield
        raised = call.excinfo.value if call.excinfo else None
        if isinstance(raised, HarnessError):
            report.execgo_harness_error = True  # type: ignore[attr-defined]
        if isinstance(raised, NotNeeded):
            report.execgo_skip = "not_needed"  # type: ignore[attr-defined]
        if isinstance(item, TrialItem):
            # A check may print what a task printed.
            report.sections = [
                (name, printable(text, keep_lines=True)) for name, text in report.sections
            ]
            if report.failed and not (call.when == "call" and isinstance(raised, ScenarioFailure)):
                report.execgo_problem = reason_of(report)  # type: ignore[attr-defined]
                with suppress(HarnessError):  # The reports of pytest have it as well.
                    note_problem(
                        self._state.run.trial_folder(item.trial.trial_id),
                        "error",
                        reason_of(report),
                    )
        return report

    def pytest_report_teststatus(
        self, report: pytest.TestReport | pytest.CollectReport
    ) -> tuple[str, str, str] | None:
        """Count and show a harness error as pytest counts and shows errors, and count trials that are
        not needed apart from skipped ones."""
        if report.failed and getattr(report, "execgo_harness_error", False):
            return "error", "E", "ERROR"
        if report.skipped and hasattr(report, "execgo_skip"):
            return "not needed", "-", "NOT NEEDED"
        return None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> Generator[None, None, None]:
        """Colour what pytest prints next. At the end, say that the arguments of pytest name no scenario,
        so that there is no trial."""
        colour_failures(terminalreporter)
        yield
        config = self._state.config
        given = config.args_source == pytest.Config.ArgsSource.ARGS
        if given and not self._state.planned and not self._scenario_files():
            words = " ".join(config.args)
            terminalreporter.write_line(
                f"execgo: no trial ran, because no scenario is in: {for_terminal(words)}",
                yellow=True,
            )

    def _scenario_files(self) -> list[Path]:
        """The manifests in what pytest was asked to collect."""
        config = self._state.config
        return list(manifests(config.args, places(config).called, config.getini("norecursedirs")))
