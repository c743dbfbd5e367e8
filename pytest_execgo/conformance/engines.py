"""Engines for conformance cases: launched as each case needs, and shared if possible."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pytest_execgo.conformance.cases import Case, EngineNeeds
from pytest_execgo.conformance.differences import DIFFERENCES
from pytest_execgo.conformance.matching import Differences
from pytest_execgo.conformance.peer import Peer
from pytest_execgo.conformance.runner import CaseRunner, closed_address
from pytest_execgo.errors import HarnessError
from pytest_execgo.harness.environment import service_environment
from pytest_execgo.harness.processes.service import ProcessService
from pytest_execgo.harness.service import Launcher, LaunchSite, Service, Unwatched

ENGINE_VARIABLES = ("EXECGO_SHELL_POLICY", "EXECGO_RUNTIME_TENANT", "EXECGO_RUNTIME_OWNER")


class EngineUnderTest:
    """A launched engine; see :class:`pytest_execgo.conformance.runner.Engine`."""

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
    """Starts engines, and keeps those that several cases can share."""

    def __init__(self, launcher: Launcher, target: str, peer: Peer, root: Path) -> None:
        self.launcher, self.target, self.peer, self.root = launcher, target, peer, root
        self.closed = closed_address()
        self.versions: set[str] = set()
        """The versions that the launched engines reported."""
        self._shared: dict[EngineNeeds, EngineUnderTest] = {}
        self._count = 0

    @property
    def external(self) -> bool:
        """Whether the engine already runs at a URL."""
        return self.launcher.kind == "external"

    @property
    def embedded(self) -> bool:
        """Whether the engine is the embedded one."""
        return self.launcher.kind == "embedded"

    def get(self, needs: EngineNeeds) -> EngineUnderTest:
        """An engine for these needs: a shared one that answers, or a new one."""
        shared = None if needs.own else self._shared.get(needs)
        if shared is None or not shared.service.ready():
            shared = self._launch(needs)
            if not needs.own:
                self._shared[needs] = shared
        return shared

    def living(self) -> str:
        """The base URL of an engine without special needs that answers."""
        return self.get(EngineNeeds()).base_url

    def discard(self) -> None:
        """Stop the engine without special needs; the next use starts another. An external one keeps
        running."""
        engine = self._shared.pop(EngineNeeds(), None)
        if engine is not None:
            engine.service.stop()

    def stop(self) -> None:
        """Stop the shared engines."""
        for engine in self._shared.values():
            engine.service.stop()

    def _launch(self, needs: EngineNeeds) -> EngineUnderTest:
        self._count += 1
        root = self.root / str(self._count)
        root.mkdir()
        environment = {k: v for k, v in service_environment().items() if k not in ENGINE_VARIABLES}
        if needs.max_concurrency is not None:
            environment["EXECGO_MAX_CONCURRENCY"] = str(needs.max_concurrency)
        extra = {
            name: value.replace("{{peer}}", self.peer.url).replace("{{closed}}", self.closed)
            for name, value in needs.env
        }
        runtime_url = extra.pop("EXECGO_RUNTIME_URL", self.peer.url)
        site = LaunchSite(root, environment | extra, Unwatched(), {"runtime": runtime_url})
        service = self.launcher.launch("execgo", self.target, site)
        self.versions.add(service.info.version)
        return EngineUnderTest(service, site.data_dir("execgo"))

    # -- running cases

    def why_not(self, case: Case) -> str | None:
        """Why this engine cannot run a case; ``None`` if it can."""
        needs_start = case.engine.own or case.engine.env or case.peer is not None
        if self.external and (needs_start or case.engine.max_concurrency is not None):
            return (
                "needs an engine that is started for this case; the engine under test is external"
            )
        return None

    def expected_to_differ(self, case: Case) -> str | None:
        """Why the embedded engine differs on purpose; ``None`` if the engine must match."""
        return DIFFERENCES.get(case.name) if self.embedded else None

    def run(self, case: Case) -> Differences:
        """Run a case; returns its differences, empty if the case passes."""
        engine = self.get(case.engine)
        if case.engine.fatal and self.expected_to_differ(case):
            case = _shortened(case)
        try:
            return CaseRunner(engine, self.peer, self.closed).run(case)
        finally:
            if case.engine.own:
                engine.service.stop()


# The embedded engine does not die of a fatal case: a short wait proves that it still runs.
_FATAL_WITHIN_SECONDS = 0.5


def _shortened(case: Case) -> Case:
    steps = [
        {**step, "within_s": _FATAL_WITHIN_SECONDS} if step.get("control") == "await_exit" else step
        for step in case.requests
    ]
    return replace(case, requests=tuple(steps))
