"""Fixtures for trials and for tests of a project. Imports wait until a fixture is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from os import PathLike, fspath
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_execgo.harness.fleet import Fleet
    from pytest_execgo.models.plan import Mode
    from pytest_execgo.models.trial_result import TrialResult
    from pytest_execgo.run.session import RunSession
    from pytest_execgo.runner.client import ExecgoClient


@pytest.fixture(scope="session")
def execgo_session(pytestconfig: pytest.Config) -> Iterator[RunSession]:
    """The run session of this process; stops the fleet at the end."""
    from pytest_execgo.errors import UsageError
    from pytest_execgo.plugin.interrupt import end_in_order
    from pytest_execgo.plugin.state import PluginState
    from pytest_execgo.plugin.worker import end_with_controller

    end_in_order(pytestconfig)
    state = PluginState.of(pytestconfig)
    if state.is_worker:
        end_with_controller()
    try:
        session = state.session
    except UsageError as error:
        from pytest_execgo.plugin.safe_errors import usage_error

        raise usage_error(error) from None
    yield session
    session.close()


@pytest.fixture
def execgo_ready(pytestconfig: pytest.Config, execgo_session: RunSession) -> RunSession:
    """The session with a healthy fleet: a fleet in which a service does not answer is replaced first."""
    from pytest_execgo.errors import HarnessError
    from pytest_execgo.plugin.options import only_shows
    from pytest_execgo.plugin.safe_errors import error_text

    if only_shows(pytestconfig):
        # --setup-only: no test runs, so none needs a fleet.
        return execgo_session
    problem = None
    try:
        execgo_session.ensure_fleet()
    except HarnessError as error:
        problem = error_text(error)
    if problem is not None:
        # Not inside the handler: pytest would print the error twice.
        pytest.fail(problem, pytrace=False)
    return execgo_session


def _need_fleet(config: pytest.Config) -> None:
    """Skip a test whose fixtures need a fleet where none is started."""
    from pytest_execgo.plugin.options import only_shows

    if only_shows(config):
        pytest.skip("--setup-only starts no fleet")


@pytest.fixture
def execgo_fleet(pytestconfig: pytest.Config, execgo_ready: RunSession) -> Fleet:
    """The running fleet: ``execgo_fleet.url("execgo")``, ``.headers("execgo")``, ``.services``,
    ``.work_root``."""
    _need_fleet(pytestconfig)
    return execgo_ready.fleet


@pytest.fixture
def execgo_client(execgo_fleet: Fleet) -> Iterator[ExecgoClient]:
    """An HTTP client of the fleet's ExecGo."""
    from pytest_execgo.runner.client import ExecgoClient

    with ExecgoClient(execgo_fleet.url("execgo"), headers=execgo_fleet.headers("execgo")) as client:
        yield client


@pytest.fixture
def execgo_chaos(request: pytest.FixtureRequest) -> str:
    """The chaos profile of this test, from ``@pytest.mark.execgo(chaos=[...])``; ``none`` by default."""
    profile: str = getattr(request, "param", "none")
    return profile


@pytest.fixture
def execgo_run(
    request: pytest.FixtureRequest, execgo_session: RunSession, execgo_chaos: str
) -> Callable[..., TrialResult]:
    """``execgo_run(scenario=…, chaos=…, framework="reference", mode="replay")``: run one trial.

    Returns its :class:`TrialResult` for every verdict; assert on ``result.verdict.status``.
    ``scenario`` is a name or the path of a scenario's folder. A scenario or profile that is left out
    comes from ``@pytest.mark.execgo``. ``mode="live"`` asks the model of ``--execgo-provider``. Skips
    the test if this machine cannot run the trial.
    """
    from pytest_execgo.benchmark.reports.failure_text import failure_text
    from pytest_execgo.errors import HarnessError, UsageError
    from pytest_execgo.models.safe_text import for_terminal
    from pytest_execgo.plugin.marker import scenario_of
    from pytest_execgo.plugin.naming import selecting_id
    from pytest_execgo.plugin.places import places
    from pytest_execgo.plugin.safe_errors import error_text
    from pytest_execgo.run.applicability import TrialSkipped

    marker = request.node.get_closest_marker("execgo")
    default = scenario_of(marker) if marker else None

    def run(
        scenario: str | PathLike[str] | None = None,
        chaos: str | None = None,
        framework: str = "reference",
        mode: Mode = "replay",
    ) -> TrialResult:
        _need_fleet(request.config)
        name = scenario or default
        if name is None:
            pytest.fail(
                "execgo_run needs a scenario: execgo_run(scenario=…) or "
                "@pytest.mark.execgo(scenario=…)",
                pytrace=False,
            )
        try:
            result = execgo_session.run_cell(
                fspath(name),
                framework=framework,
                chaos=chaos or execgo_chaos,
                mode=mode,
                caller=selecting_id(request.node.name, request.node.nodeid),
            )
        except TrialSkipped as skipped:
            pytest.skip(for_terminal(skipped))
        except (UsageError, HarnessError) as error:
            pytest.fail(error_text(error), pytrace=False)
        if result.verdict.status != "passed":
            # pytest shows it if the test fails.
            folder = execgo_session.run.trial_folder(result.trial_id)
            text = failure_text(result, places(request.config).shown(folder))
            request.node.add_report_section("call", f"execgo {result.trial_id}", text)
        return result

    return run
