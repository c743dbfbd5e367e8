"""The fleet: fixtures, runtime and ExecGo, brought up together and never left behind."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pytest_execgo.errors import HarnessError, UsageError, unknown_name
from pytest_execgo.harness.proxy import FaultProxy
from pytest_execgo.harness.reaper import sweep
from pytest_execgo.harness.service import (
    SERVICE_NAMES,
    Disturbable,
    Launcher,
    LogSource,
    Service,
    Site,
    Watcher,
)
from pytest_execgo.models.benchmark import ServiceInfo


@dataclass(frozen=True)
class FleetSpec:
    """Which launcher brings up which service; ``choices`` maps a name to ``kind[:target]``.

    ``links`` names the services that are reached through a :class:`FaultProxy`: execgo by the driver,
    runtime by ExecGo, fixtures by tasks.
    """

    harness: str = "embedded"
    choices: tuple[tuple[str, str], ...] = ()
    links: frozenset[str] = frozenset()

    def resolve(self, launchers: Mapping[str, Launcher]) -> dict[str, tuple[Launcher, str]]:
        """Launcher and target of each service; raises :class:`UsageError` for a choice that cannot
        work."""
        resolved: dict[str, tuple[Launcher, str]] = {}
        chosen = dict(self.choices)
        for name in chosen:
            if name not in SERVICE_NAMES:
                raise UsageError(unknown_name("service", name, SERVICE_NAMES))
        for name in SERVICE_NAMES:
            kind, _, target = chosen.get(name, self.harness).partition(":")
            launcher = launchers.get(kind)
            if launcher is None:
                raise UsageError(unknown_name("launcher", kind, launchers) + f" for {name}")
            if name not in launcher.services:
                able = [k for k, known in launchers.items() if name in known.services]
                raise UsageError(
                    f"{name} cannot be launched as {kind} (allowed: {', '.join(sorted(able))})"
                )
            if launcher.needs_target and not target:
                raise UsageError(f"{name}={kind} needs a target, as in {name}={kind}:…")
            launcher.check(name, target)
            resolved[name] = (launcher, target)
        return resolved


class Fleet:
    """A running fleet. Use it as a context manager, or call :meth:`start` and :meth:`stop`."""

    def __init__(
        self, spec: FleetSpec, launchers: Mapping[str, Launcher], python: str = sys.executable
    ) -> None:
        self._launchers = spec.resolve(launchers)
        self.links = spec.links
        self.python = python
        self.services: dict[str, Service] = {}
        self._watchers: list[Watcher] = []
        self._token = ""
        self._root: Path | None = None
        self._reaper: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Fleet:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    @property
    def work_root(self) -> Path:
        """The folder under which workspaces of trials lie; all services see it under this path."""
        if self._root is None:
            raise HarnessError("the fleet is not running")
        return self._root / "work"

    def start(self) -> None:
        """Bring everything up; on failure everything is taken down again and the error raised."""
        self._token = f"execgo-fleet-{os.getpid()}-{secrets.token_hex(4)}"
        self._root = Path(tempfile.mkdtemp(prefix=f"{self._token}-")).resolve()
        for name in ("work", "tmp"):
            (self._root / name).mkdir()
        self._reaper = subprocess.Popen(
            [sys.executable, "-m", "pytest_execgo.harness.reaper", self._token, str(self._root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            with ThreadPoolExecutor(2) as pool:
                fixtures = pool.submit(self._launch, "fixtures")
                self._launch("runtime")
                self._launch("execgo")
                fixtures.result()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Take everything down, tasks that still run included. Calling it twice is harmless."""
        for name in reversed(SERVICE_NAMES):
            service = self.services.pop(name, None)
            if service is not None:
                service.stop()
                if service.link is not None:
                    service.link.close()
        reaper, self._reaper = self._reaper, None
        if reaper is not None:
            sweep(self._token)
            assert reaper.stdin is not None
            reaper.stdin.close()
            reaper.wait()
        root, self._root = self._root, None
        if root is not None:
            remove_tree(root)

    def watch(self, watcher: Watcher) -> None:
        """Tell ``watcher`` about services from now on."""
        self._watchers.append(watcher)

    def unwatch(self, watcher: Watcher) -> None:
        """Stop telling it."""
        self._watchers.remove(watcher)

    def service_exited(self, service: str, pid: int, exit_status: int) -> None:
        """See :class:`Watcher`; the fleet passes it on."""
        for watcher in list(self._watchers):
            watcher.service_exited(service, pid, exit_status)

    def service_ready(self, service: str, pid: int | None) -> None:
        """See :class:`Watcher`; the fleet passes it on."""
        for watcher in list(self._watchers):
            watcher.service_ready(service, pid)

    def url(self, service: str) -> str:
        """Base URL by which the clients of a service reach it: through its link, if it has one."""
        found = self.services[service]
        return found.link.url if found.link else found.url

    def unready(self) -> list[str]:
        """Names of the services that do not answer now."""
        missing = [name for name in SERVICE_NAMES if name not in self.services]
        return missing + [name for name, service in self.services.items() if not service.ready()]

    def abnormal(self) -> list[str]:
        """What is still done to the services or to the way to them, in words; empty if nothing."""
        found = []
        for name, service in self.services.items():
            if isinstance(service, Disturbable) and (state := service.abnormal()):
                found.append(state)
            if service.link is not None and service.link.fault is not None:
                found.append(f"the link to {name} is still under {service.link.fault.kind}")
        return found

    def infos(self) -> dict[str, ServiceInfo]:
        """Who the services are, for the record."""
        return {
            name: service.info.model_copy(update={"proxied": service.link is not None})
            for name, service in sorted(self.services.items())
        }

    def log_paths(self) -> dict[str, Path]:
        """Log files of the services that have one."""
        return {
            name: service.log_path
            for name, service in self.services.items()
            if isinstance(service, LogSource)
        }

    def _launch(self, name: str) -> None:
        launcher, target = self._launchers[name]
        assert self._root is not None
        environment = {
            **os.environ,
            "PYTEST_EXECGO_FLEET": self._token,
            "TMPDIR": str(self._root / "tmp"),
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }
        # pytest's own settings must not reach services and the tests that tasks run.
        for variable in ("PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST", "PYTEST_XDIST_WORKER"):
            environment.pop(variable, None)
        urls = {known: self.url(known) for known in dict(self.services)}
        site = Site(self._root, environment, self, urls, self.python)
        service = self.services[name] = launcher.launch(name, target, site)
        if name in self.links and not self._out_of_reach(name):
            service.link = FaultProxy(service.url)

    def _out_of_reach(self, name: str) -> bool:
        """An ExecGo that somebody else runs has been told by them where its runtime is; and a proxy of
        bytes knows neither TLS nor a path before the API's own."""
        if name == "runtime" and self._launchers["execgo"][0].kind == "external":
            return True
        parts = urlsplit(self.services[name].url)
        return parts.scheme != "http" or parts.path not in ("", "/")


def remove_tree(path: Path) -> None:
    """Remove a workspace, folders that a task made read-only included. Never raises: what is left
    (a task may still be writing) goes with the fleet's own folder."""

    for folder, _, _ in os.walk(path):
        with suppress(OSError):
            os.chmod(folder, 0o700)
    shutil.rmtree(path, ignore_errors=True)
