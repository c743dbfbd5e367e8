"""The fleet: fixtures, runtime and ExecGo, started and stopped together."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from pytest_execgo.errors import HarnessError, UsageError, unknown_name
from pytest_execgo.files.workspace import remove_tree
from pytest_execgo.harness.environment import service_environment
from pytest_execgo.harness.proxy import FaultProxy, Partitionable
from pytest_execgo.harness.readiness import DEFAULT_TIMEOUT_SECONDS
from pytest_execgo.harness.reaper import FLEET_VARIABLE, Reaper
from pytest_execgo.harness.service import (
    SERVICE_NAMES,
    FaultReporting,
    Inside,
    Launcher,
    LaunchSettings,
    LaunchSite,
    LogSource,
    Networked,
    Progress,
    Service,
    ServiceNetwork,
    Watcher,
)
from pytest_execgo.models.environment import ServiceInfo
from pytest_execgo.models.events import ServiceExited
from pytest_execgo.ports import headers_of
from pytest_execgo.system import sockets


@dataclass(frozen=True)
class FleetSpec:
    """The launcher of each service.

    ``choices`` are pairs of a service and ``kind[:target]``; ``harness`` is the choice for all other
    services. Clients reach the services in ``links`` through a :class:`FaultProxy`: the runner reaches
    execgo, ExecGo reaches the runtime, and tasks reach fixtures.
    """

    harness: str = "embedded"
    choices: tuple[tuple[str, str], ...] = ()
    links: frozenset[str] = frozenset()
    base: Path = field(default_factory=Path.cwd)
    """The folder to which relative paths in targets refer."""
    settings: LaunchSettings = field(default_factory=LaunchSettings)
    ready_within_seconds: float = DEFAULT_TIMEOUT_SECONDS
    arguments: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Further arguments for the command line of a service, by its name."""
    variables: frozenset[str] = frozenset()
    """The environment variables that services get besides those in ``harness/environment.py``."""

    def resolve(
        self, launchers: Mapping[str, Launcher], *, names_only: bool = False
    ) -> dict[str, tuple[Launcher, str]]:
        """Launcher and target of each service; raises :class:`UsageError` for an impossible choice.

        ``names_only``: check names only, not whether the launcher works on this machine.
        """
        chosen = dict(self.choices)
        for name in (*chosen, *self.arguments):
            if name not in SERVICE_NAMES:
                raise UsageError(unknown_name("service", name, SERVICE_NAMES))
        configured = {k: known.configured(self.settings) for k, known in launchers.items()}
        resolved: dict[str, tuple[Launcher, str]] = {
            name: self._resolve_one(name, chosen.get(name, self.harness), configured, names_only)
            for name in SERVICE_NAMES
        }
        self._refuse_mixtures(resolved)
        for name, arguments in self.arguments.items():
            resolved[name][0].check_arguments(name, arguments)
        return resolved

    def _resolve_one(
        self, name: str, choice: str, launchers: Mapping[str, Launcher], names_only: bool
    ) -> tuple[Launcher, str]:
        """Launcher and target of one service from ``kind[:target]``."""
        kind, _, target = choice.partition(":")
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
        target = launcher.located(name, target, self.base)
        if not names_only:
            launcher.check(name, target)
        return launcher, target

    def _refuse_mixtures(self, resolved: Mapping[str, tuple[Launcher, str]]) -> None:
        """Raise :class:`UsageError` for services that cannot be part of one fleet."""
        networked = {
            name: (launcher, target)
            for name, (launcher, target) in resolved.items()
            if isinstance(launcher, Networked)
        }
        networks = {
            f"{one.kind}:{target}" if one.whole_fleet else one.kind
            for one, target in networked.values()
        }
        if len(networks) > 1:
            raise UsageError(
                "services of one fleet cannot be on two networks "
                f"({' and '.join(sorted(networks))})"
            )
        whole = [name for name, (one, _) in networked.items() if one.whole_fleet]
        if whole and len(whole) < len(SERVICE_NAMES):
            choice = dict(self.choices).get(whole[0], self.harness)
            raise UsageError(
                f"{whole[0]}={choice}: a persistent fleet provides all services: "
                "remove --execgo-service"
            )

    def prepare(self, launchers: Mapping[str, Launcher], progress: Progress) -> None:
        """Do the slow work once for all fleets of a run (images); raises :class:`UsageError`."""
        for name, (launcher, target) in self.resolve(launchers).items():
            launcher.prepare(name, target, progress)


# Client of each service: ExecGo calls the runtime; tasks (run by the runtime) call fixtures.
_CLIENTS = {"runtime": "execgo", "fixtures": "runtime"}


