"""The plugin of ``--execgo-matrix``; pytest has it only in a run with the matrix."""

from __future__ import annotations

import os
import shlex
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

import pytest

from pytest_execgo.benchmark.attempts import note_problem
from pytest_execgo.benchmark.collect import read_results
from pytest_execgo.benchmark.gates import check_base
from pytest_execgo.benchmark.rebuild import forget_comparison, write_run_record
from pytest_execgo.errors import HarnessError, ScenarioFailure, UsageError
from pytest_execgo.harness.containers.persistent_launcher import KIND as PERSISTENT_KIND
from pytest_execgo.models.document import shown
from pytest_execgo.models.safe_text import for_terminal
from pytest_execgo.models.stream import RunFinishedLine, RunStartedLine
from pytest_execgo.plugin import options
from pytest_execgo.plugin.adaptive import AdaptiveRepetitions, NotNeeded
from pytest_execgo.plugin.collection import ScenarioFile, TrialItem, find_argument
from pytest_execgo.plugin.colours import colour_failures
from pytest_execgo.plugin.events import EventsOut, EventStream
from pytest_execgo.plugin.naming import manifests
from pytest_execgo.plugin.places import places
from pytest_execgo.plugin.progress import RunProgress, close_earlier, reason_of
from pytest_execgo.plugin.progress_display import ProgressDisplay
from pytest_execgo.plugin.run_record import run_record
from pytest_execgo.plugin.safe_errors import printable, usage_error
from pytest_execgo.plugin.state import PluginState
from pytest_execgo.plugin.summary import report_failed
from pytest_execgo.scenario.manifest import MANIFEST
from pytest_execgo.system import clock
from pytest_execgo.transport.preflight import refusal


def _events_out(config: pytest.Config) -> TextIO | None:
    """The stream to which the caller of ``pytest.main`` wants the events copied."""
    for plugin in config.pluginmanager.get_plugins():
        if isinstance(plugin, EventsOut):
            return plugin.stream
    return None


