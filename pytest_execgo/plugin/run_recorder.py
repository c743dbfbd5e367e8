"""The progress of a run: its folder, its events, and what the terminal shows of it."""

from __future__ import annotations

from typing import Any, TextIO

import pytest

from pytest_execgo.benchmark.rebuild import write_run_record
from pytest_execgo.errors import HarnessError, UsageError
from pytest_execgo.models.stream import RunFinishedLine, RunStartedLine
from pytest_execgo.plugin import options
from pytest_execgo.plugin.events import EventsOut, EventStream
from pytest_execgo.plugin.matrix_checks import check_endpoint
from pytest_execgo.plugin.progress import RunProgress
from pytest_execgo.plugin.progress_display import ProgressDisplay
from pytest_execgo.plugin.run_record import run_record
from pytest_execgo.plugin.safe_errors import usage_error
from pytest_execgo.plugin.state import PluginState
from pytest_execgo.plugin.summary import report_failed
from pytest_execgo.system import clock


def _events_out(config: pytest.Config) -> TextIO | None:
    """The stream to which the caller of ``pytest.main`` wants the events copied."""
    for plugin in config.pluginmanager.get_plugins():
        if isinstance(plugin, EventsOut):
            return plugin.stream
    return None


class RunRecorder:
    """Opens the run's folder and records trials as they begin and end, in the process that writes the
    reports."""

    def __init__(self, state: PluginState) -> None:
        self._state = state
        self._events: EventStream | None = None
        self._display: ProgressDisplay | None = None

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
            check_endpoint(self._state, session.config)
            self._open_run(session.config)

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

    def _empty_shard(self) -> str:
        """What to say about a shard without trials; empty if it has some, or there is no shard."""
        state = self._state
        if state.shard is None or state.is_worker or state.own_trials:
            return ""
        count = len(state.matrix.all_trials())
        shard = f"{state.shard.index}/{state.shard.count}"
        return f"shard {shard} is empty: the matrix has {count} trial{'s' if count != 1 else ''}"

    def pytest_unconfigure(self) -> None:
        """Write ``run_finished`` with its counts, and close the stream of events."""
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
