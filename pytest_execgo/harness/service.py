"""Protocols of services and their networks, and the base class of launchers."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal, Protocol, get_args, runtime_checkable

from pytest_execgo.errors import HarnessError, UsageError
from pytest_execgo.harness.proxy import FaultProxy
from pytest_execgo.harness.readiness import DEFAULT_TIMEOUT_SECONDS
from pytest_execgo.models.environment import ServiceInfo
from pytest_execgo.models.events import ServiceExited

ServiceName = Literal["execgo", "runtime", "fixtures"]
SERVICE_NAMES: tuple[ServiceName, ...] = get_args(ServiceName)
ARGUMENTS_OPTION = "--execgo-service-args"
HEALTH = {"execgo": "/health", "runtime": "/readyz", "fixtures": "/healthz"}
"""The path of each service that answers 200 while the service is healthy."""


class Watcher(Protocol):
    """Receives events of services, from any thread."""

    def service_exited(self, end: ServiceExited, at: float | None = None) -> None:
        """A process ended, and the harness had not stopped it. ``at``: when, in seconds since the epoch;
        ``None``: now."""

    def service_ready(self, service: str, pid: int | None) -> None:
        """A service answers, for the first time or again."""


class Unwatched:
    """A watcher that ignores all events."""

    def service_exited(self, end: ServiceExited, at: float | None = None) -> None:
        pass

    def service_ready(self, service: str, pid: int | None) -> None:
        pass


@runtime_checkable
class Service(Protocol):
    """A running service."""

    name: str
    link: FaultProxy | None

    @property
    def url(self) -> str:
        """Base URL of the service itself, not of its link."""

    @property
    def pid(self) -> int | None:
        """The id of its process on this machine; ``None`` if it is not visible."""

    @property
    def health_url(self) -> str:
        """The URL that answers 200 while the service is healthy; not through its link."""

    @property
    def info(self) -> ServiceInfo:
        """Launcher, version and digest, for the report."""

    @property
    def python(self) -> str | None:
        """The path of a Python that tasks of this service can call; ``None`` if there is none."""

    def state(self) -> tuple[bool, dict[str, str]]:
        """Whether it is paused, and its limits by resource, as the operating system reports them."""

    def running(self) -> bool:
        """Whether its process is alive (an external service always counts as running)."""

    def ready(self) -> bool:
        """Whether it answers its readiness check now."""

    def stop(self) -> None:
        """Stop it; does nothing for a service that ended already."""


@runtime_checkable
class FaultReporting(Protocol):
    """A service that reports which faults are in force."""

    def active_faults(self) -> str | None:
        """One sentence with the faults in force; ``None`` if there are none."""


@runtime_checkable
class LogSource(Protocol):
    """A service whose log can be read."""

    log_path: Path


class ServiceNetwork(Protocol):
    """A network that the services of one launcher share, separate from that of this machine."""

    gateway: str
    """The address of this machine on it."""

    @property
    def subnet(self) -> str:
        """The addresses of its services, such as ``172.20.0.0/16``."""

    @property
    def device(self) -> str:
        """The name of this machine's interface on it, for firewall rules."""

    @property
    def root(self) -> Path | None:
        """The folder that its services have mounted already; ``None``: the fleet creates one."""

    def close(self) -> None:
        """Remove or release it; called once, after its services stopped."""


@dataclass(frozen=True)
class LaunchSite:
    """Where a service is launched: folders, environment, and the addresses it needs."""

    root: Path
    environment: dict[str, str]
    watcher: Watcher
    urls: dict[str, str] = field(default_factory=dict)
    token: str = ""
    """Marks the processes and containers of the fleet."""
    access_tokens: dict[str, str] = field(default_factory=dict)
    """What requests must have in ``X-Execgo-Token``, by service; see ``Launcher.takes_token``."""
    network: ServiceNetwork | None = None
    ready_within_seconds: float = DEFAULT_TIMEOUT_SECONDS
    renew: bool = False
    """Restart a service that runs already."""
    arguments: tuple[str, ...] = ()
    """Further arguments of the user for the service's command line."""

    def url_with_token(self, service: str) -> str:
        """The URL of a service, with its token in the path if it takes one: for a client that sends no
        header. Empty if the service has not started."""
        url, token = self.urls.get(service, ""), self.access_tokens.get(service)
        return f"{url}/{token}" if url and token else url

    def data_dir(self, service: str) -> Path:
        """The private data folder of a service, created if missing."""
        path = self.root / service
        path.mkdir(parents=True, exist_ok=True)
        return path

    def log_path(self, service: str) -> Path:
        return self.root / f"{service}.log"