class MatrixPlugin:
    """Collects scenarios as tests and records the progress of the run."""

    def __init__(self, config: pytest.Config) -> None:
        self._state = PluginState.of(config)
        self._events: EventStream | None = None
        self._display: ProgressDisplay | None = None
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
        self._check_reports(config)
        self._check_persistent(config)
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

    def _check_persistent(self, config: pytest.Config) -> None:
        """Refuse a persistent fleet for several workers: each of them needs a fleet of its own."""
        request = self._state.request
        prefix = f"{PERSISTENT_KIND}:"
        launchers = (request.harness, *request.services.values())
        fleets = [name.removeprefix(prefix) for name in launchers if name.startswith(prefix)]
        if fleets and len(config.getoption("tx", None) or []) > 1:
            raise UsageError(
                f"{fleets[0]} is one fleet, and every worker needs a fleet of its own; "
                "leave out -n or --execgo-fleet"
            )

    def _check_reports(self, config: pytest.Config) -> None:
        """Refuse a reports folder that is not writable, before the first trial."""
        folder = self._state.run.reports
        if options.only_shows(config) or self._state.is_worker:
            return
        existing = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
        if existing.is_symlink() and not existing.exists():
            reason = f"{existing} is a link to a folder that does not exist"
        elif not existing.is_dir() or not os.access(existing, os.W_OK):
            reason = f"{existing} is not a writable directory"
        else:
            return
        raise UsageError(
            f"reports folder {folder}: {reason}; choose another with --execgo-reports DIR"
        )

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

    # The following hooks record the progress of the run, in the process that writes the reports.

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Keep the ids of the planned trials."""
        self._plan([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        """Keep the ids of the planned trials and open the run: with xdist, workers collect."""
        self._plan(ids)
        self._open_run(node.config)

    def _plan(self, node_ids: list[str]) -> None:
        for node_id in node_ids:
            trial_id = self._state.names.trial_id(node_id)
            if trial_id is not None:
                self._state.planned.setdefault(node_id, trial_id)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Open the run's folder if trials will run."""
        option = session.config.option
        broken = session.testsfailed and not option.continue_on_collection_errors
        if not (self._state.is_worker or broken):
            self._check_endpoint(session.config)
            self._open_run(session.config)

    def _check_endpoint(self, config: pytest.Config) -> None:
        """Refuse a run in which every trial would ask an endpoint that accepts no connection."""
        request = self._state.request
        base_url = request.model.base_url if request.model else None
        if base_url is None or request.modes != ("live",) or options.only_shows(config):
            return
        reason = refusal(base_url)
        if reason is not None:
            message = (
                f"the model's endpoint {base_url} does not answer: {reason}; start it, or give "
                "another one with --execgo-base-url"
            )
            raise usage_error(UsageError(message))

    def _open_run(self, config: pytest.Config) -> None:
        """Make the run's folder, once, as soon as a trial is planned."""
        if self._events is not None or options.only_shows(config):
            return
        # An empty shard leaves a record, too: without it, merge would miss the shard.
        if not self._state.planned and not self._empty_shard():
            return
        run = self._state.run
        try:
            renamed = run.open(self._state.matrix.used_request(run.seed))
            write_run_record(run.folder, run_record(self._state))
            self._events = EventStream(run.folder / "events.ndjson", _events_out(config))
        except (HarnessError, UsageError) as error:
            # One line, before the first trial: without a folder, nothing can be recorded.
            hint = "choose another folder with --execgo-reports DIR"
            raise usage_error(UsageError(f"{error}; {hint}")) from None
        if renamed is not None:
            self._state.progress(
                f"{run.reports / 'latest'} was a folder, not a link to the newest run; "
                f"its name is now {renamed.name}"
            )
        self._state.trials = RunProgress(run.folder, self._events, self._state.outcomes)
        trials = len(set(self._state.planned.values()))
        self._events.add(
            RunStartedLine(
                at=clock.now(),
                run_id=run.run_id,
                folder=str(run.folder.resolve()),
                seed=run.seed,
                trials=trials,
            )
        )
        self._display = ProgressDisplay(config, trials, run.folder / "trials")

    def _close_display(self) -> None:
        if self._display is not None:
            self._display.close()

    def pytest_enter_pdb(self) -> None:
        """Give the whole terminal to the debugger."""
        self._close_display()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Write an event for a trial that begins."""
        if self._state.trials and nodeid in self._state.planned:
            trial_id = self._state.planned[nodeid]
            self._state.trials.start(trial_id, nodeid)
            if self._display is not None:
                self._display.started(trial_id)

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

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep errors and skips, and write an event for a trial that ends."""
        if self._state.trials and report.nodeid in self._state.planned:
            trial_id = self._state.planned[report.nodeid]
            self._state.trials.follow(trial_id, report)
            if self._display is not None and report.when not in ("setup", "call"):
                self._display.ended(trial_id)

    @pytest.hookimpl(tryfirst=True, optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str, report: pytest.TestReport) -> None:
        """Record that a worker died in a trial, before a plugin gives the trial to another worker."""
        if self._state.trials and crashitem in self._state.planned:
            self._state.trials.crash(self._state.planned[crashitem], report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Report events that could not be written. Exit with 0 for an empty shard, because there may be
        more CI jobs than trials."""
        self._close_display()
        if session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and self._empty_shard():
            session.exitstatus = pytest.ExitCode.OK
            self._state.progress(self._empty_shard())
        if self._events and self._events.problem:
            report_failed(session, self._state, self._events.problem)

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

    def _empty_shard(self) -> str:
        """What to say about a shard without trials; empty if it has some, or there is no shard."""
        state = self._state
        if state.shard is None or state.is_worker or state.own_trials:
            return ""
        count = len(state.matrix.all_trials())
        shard = f"{state.shard.index}/{state.shard.count}"
        return f"shard {shard} is empty: the matrix has {count} trial{'s' if count != 1 else ''}"

    def pytest_unconfigure(self) -> None:
        """Write the last event."""
        self._close_display()
        if self._events:
            line = RunFinishedLine(at=clock.now(), run_id=self._state.run.run_id)
            result = self._state.result
            if result is not None:
                passed = sum(cell.passed for cell in result.cells)
                not_run = sum(trial.state == "not_run" for trial in result.unfinished)
                line = line.model_copy(update={"passed": passed, "not_run": not_run})
            self._events.add(line)
            self._events.close()