class Fleet:
    """A running fleet. Use it as a context manager, or call :meth:`start` and :meth:`stop`."""

    def __init__(
        self, spec: FleetSpec, launchers: Mapping[str, Launcher], *, renew: bool = False
    ) -> None:
        self._launchers = spec.resolve(launchers)
        self._spec, self._renew = spec, renew
        self.services: dict[str, Service] = {}
        self._watchers: list[Watcher] = []
        self._networks: dict[str, ServiceNetwork] = {}
        self._token = ""
        self._access_tokens: dict[str, str] = {}
        self._root: Path | None = None
        self._reaper: Reaper | None = None

    def __enter__(self) -> Fleet:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    @property
    def links(self) -> frozenset[str]:
        """The services that the spec puts behind a fault proxy."""
        return self._spec.links

    @property
    def variables(self) -> frozenset[str]:
        """The environment variables of the user that the services got besides the usual ones."""
        return self._spec.variables

    @property
    def slow_to_start(self) -> bool:
        """Whether starting takes long enough that the user should see progress."""
        return bool(self._networks)

    @property
    def work_root(self) -> Path:
        """The folder of the trials' workspaces; all services see it under this path."""
        if self._root is None:
            raise HarnessError("the fleet is not running")
        return self._root / "work"

    @property
    def python(self) -> str | None:
        """The path of a Python that tasks can call, as the runtime sees it; ``None`` if there is
        none."""
        return self.services["runtime"].python

    def start(self) -> None:
        """Start all services. After a failure, stop those that started and raise the error."""
        self._token = f"execgo-fleet-{os.getpid()}-{secrets.token_hex(4)}"
        self._access_tokens = dict.fromkeys(self._guarded(), secrets.token_urlsafe(24))
        self._root = Path(tempfile.mkdtemp(prefix=f"{self._token}-")).resolve()
        self._reaper = Reaper(self._token, self._root, containers=bool(self._networked()))
        try:
            self._open_networks()
            for name in ("work", "tmp"):
                (self._root / name).mkdir(exist_ok=True)
            with ThreadPoolExecutor(2) as pool:
                fixtures = pool.submit(self._launch, "fixtures")
                self._launch("runtime")
                self._launch("execgo")
                fixtures.result()
            self._check_way_back()
        except UsageError as error:
            # The choices were valid at startup, so this is a failure of the harness, not of the user.
            self.stop(halfway=True)
            raise HarnessError(str(error)) from None
        except BaseException:
            self.stop(halfway=True)
            raise

    def stop(self, *, halfway: bool = False) -> None:
        """Stop all services and their tasks. A second call does nothing.

        ``halfway``: the start failed, so a container that is not recorded here may exist.
        """
        services = [self.services.pop(name) for name in SERVICE_NAMES if name in self.services]
        if services:
            with ThreadPoolExecutor(len(services)) as pool:
                list(pool.map(_take_down, services))
        left = [problem for network in self._networks.values() if (problem := _close(network))]
        self._networks.clear()
        reaper, self._reaper = self._reaper, None
        if reaper is not None:
            # The reaper tries again to remove what remains.
            reaper.dismiss(clean=not (left or halfway))
        root, self._root = self._root, None
        if root is not None and root.name.startswith(self._token):
            remove_tree(root)

    def watch(self, watcher: Watcher) -> None:
        """Report events of services to ``watcher`` from now on."""
        self._watchers.append(watcher)

    def unwatch(self, watcher: Watcher) -> None:
        """Stop reporting to ``watcher``."""
        self._watchers.remove(watcher)

    def service_exited(self, end: ServiceExited, at: float | None = None) -> None:
        """Report it to all watchers; see :class:`Watcher`."""
        for watcher in list(self._watchers):
            watcher.service_exited(end, at)

    def service_ready(self, service: str, pid: int | None) -> None:
        """Report it to all watchers; see :class:`Watcher`."""
        for watcher in list(self._watchers):
            watcher.service_ready(service, pid)

    def url(self, service: str) -> str:
        """The base URL for clients of a service: that of its link, if it has one."""
        found = self.services[service]
        return found.link.url if found.link else found.url

    def headers(self, service: str) -> dict[str, str]:
        """The headers that requests to a service need, beside those that its own contract names."""
        return headers_of(self.services[service])

    def unready(self) -> list[str]:
        """Names of the services that do not answer now."""
        missing = [name for name in SERVICE_NAMES if name not in self.services]
        return missing + [name for name, service in self.services.items() if not service.ready()]

    def active_faults(self) -> list[str]:
        """One sentence for each fault that is in force on a service or on its link."""
        found = []
        for name, service in self.services.items():
            if isinstance(service, FaultReporting) and (state := service.active_faults()):
                found.append(state)
            if service.link is not None and service.link.fault is not None:
                found.append(f"the link to {name} is still under {service.link.fault.kind}")
        return found

    def infos(self) -> dict[str, ServiceInfo]:
        """Launcher, version and digest of each service, for the report."""
        return {
            name: service.info.model_copy(update={"proxied": service.link is not None})
            for name, service in sorted(self.services.items())
        }

    def log_paths(self) -> dict[str, Path]:
        """The log file of each service that has one."""
        return {
            name: service.log_path
            for name, service in self.services.items()
            if isinstance(service, LogSource)
        }

    def _guarded(self) -> set[str]:
        """The services that refuse requests without the token of the fleet."""
        return {name for name, (one, _) in self._launchers.items() if one.takes_token}

    def _networked(self) -> dict[str, tuple[Networked, str]]:
        """The launchers whose services have their own network, with their targets, by kind."""
        return {
            launcher.kind: (launcher, target)
            for launcher, target in self._launchers.values()
            if isinstance(launcher, Networked)
        }

    def _open_networks(self) -> None:
        assert self._root is not None
        for kind, (launcher, target) in self._networked().items():
            network = launcher.open_network(
                target, self._token, self._root, partitionable=bool(self.links)
            )
            self._networks[kind] = network
            if network.root is not None:
                remove_tree(self._root)
                self._root = network.root

    def _check_way_back(self) -> None:
        """Raise :class:`HarnessError` if a firewall keeps containers from proxies on this machine."""
        for name, client in _CLIENTS.items():
            network, caller = self._network_of(client), self.services[client]
            link = self.services[name].link
            if network is None or link is None or not isinstance(caller, Inside):
                continue
            parts = urlsplit(link.url)
            if not caller.reaches(str(parts.hostname), int(parts.port or 0)):
                raise HarnessError(
                    f"containers cannot reach this machine at {parts.hostname}: a firewall blocks "
                    f"them; allow traffic from Docker's bridge (sudo ufw allow in on {network.device}), "
                    "or run without network faults and with all services in containers"
                )

    def _network_of(self, name: str) -> ServiceNetwork | None:
        """The network of a service's launcher, if it has one."""
        return self._networks.get(self._launchers[name][0].kind)

    def _launch(self, name: str) -> None:
        launcher, target = self._launchers[name]
        assert self._root is not None
        # Calls between services must bypass an HTTP proxy of the user's environment.
        hosts = {urlsplit(self.url(known)).hostname or "" for known in dict(self.services)}
        gateways = {network.gateway for network in self._networks.values()}
        near = ",".join(["127.0.0.1", "localhost", *sorted(hosts | gateways)])
        environment = {
            **service_environment(self._spec.variables),
            FLEET_VARIABLE: self._token,
            "TMPDIR": str(self._root / "tmp"),
            "NO_PROXY": near,
            "no_proxy": near,
        }
        urls = {known: self.url(known) for known in dict(self.services)}
        site = LaunchSite(
            root=self._root,
            environment=environment,
            watcher=self,
            token=self._token,
            access_tokens=self._access_tokens,
            urls=urls,
            network=self._network_of(name),
            ready_within_seconds=self._spec.ready_within_seconds,
            renew=self._renew,
            arguments=self._spec.arguments.get(name, ()),
        )
        service = self.services[name] = launcher.launch(name, target, site)
        service.link = self._link(service)

    def _link(self, service: Service) -> FaultProxy | None:
        """The proxy in front of a service; ``None`` if it needs none.

        It needs one if faults are put on the connection, or if its clients are on a network that cannot
        reach the loopback of this machine.
        """
        client = _CLIENTS.get(service.name)
        network = self._network_of(client) if client else None
        apart = network is not None and self._network_of(service.name) is None
        far = apart and _on_loopback(service.url)
        wanted = service.name in self.links and not self._out_of_reach(service)
        if not (far or wanted):
            return None
        inside = service if isinstance(service, Partitionable) else None
        guarded = service.name in self._access_tokens
        own = "127.0.0.1" if guarded else sockets.random_loopback_host()
        listen_on = network.gateway if network else own
        clients = network.subnet if network else None
        return FaultProxy(service.url, listen_on, clients=clients, inside=inside)

    def _out_of_reach(self, service: Service) -> bool:
        """Whether clients of a service cannot use a proxy.

        An ExecGo that already runs has a fixed URL of its runtime. The proxy forwards bytes, so it
        supports neither TLS nor a URL with a path.
        """
        if service.name == "runtime" and self._launchers["execgo"][0].kind in (
            "external",
            "persistent",
        ):
            return True
        parts = urlsplit(service.url)
        return parts.scheme != "http" or parts.path not in ("", "/")


def _take_down(service: Service) -> None:
    service.stop()
    if service.link is not None:
        service.link.close()


def _close(network: ServiceNetwork) -> str | None:
    """Why a network could not be removed; ``None`` if it was."""
    try:
        network.close()
    except HarnessError as error:
        return str(error)
    return None


def _on_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host == "localhost" or host.startswith("127.") or host == "::1"
