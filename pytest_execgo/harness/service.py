"""What a service is to the rest of the package, and what it may be able to do beyond that."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal, Protocol, get_args, runtime_checkable

from pytest_execgo.errors import HarnessError, UsageError
from pytest_execgo.harness.proxy import FaultProxy
from pytest_execgo.harness.readiness import DEFAULT_TIMEOUT_SECONDS
from pytest_execgo.models.benchmark import ServiceInfo

ServiceName = Literal["execgo", "runtime", "fixtures"]
SERVICE_NAMES: tuple[ServiceName, ...] = get_args(ServiceName)
HEALTH = {"execgo": "/health", "runtime": "/readyz", "fixtures": "/healthz"}
"""The path of each that answers 200 while it is well."""


class Watcher(Protocol):
    """Is told what happens to services, from any thread."""

    def service_exited(self, service: str, pid: int, exit_status: int) -> None:
        """A process ended that nobody had told to stop."""

    def service_ready(self, service: str, pid: int | None) -> None:
        """A service answers (again)."""


class Unwatched:
    """A watcher for services whose life nobody records."""

    def service_exited(self, service: str, pid: int, exit_status: int) -> None:
        """Not recorded."""

    def service_ready(self, service: str, pid: int | None) -> None:
        """Not recorded."""


@runtime_checkable
class Service(Protocol):
    """A running service: an endpoint with an identity."""

    name: str
    link: FaultProxy | None

    @property
    def url(self) -> str:
        """Base URL of the service itself, past its link."""

    @property
    def pid(self) -> int | None:
        """The id of its process on this machine; ``None`` where there is none to see."""

    @property
    def health_url(self) -> str:
        """What answers 200 while it is well, past its link."""

    @property
    def info(self) -> ServiceInfo:
        """Launcher, version and digest, for the record."""

    @property
    def python(self) -> str | None:
        """The Python that tasks of this service can call; ``None`` where there is none."""

    def state(self) -> tuple[bool, dict[str, str]]:
        """Whether it is stopped, and the limits it runs under by resource, as the system shows them."""

    def running(self) -> bool:
        """Whether its process is alive (an external service always counts as running)."""

    def ready(self) -> bool:
        """Whether it answers its readiness check now."""

    def stop(self) -> None:
        """Take it down; never raises for a service that is gone already."""


@runtime_checkable
class FaultReporting(Protocol):
    """A service to which something can be done that must be undone."""

    def active_faults(self) -> str | None:
        """What is still done to it, in words; ``None`` if nothing."""


@runtime_checkable
class LogSource(Protocol):
    """A service whose log can be read."""

    log_path: Path


class ServiceNetwork(Protocol):
    """A network that services of one launcher share, apart from this machine's own."""

    gateway: str
    """The address under which they reach this machine."""

    @property
    def subnet(self) -> str:
        """Where they come from, as in ``172.20.0.0/16``."""

    @property
    def device(self) -> str:
        """This machine's interface on it, as firewalls name it."""

    @property
    def root(self) -> Path | None:
        """The folder that they see already and a fleet must use; ``None``: it makes its own."""

    def close(self) -> None:
        """Take it down; called once, after its services."""


@dataclass(frozen=True)
class LaunchSite:
    """Where a service is launched: folders, environment, and the addresses it needs."""

    root: Path
    environment: dict[str, str]
    watcher: Watcher
    urls: dict[str, str] = field(default_factory=dict)
    token: str = ""
    network: ServiceNetwork | None = None
    ready_within_seconds: float = DEFAULT_TIMEOUT_SECONDS
    renew: bool = False
    """A service that is there already is to be started anew."""

    def data_dir(self, service: str) -> Path:
        """The private data folder of a service."""
        path = self.root / service
        path.mkdir(parents=True, exist_ok=True)
        return path

    def log_path(self, service: str) -> Path:
        """The log file of a service."""
        return self.root / f"{service}.log"


# Majors of the contracts that this package speaks.
SPOKEN = {"execgo": "1", "runtime": "1"}


def refuse_other_version(service: str, what: str, version: str) -> None:
    """Raise :class:`HarnessError` for a release that speaks another contract; a build that is no
    release (``dev``) is taken at its word."""
    major = re.fullmatch(r"v?(\d+)\..*", version)
    spoken = SPOKEN.get(service)
    if major and spoken and major[1] != spoken:
        raise HarnessError(
            f"{service} ({what}) says that it is version {version}; this plugin speaks the contract "
            f"of {spoken}.x: use such a release of {service}"
        )


class Launcher(ABC):
    """One way to bring up services. ``target`` is what follows ``kind:`` on the command line.

    A launcher must have a ``kind`` and define :meth:`launch`; everything else has a default.
    """

    kind: ClassVar[str]
    services: ClassVar[frozenset[str]] = frozenset(SERVICE_NAMES)
    """The services that it can bring up."""
    needs_target: ClassVar[bool] = False

    def configured(self, settings: LaunchSettings) -> Launcher:
        """The launcher with the settings of a run."""
        return self

    def located(self, service: str, target: str, base: Path) -> str:
        """The target with its path, if it has one, made absolute; raises :class:`UsageError`. Called
        once, before anything can change the current folder."""
        return target

    def check(self, service: str, target: str) -> None:
        """Raise :class:`UsageError` for a target that cannot work, before anything starts."""
        if target and not self.needs_target:
            raise UsageError(f"{service}={self.kind} takes no target, got {target!r}")

    def describe(self, service: str, target: str) -> str:
        """A few words for the header: version, path or URL, sha256. It may ask the service itself and
        leaves out what it cannot find out."""
        return f"{self.kind} {target}".strip()

    def prepare(self, service: str, target: str, progress: Progress) -> None:  # noqa: B027 - optional
        """Make ready what is slow and the same for all fleets of a run; raises :class:`UsageError`.
        Calling it twice costs little."""

    @abstractmethod
    def launch(self, service: str, target: str, site: LaunchSite) -> Service:
        """Start the service and wait until it is ready; raises :class:`HarnessError`."""


def absolute(what: str, path: str, base: Path) -> str:
    """A path that a user gave, relative to ``base``; raises :class:`UsageError`, which says ``what``."""
    try:
        return str((base / Path(path).expanduser()).resolve())
    except (RuntimeError, OSError, ValueError) as error:
        raise UsageError(f"{what}: {error}") from None


Progress = Callable[[str], None]
"""Where progress goes, a line at a time."""


@runtime_checkable
class Networked(Protocol):
    """A launcher whose services stand on a network of their own. ``whole_fleet``: they know each other
    already, and cannot be mixed with others."""

    kind: str
    whole_fleet: bool

    def open_network(
        self, target: str, token: str, root: Path, *, partitionable: bool
    ) -> ServiceNetwork:
        """The network of the fleet ``token``, whose files are below ``root``. ``severable``: a service
        may be cut off it, and must then still be seen from outside."""


@runtime_checkable
class Inside(Protocol):
    """A service that stands on a network of its own, and can look at this machine from there."""

    def reaches(self, host: str, port: int) -> bool:
        """Whether a connection can be made from there; true where that cannot be found out."""


@dataclass(frozen=True)
class LaunchSettings:
    """What launchers may need to know of a run. ``python_image``: the image that images of ours are
    built from; ``None``: the default. ``images``: the ids of images by service, once it is known which
    they are: all fleets of a run, in all of its processes, are made of the same."""

    python_image: str | None = None
    images: dict[str, str] = field(default_factory=dict)
