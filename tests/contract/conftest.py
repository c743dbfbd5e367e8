"""The engine under test: the embedded one, or what ``--execgo-service execgo=…`` names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_execgo.conformance.cases import EngineNeeds
from pytest_execgo.conformance.peer import Peer
from pytest_execgo.conformance.runner import closed_address
from pytest_execgo.errors import HarnessError
from pytest_execgo.harness.process import ProcessService
from pytest_execgo.harness.service import Launcher, Service, Site
from pytest_execgo.plugin.state import PluginState

ENGINE_VARIABLES = ("EXECGO_SHELL_POLICY", "EXECGO_RUNTIME_TENANT", "EXECGO_RUNTIME_OWNER")


class Unwatched:
    """Nobody has to be told."""

    def service_exited(self, service: str, pid: int, exit_status: int) -> None:
        pass

    def service_ready(self, service: str, pid: int | None) -> None:
        pass


class EngineUnderTest:
    """See :class:`pytest_execgo.conformance.runner.Engine`."""

    def __init__(self, service: Service, data_dir: Path) -> None:
        self.service, self.data_dir = service, data_dir

    @property
    def base_url(self) -> str:
        return self.service.url

    @property
    def _process(self) -> ProcessService:
        assert isinstance(self.service, ProcessService)
        return self.service

    def terminate(self) -> int:
        return self._process.terminate()

    def kill(self) -> int:
        return self._process.kill()

    def start(self) -> int | None:
        try:
            self._process.revive()
        except HarnessError:
            return self._process.await_exit(0)
        return None

    def await_exit(self, seconds: float) -> int | None:
        return self._process.await_exit(seconds)


class Engines:
    """Starts an engine for each need, and keeps those that cases may share."""

    def __init__(self, launcher: Launcher, target: str, peer: Peer, root: Path) -> None:
        self.launcher, self.target, self.peer, self.root = launcher, target, peer, root
        self.closed = closed_address()
        self._shared: dict[EngineNeeds, EngineUnderTest] = {}
        self._count = 0

    @property
    def external(self) -> bool:
        return self.launcher.kind == "external"

    @property
    def embedded(self) -> bool:
        return self.launcher.kind == "embedded"

    def get(self, needs: EngineNeeds) -> EngineUnderTest:
        shared = None if needs.own else self._shared.get(needs)
        if shared is None or not shared.service.ready():
            shared = self._launch(needs)
            if not needs.own:
                self._shared[needs] = shared
        return shared

    def stop(self) -> None:
        for engine in self._shared.values():
            engine.service.stop()

    def _launch(self, needs: EngineNeeds) -> EngineUnderTest:
        self._count += 1
        root = self.root / str(self._count)
        root.mkdir()
        environment = {k: v for k, v in os.environ.items() if k not in ENGINE_VARIABLES}
        if needs.max_concurrency is not None:
            environment["EXECGO_MAX_CONCURRENCY"] = str(needs.max_concurrency)
        extra = {
            name: value.replace("{{peer}}", self.peer.url).replace("{{closed}}", self.closed)
            for name, value in needs.env
        }
        runtime_url = extra.pop("EXECGO_RUNTIME_URL", self.peer.url)
        site = Site(root, environment | extra, Unwatched(), {"runtime": runtime_url})
        service = self.launcher.launch("execgo", self.target, site)
        return EngineUnderTest(service, site.data_dir("execgo"))


@pytest.fixture(scope="session")
def peer() -> Iterator[Peer]:
    with Peer() as running:
        yield running


@pytest.fixture(scope="session")
def engines(
    pytestconfig: pytest.Config, peer: Peer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engines]:
    state = PluginState.of(pytestconfig)
    launcher, target = state.fleet_spec.resolve(state.registry.launchers)["execgo"]
    running = Engines(launcher, target, peer, tmp_path_factory.mktemp("engines"))
    yield running
    running.stop()
