"""Launcher ``container``: each service in its own container, on a private network.

Target: ``embedded``, ``build:PATH``, or the name of an image. The default is the embedded service in a
container; for ExecGo it is ``build:../execgo`` if that folder has a Dockerfile. Docker's libraries are
imported only when a container is needed.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_execgo.errors import HarnessError, UsageError
from pytest_execgo.harness.service import (
    Launcher,
    LaunchSettings,
    LaunchSite,
    Progress,
    Service,
    ServiceNetwork,
    absolute,
)

if TYPE_CHECKING:
    from pytest_execgo.harness.containers.images.sources import ImageSource
    from pytest_execgo.harness.containers.service import ContainerService

SIBLING = Path("../execgo")
BUILD = "build:"
DATA = "/data"
"""The data folder inside images; a folder of this machine is mounted there."""


class ContainerLauncher(Launcher):
    """Needs a Docker engine on this machine."""

    kind = "container"
    whole_fleet = False

    def __init__(self, settings: LaunchSettings | None = None) -> None:
        self._settings = settings or LaunchSettings()

    def configured(self, settings: LaunchSettings) -> ContainerLauncher:
        return ContainerLauncher(settings)

    def located(self, service: str, target: str, base: Path) -> str:
        """The target with an absolute checkout; by default ExecGo is built from :data:`SIBLING`."""
        sibling = base / SIBLING
        if not target and service == "execgo" and (sibling / "Dockerfile").is_file():
            target = f"{BUILD}{SIBLING}"
        if not target.startswith(BUILD):
            return target
        path = absolute(f"{service}=container:{target}", target.removeprefix(BUILD), base)
        return f"{BUILD}{path}"

    def check(self, service: str, target: str) -> None:
        """Raise :class:`UsageError` without an engine, a Dockerfile to build, or a valid image name."""
        from pytest_execgo.harness.containers.engine import engine

        if ":" in tempfile.gettempdir():
            raise UsageError(
                f"TMPDIR={tempfile.gettempdir()}: Docker cannot mount a folder with a colon in "
                "its path; set TMPDIR to another folder"
            )
        engine()
        with _mistakes_of(service, target):
            self._source(service, target).check()

    def describe(self, service: str, target: str) -> str:
        return f"container {self._source(service, target).describe()}"

    def prepare(self, service: str, target: str, progress: Progress) -> None:
        """Pull or build the image of the service."""
        self._image(service, target, progress)

    def open_network(
        self, target: str, token: str, root: Path, *, partitionable: bool
    ) -> ServiceNetwork:
        """Create a private network, after removing the containers and networks of killed runs."""
        from pytest_execgo.harness.containers import leftovers
        from pytest_execgo.harness.containers.engine import raised_as
        from pytest_execgo.harness.containers.network import ContainerNetwork

        with raised_as(HarnessError, "containers and networks of killed runs cannot be removed"):
            leftovers.remove_orphans()
        return ContainerNetwork.create(
            token, leftovers.owned(token, root), partitionable=partitionable
        )

    def launch(self, service: str, target: str, site: LaunchSite) -> Service:
        """Create the container, and wait until the service is ready."""
        from pytest_execgo.harness.containers import leftovers
        from pytest_execgo.harness.containers.engine import raised_as

        labels = leftovers.owned(site.token, site.root)
        with raised_as(HarnessError, f"{service} could not be started"):
            return self.launch_labelled(service, target, site, labels)

    def launch_labelled(
        self,
        service: str,
        target: str,
        site: LaunchSite,
        labels: dict[str, str],
        published: int | None = None,
    ) -> ContainerService:
        """Launch with the given labels; ``published``: a loopback port that also leads to the
        service."""
        from pytest_execgo.harness.containers import leftovers
        from pytest_execgo.harness.containers.images.sources import digest
        from pytest_execgo.harness.containers.network import ContainerNetwork
        from pytest_execgo.harness.containers.service import ContainerService, ContainerSpec

        network = site.network
        assert isinstance(network, ContainerNetwork)
        source = self._source(service, target)
        image = self._image(service, target, _silent)
        name, port = _name(image), _port(service, image)
        facts = _facts(service, source, name, port)
        container = ContainerService(
            service,
            network,
            port,
            site.watcher,
            site.log_path(service),
            hint=f"try it alone: docker run --rm -it {name}",
            ready_within_seconds=site.ready_within_seconds,
        )
        container.create(
            ContainerSpec(
                name=f"{network.name}-{service}",
                image=image.id,
                labels={**labels, **facts},
                user=f"{os.getuid()}:{os.getgid()}",
                environment=_environment(service, site),
                mounts={str(site.root): str(site.root), str(site.data_dir(service)): DATA},
                published=published,
            )
        )
        try:
            container.identify(
                version=facts[leftovers.VERSION],
                image=name,
                path=source.path,
                digest=digest(image),
            )
        except BaseException:
            container.stop()
            raise
        return container

    def _image(self, service: str, target: str, progress: Progress) -> Any:
        """The image of a service: found, pulled or built once, and the same for all fleets of a run."""
        from pytest_execgo.harness.containers.images import builder

        known = self._settings.images.get(service)
        found = builder.find(known) if known else None
        if found is None:
            with _mistakes_of(service, target):
                found = self._source(service, target).image(progress)
            self._settings.images[service] = found.id
        return found

    def _source(self, service: str, target: str) -> ImageSource:
        from pytest_execgo.harness.containers.images import sources

        python_image = self._settings.python_image or sources.DEFAULT_PYTHON_IMAGE
        if target.startswith(BUILD):
            return sources.Checkout(service, Path(target.removeprefix(BUILD)))
        if target == sources.EMBEDDED:
            return sources.Own(service, python_image)
        if target:
            return sources.Named(service, target)
        return sources.Own(service, python_image)


@contextmanager
def _mistakes_of(service: str, target: str) -> Iterator[None]:
    """Turn an unreadable file, link or name in a checkout into one line with the choice it came from."""
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        raise UsageError(f"{service}=container:{target}: {error}") from None


def _silent(line: str) -> None:
    """Report no progress: the images were prepared before, where progress is shown."""


def _name(image: Any) -> str:
    """The first tag of an image, or its id."""
    return str((image.tags or [image.id])[0])


def _facts(service: str, source: ImageSource, name: str, port: int) -> dict[str, str]:
    """Labels with what a later run must know about the container of a persistent fleet."""
    from pytest_execgo.harness import embedded_programs
    from pytest_execgo.harness.containers import leftovers
    from pytest_execgo.harness.containers.images.sources import Own

    own = isinstance(source, Own)
    return {
        leftovers.IMAGE_NAME: name,
        leftovers.PORT: str(port),
        leftovers.PATH: source.path or "",
        leftovers.VERSION: embedded_programs.version(service) if own else "",
    }


def _port(service: str, image: Any) -> int:
    """The port on which an image listens: set for ExecGo, and from EXPOSE for the others."""
    from pytest_execgo.harness.containers.images.sources import PORT

    exposed = [name.partition("/") for name in image.attrs["Config"].get("ExposedPorts") or {}]
    ports = [int(number) for number, _, protocol in exposed if protocol == "tcp"]
    if service == "execgo" or PORT in ports or not ports:
        return PORT
    if len(ports) > 1:
        raise UsageError(
            f"{service}: the image {_name(image)} exposes the ports "
            f"{', '.join(map(str, sorted(ports)))}; expose only one of them, or {PORT}"
        )
    return ports[0]


def _environment(service: str, site: LaunchSite) -> dict[str, str]:
    """The environment of a container: of this machine's, only ExecGo's settings are passed on."""
    from pytest_execgo.harness.containers.images.sources import PORT

    scratch = str(site.root / "tmp")
    common = {"HOME": scratch, "TMPDIR": scratch}
    if service != "execgo":
        return common
    given = {k: v for k, v in site.environment.items() if k.startswith("EXECGO_")}
    return {
        **given,
        **common,
        "EXECGO_ADDR": f":{PORT}",
        "EXECGO_DATA_DIR": DATA,
        "EXECGO_RUNTIME_URL": site.url_with_token("runtime"),
        "EXECGO_GRPC_ADDR": "127.0.0.1:0",
    }
