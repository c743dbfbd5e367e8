"""Writes the reports at the end of a run and shows the summary on the terminal."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from textwrap import wrap
from types import SimpleNamespace

import pytest

from pytest_execgo.benchmark.adaptive import spend_line
from pytest_execgo.benchmark.compare import compare, is_worse
from pytest_execgo.benchmark.gates import gate_line, judge, parse_gate
from pytest_execgo.benchmark.named_causes import misnamed_lines
from pytest_execgo.benchmark.rebuild import COMPARISON, RebuiltRun, rebuild, write_run_record
from pytest_execgo.benchmark.reports.comparison import comparison_lines, comparison_markdown
from pytest_execgo.benchmark.reports.table import (
    cause_lines,
    controls_failed,
    distrust,
    finding_lines,
    not_run_line,
    summary_line,
)
from pytest_execgo.benchmark.reports.terminal import terminal_table
from pytest_execgo.benchmark.reports.writing import write_reports
from pytest_execgo.errors import HarnessError, UsageError
from pytest_execgo.files.writing import write_model, write_text
from pytest_execgo.models.benchmark import BenchmarkResult
from pytest_execgo.models.gate import GateRecord
from pytest_execgo.models.safe_text import LONGEST_TEXT, for_ci_log, for_terminal
from pytest_execgo.options.table import BY_NAME
from pytest_execgo.plugin import options
from pytest_execgo.plugin.ci import show_on_github
from pytest_execgo.plugin.golden import update_expected
from pytest_execgo.plugin.places import called_folder
from pytest_execgo.plugin.run_record import replays, run_record
from pytest_execgo.plugin.state import PluginState

CONTROL_FAILED = 10
"""The exit code of an untrustworthy run. pytest itself uses 0 to 6."""


def finish(session: pytest.Session, state: PluginState) -> None:
    """Aggregate the run's folder and write every report format.

    A format that fails does not stop the others. The summary lists it, and the exit code is not 0.
    """
    if state.trials is not None:
        state.trials.close()
    folder = state.run.folder
    path = folder / "environment.json"
    try:
        if not path.exists():
            # No fleet started: the report names no service.
            write_model(path, state.run.environment({}))
        rebuilt = _rebuilt(session, state)
        state.result = rebuilt.result
    except (UsageError, HarnessError) as error:
        report_failed(session, state, f"benchmark: {error}")
        return
    if options.value(state.config, "resume"):
        _judge_whole_run(session, rebuilt)
    for line in rebuilt.damaged:
        report_failed(session, state, line)
    blocking = [gate for gate in state.result.gates if gate.verdict == "BLOCK"]
    differ = any(replay.differences for replay in state.result.replays)
    _count_blocking(session, blocking)
    if (blocking or differ) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    judged = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    if controls_failed(state.result) and session.exitstatus in judged:
        session.exitstatus = CONTROL_FAILED
    if state.base is not None:
        state.result = _compared(session, state, state.result)
    formats = state.registry.report_formats
    for line in write_reports(folder, state.result, formats, state.html_budget_mib):
        report_failed(session, state, line)


def _compared(
    session: pytest.Session, state: PluginState, result: BenchmarkResult
) -> BenchmarkResult:
    """The result with its comparison to the run that the user named; a worse one fails."""
    assert state.base is not None
    found = compare(state.base, result)
    try:
        folder = state.run.folder
        write_model(folder / COMPARISON, found)
        write_text(folder / "comparison.md", comparison_markdown(found))
    except HarnessError as error:
        report_failed(session, state, str(error))
    if is_worse(found) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    return result.model_copy(update={"comparison": found})


def _rebuilt(session: pytest.Session, state: PluginState) -> RebuiltRun:
    """The result of the run as ``report`` would build it from the folder."""
    folder, record = state.run.folder, run_record(state)
    rebuilt = rebuild(folder, record)
    repeated = replays(state, rebuilt.result.trials, rebuilt.result.unfinished)
    gates = map(parse_gate, (gate.expression for gate in record.gates))
    judged = judge(gates, rebuilt.result, state.base)
    record = record.model_copy(update={"replays": tuple(repeated), "gates": tuple(judged)})
    rebuilt = rebuild(folder, record)
    try:
        write_run_record(folder, record)
    except HarnessError as error:
        report_failed(session, state, str(error))
    return rebuilt


def _count_blocking(session: pytest.Session, gates: Sequence[GateRecord]) -> None:
    """Let the last line of pytest's output count the gates that failed the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and gates:
        # Other plugins look for attributes of everything that is counted.
        counted = [SimpleNamespace(text=gate.expression) for gate in gates]
        reporter.stats.setdefault("fail-if", []).extend(counted)


def _judge_whole_run(session: pytest.Session, rebuilt: RebuiltRun) -> None:
    """Let the exit code of a resumed run count all of its trials, not only those that were missing. A
    result that cannot be read has an exit code of its own."""
    result = rebuilt.result
    errors = [one for one in result.unfinished if one.state == "error"]
    green = all(t.verdict.status == "passed" or t.known_finding for t in result.trials)
    green = green and all(one.reason in rebuilt.damaged for one in errors)
    nothing_new = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    if session.exitstatus in nothing_new:
        session.exitstatus = pytest.ExitCode.OK if green else pytest.ExitCode.TESTS_FAILED


