"""The engine under test: the embedded one, or the choice of ``--execgo-service execgo=…``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_execgo.conformance.engines import Engines
from pytest_execgo.conformance.peer import Peer
from pytest_execgo.errors import HarnessError, UsageError
from pytest_execgo.plugin.state import PluginState


@pytest.fixture(scope="session")
def peer() -> Iterator[Peer]:
    with Peer() as running:
        yield running


@pytest.fixture(scope="session")
def engines(
    pytestconfig: pytest.Config, peer: Peer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engines]:
    state = PluginState.of(pytestconfig)
    try:
        launcher, target = state.fleet_spec.resolve(state.registry.launchers)["execgo"]
        running = Engines(launcher, target, peer, tmp_path_factory.mktemp("engines"))
        running.living()
    except (UsageError, HarnessError) as error:
        # Without an engine, every test would report the same.
        pytest.exit(f"execgo: {error}", returncode=pytest.ExitCode.USAGE_ERROR)
    yield running
    running.stop()
