"""The pytest plugin: the only package that imports pytest. Hooks here are short and delegate.

pytest loads this module in every project that has the plugin installed. So it imports only what the
declaration of options and fixtures needs.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_execgo.errors import UsageError
from pytest_execgo.plugin import options, places
from pytest_execgo.plugin.fixtures import (
    execgo_chaos,
    execgo_client,
    execgo_fleet,
    execgo_ready,
    execgo_run,
    execgo_session,
)
from pytest_execgo.plugin.places import reports_folder

# It must be imported before pytest begins to capture standard output.
from pytest_execgo.plugin.terminal import NAME as TERMINAL  # noqa: F401

if TYPE_CHECKING:
    from pytest_execgo.plugin.state import PluginState

__all__ = [
    "execgo_chaos",
    "execgo_client",
    "execgo_fleet",
    "execgo_ready",
    "execgo_run",
    "execgo_session",
]

MARKER = (
    "execgo(scenario, chaos=[...]): defaults of execgo_run; with several chaos profiles the test "
    "runs once for each"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options and their ini twins."""
    options.add(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the extension points that a ``conftest.py`` can implement."""
    from pytest_execgo.extensions import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


@pytest.hookimpl(specname="pytest_configure", tryfirst=True)
def pytest_markers_of_ini_file(config: pytest.Config) -> None:
    """Keep the markers that are registered before any plugin adds its own."""
    from pytest_execgo.plugin.trial_markers import IN_INI, registered

    config.stash[IN_INI] = registered(config)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register markers and, with ``--execgo-matrix``, the plugin that collects the matrix."""
    config.addinivalue_line("markers", MARKER)
    _check(config)
    if options.matrix_wanted(config):
        from pytest_execgo.plugin.interrupt import end_in_order
        from pytest_execgo.plugin.matrix import MatrixPlugin
        from pytest_execgo.plugin.run_recorder import RunRecorder
        from pytest_execgo.plugin.state import PluginState

        end_in_order(config)
        config.pluginmanager.register(MatrixPlugin(config), "execgo-matrix")
        config.pluginmanager.register(RunRecorder(PluginState.of(config)), "execgo-recorder")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | pytest.ExitCode | None:
    """Start again with the right root folder if the value of an option has moved it. Refuse ``-f`` where
    the reports of each run would start the next one."""
    try:
        words = places.joined_arguments(config)
        if config.getoption("looponfail", False) and options.matrix_wanted(config):
            places.refuse_watched_reports(config)
    except UsageError as error:
        raise pytest.UsageError(f"execgo: {error}") from None
    if words is None:
        return None
    return pytest.main(words, plugins=list(config.invocation_params.plugins or ()))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the folders of runs alone: workspaces of trials may hold tests."""
    if collection_path.is_dir() and places.is_report(collection_path, reports_folder(config)):
        return True
    return None


_READ_AT_ONCE = ("fail_if", "html_budget", "resume", "replay")
"""The options that are needed only at the end, or that take the place of others."""


def _check(config: pytest.Config) -> None:
    """Report a mistake before anything runs, also in a project that only uses ``execgo_run``."""
    try:
        options.refuse_empty(config)
        options.refuse_without_matrix(config)
        if options.value(config, "run_id"):
            options.run_id(config)
        if any(options.value(config, name) for name in _READ_AT_ONCE):
            from pytest_execgo.plugin.state import PluginState

            state = PluginState.of(config)
            _ = state.gates, state.html_budget_mib, state.request
    except UsageError as error:
        from pytest_execgo.plugin.safe_errors import usage_error

        raise usage_error(error) from None


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give an xdist worker the facts of its run."""
    node.workerinput |= places.for_worker(node.config)
    node.workerinput["execgo_run_id"] = options.run_id(node.config)
    node.workerinput["execgo_replay"] = str(options.replay_folder(node.config) or "")
    node.workerinput["execgo_images"] = options.images(node.config)
    node.workerinput["execgo_workers"] = str(len(node.config.getoption("tx", None) or [1]))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Repeat a test for each profile of ``@pytest.mark.execgo(chaos=[...])``."""
    marker = metafunc.definition.get_closest_marker("execgo")
    if marker and "execgo_chaos" in metafunc.fixturenames:
        from pytest_execgo.plugin.marker import profiles_of

        metafunc.parametrize("execgo_chaos", profiles_of(marker, metafunc.config), indirect=True)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, None, None]:
    """Write the reports when all trials of all workers are on disk, also if another plugin raises."""
    try:
        yield
    finally:
        state = _used_state(session.config)
        if state is not None:
            from pytest_execgo.plugin.summary import finish

            finish(session, state)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Show the table of cells, or why there is none."""
    hint = places.unused_scenarios(config) if not options.matrix_wanted(config) else ""
    if hint and not terminalreporter.stats:
        terminalreporter.write_line(f"execgo: {hint}", yellow=True)
    state = _used_state(config)
    if state is not None:
        from pytest_execgo.plugin.summary import show

        show(terminalreporter, state)


def _used_state(config: pytest.Config) -> PluginState | None:
    """The state of a run that has a folder; ``None`` without one, and on xdist workers."""
    if hasattr(config, "workerinput") or options.RUN_ID not in config.stash:
        return None
    if options.only_shows(config):
        return None
    # With xdist every run gets an id, also one without trials: look before importing anything heavy.
    if not (reports_folder(config) / options.run_id(config)).is_dir():
        return None
    from pytest_execgo.plugin.state import PluginState

    return PluginState.of(config)