def report_failed(session: pytest.Session, state: PluginState, text: str) -> None:
    """Show that a report is missing or incomplete, and let the run fail."""
    state.report_failures.append(text)
    if session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.INTERNAL_ERROR


def show(reporter: pytest.TerminalReporter, state: PluginState) -> None:
    """Write the section at the end of pytest's output; with ``-q``, one line and what is wrong."""
    result = state.result
    if result is None and not state.report_failures:
        return
    verbose = state.config.option.verbose
    if verbose >= 0:
        reporter.section("execgo")
    if result is not None:
        for text in distrust(result):
            reporter.write_line(f"NOT TRUSTWORTHY: {for_terminal(text)}", red=True, bold=True)
        if state.builtin_because and result.trials:
            why = for_terminal(state.builtin_because)
            reporter.write_line(f"the built-in scenarios ran: {why}", yellow=True)
        if verbose >= 0:
            _show_table(reporter, result, all_rows=verbose > 0)
            for text, colour in _details(result, state):
                markup = {colour: True} if colour else {}
                for line in _wrapped(reporter, for_terminal(text, limit=LONGEST_TEXT)):
                    reporter.write_line(line, **markup)
        if result.comparison is not None:
            for text in comparison_lines(result.comparison):
                worse = is_worse(result.comparison)
                reporter.write_line(for_terminal(text, limit=LONGEST_TEXT), red=worse)
        for gate in result.gates:
            if gate.verdict != "PASS":
                alarm = {"red": True} if gate.verdict == "BLOCK" else {"yellow": True}
                line = for_terminal(f"fail-if {gate_line(gate)}", limit=LONGEST_TEXT)
                reporter.write_line(line, **alarm)
        passed = (
            f"{sum(cell.passed for cell in result.cells)} of {len(result.trials)} trials passed"
        )
        parts = (passed if verbose < 0 else "", summary_line(result), _shown(state))
        line = for_terminal(" · ".join(filter(None, parts)), limit=LONGEST_TEXT)
        for part in _wrapped(reporter, line):
            reporter.write_line(part)
    if result is not None and state.run.update_expected:
        update_expected(reporter, state)
    if result is not None:
        show_on_github(reporter, result, os.environ)
    for text in state.report_failures:
        reporter.write_line(f"report failed: {for_terminal(text)}", red=True)


def _wrapped(reporter: pytest.TerminalReporter, line: str) -> list[str]:
    """The lines of a text that fit the terminal. Elsewhere, and for a command that people copy, it stays
    one line."""
    width = reporter.config.get_terminal_writer().fullwidth
    if not reporter.isatty or len(line) < width or ": pytest " in line:
        return [line]
    parts = wrap(
        line, width - 1, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
    return [for_ci_log(part) for part in parts]


def _show_table(
    reporter: pytest.TerminalReporter, result: BenchmarkResult, *, all_rows: bool
) -> None:
    width = reporter.config.get_terminal_writer().fullwidth
    table = terminal_table(result, width, all_rows=all_rows)
    if table.caption:
        reporter.write_line(table.caption)
    for row in table.rows:
        markup = {row.state: True} if row.state else {}
        reporter.write_line(table.text(row), **markup)


def _details(result: BenchmarkResult, state: PluginState) -> Iterator[tuple[str, str]]:
    """The lines below the table, each with its colour; an empty text means no colour."""
    left_out = {(pair.reason, pair.scenario, pair.chaos) for pair in result.not_applicable}
    for reason, count in sorted(Counter(reason for reason, *_ in left_out).items()):
        pairs = f"{count} pair{'s' if count > 1 else ''} of scenario and profile"
        yield f"not applicable: {pairs}: {reason}", ""
    yield from ((text, "red") for text in cause_lines(result))
    yield from ((text, "") for text in filter(None, [spend_line(result)]))
    left = not_run_line(result, _places(state.config))
    if left:
        yield left, "yellow"
    yield from ((text, "yellow") for text in finding_lines(result))
    yield from ((text, "yellow") for text in misnamed_lines(result.trials))
    for trial in result.trials:
        if trial.left_behind:
            yield f"{trial.trial_id} left processes: {'; '.join(trial.left_behind)}", "yellow"
    for replay in result.replays:
        found = "; ".join(replay.differences) or "equal: verdict, causes, faults and checks"
        yield f"replay of {replay.of}: {found}", "red" if replay.differences else ""
    red = any(t.verdict.status != "passed" and not t.known_finding for t in result.trials)
    if red and state.config.pluginmanager.get_plugin("lfplugin") is not None:
        yield f"run the red trials again: pytest {_again(state.config)}", ""


def _again(config: pytest.Config) -> str:
    """The arguments of this call, for the trials that failed; another run needs another id."""
    words = [str(word) for word in config.invocation_params.args]
    if options.given(config, "run_id"):
        words = [word for word in words if not word.startswith("--execgo-run-id=")]
    return shlex.join([*words, *(() if config.getoption("lf", False) else ("--lf",))])


def _places(config: pytest.Config) -> list[str]:
    """The options of the command line that a resumed run needs as well."""
    given = {name: options.given(config, name) for name in ("scenarios", "reports")}
    return [
        word for name, text in given.items() if text for word in BY_NAME[name].arguments([text])
    ]


def _shown(state: PluginState) -> str:
    path = state.run.folder / "benchmark.md"
    try:
        return path.relative_to(called_folder(state.config)).as_posix()
    except ValueError:
        return str(path)