# The major version of each HTTP contract that this package supports.
SPOKEN = {"execgo": "1", "runtime": "1"}


def refuse_other_version(service: str, what: str, version: str) -> None:
    """Raise :class:`HarnessError` for a release with another major version.

    A version that is not a release number (``dev``) is accepted.
    """
    major = re.fullmatch(r"v?(\d+)\..*", version)
    spoken = SPOKEN.get(service)
    if major and spoken and major[1] != spoken:
        raise HarnessError(
            f"{service} ({what}) reports version {version}, but this plugin supports {spoken}.x: "
            f"use a {spoken}.x release of {service}"
        )


class Launcher(ABC):
    """One way to bring up services. ``target`` is what follows ``kind:`` on the command line.

    A launcher must have a ``kind`` and define :meth:`launch`; everything else has a default.
    """

    kind: ClassVar[str]
    services: ClassVar[frozenset[str]] = frozenset(SERVICE_NAMES)
    """The services that it can start."""
    needs_target: ClassVar[bool] = False
    takes_token: ClassVar[bool] = False
    """Whether its services refuse requests without the token in ``LaunchSite.access_tokens``."""

    def configured(self, settings: LaunchSettings) -> Launcher:
        """The launcher with the settings of a run."""
        return self

    def located(self, service: str, target: str, base: Path) -> str:
        """The target with an absolute path, if it has a path; raises :class:`UsageError`.

        Called once, before any code can change the current folder.
        """
        return target

    def check(self, service: str, target: str) -> None:
        """Raise :class:`UsageError` for a target that cannot work, before anything starts."""
        if target and not self.needs_target:
            raise UsageError(f"{service}={self.kind} takes no target, got {target!r}")

    def check_arguments(self, service: str, arguments: Sequence[str]) -> None:
        """Raise :class:`UsageError` for arguments of the user that the service cannot get."""
        if arguments:
            raise UsageError(
                f"{ARGUMENTS_OPTION} {service}: {service} is launched as {self.kind}, which takes no "
                "arguments; only a binary does, as in --execgo-service runtime=binary:PATH"
            )

    def describe(self, service: str, target: str) -> str:
        """A few words for the header: version, path or URL, sha256.

        It may ask the service, and omits what it cannot find out.
        """
        return f"{self.kind} {target}".strip()

    def prepare(self, service: str, target: str, progress: Progress) -> None:  # noqa: B027 - optional
        """Do the slow work once for all fleets of a run; raises :class:`UsageError`.

        A second call must be cheap.
        """

    @abstractmethod
    def launch(self, service: str, target: str, site: LaunchSite) -> Service:
        """Start the service and wait until it is ready; raises :class:`HarnessError`."""


def absolute(what: str, path: str, base: Path) -> str:
    """The absolute form of a user's path, relative to ``base``; raises :class:`UsageError` about
    ``what``."""
    try:
        return str((base / Path(path).expanduser()).resolve())
    except (RuntimeError, OSError, ValueError) as error:
        raise UsageError(f"{what}: {error}") from None


Progress = Callable[[str], None]
"""Called with each line of progress."""


@runtime_checkable
class Networked(Protocol):
    """A launcher whose services have their own network.

    ``whole_fleet``: its services are connected to each other already, so it must provide all of them.
    """

    kind: str
    whole_fleet: bool

    def open_network(
        self, target: str, token: str, root: Path, *, partitionable: bool
    ) -> ServiceNetwork:
        """The network of the fleet ``token``, whose files are in ``root``.

        ``partitionable``: services may be cut off from it, and health checks must still reach them.
        """


@runtime_checkable
class Inside(Protocol):
    """A service on its own network, which can test whether it reaches this machine."""

    def reaches(self, host: str, port: int) -> bool:
        """Whether the service can connect to the address; true if that cannot be tested."""


@dataclass(frozen=True)
class LaunchSettings:
    """Settings of a run for launchers.

    ``python_image``: the base of the images with embedded services; ``None``: the default.
    ``images``: the image id of each service, as soon as it is known. All fleets and processes of a run
    share them, so that all use the same images.
    """

    python_image: str | None = None
    images: dict[str, str] = field(default_factory=dict)
