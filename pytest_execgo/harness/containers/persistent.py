"""Persistent fleets: containers that keep running between runs of pytest.

The labels of its containers and networks hold everything about a persistent fleet. A lock file in its
folder names the run that uses it; one run at a time can.
"""

from __future__ import annotations

import json
import os
import re
import socket
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker.errors import NotFound
from testcontainers.core.config import testcontainers_config

from pytest_execgo.errors import HarnessError, UsageError, unknown_name
from pytest_execgo.harness.containers import leftovers
from pytest_execgo.harness.containers.engine import engine
from pytest_execgo.harness.containers.launcher import ContainerLauncher
from pytest_execgo.harness.containers.leftovers import PERSISTENT, ROOT, SERVICE
from pytest_execgo.harness.containers.locks import held, taken
from pytest_execgo.harness.containers.network import ContainerNetwork
from pytest_execgo.harness.containers.service import ContainerService
from pytest_execgo.harness.fleet import FleetSpec
from pytest_execgo.harness.readiness import probe_json
from pytest_execgo.harness.service import (
    HEALTH,
    SERVICE_NAMES,
    Launcher,
    LaunchSite,
    Progress,
    Unwatched,
)
from pytest_execgo.system import sockets
from pytest_execgo.system.clock import monotonic, sleep

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")
_IN_USE = "in-use"
_FINISHED_WITHIN_SECONDS = 0.2


@dataclass(frozen=True)
class ServiceStatus:
    """One service of a persistent fleet. ``state``: ``ready``, or why it is not ready."""

    fleet: str
    service: str
    state: str
    url: str
    published: str
    version: str
    image: str
    digest: str


def names() -> list[str]:
    """Names of the persistent fleets of this user, sorted."""
    return sorted({leftovers.labels_of(one)[PERSISTENT] for one in leftovers.labelled(PERSISTENT)})


def up(
    name: str,
    spec: FleetSpec,
    launchers: Mapping[str, Launcher],
    published: Mapping[str, int],
    progress: Progress,
) -> None:
    """Start a persistent fleet; on failure remove what was started and raise.

    ``published``: a loopback port by service, for services that need one.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"fleet {name!r}: a name has 1 to 41 of the characters a-z, 0-9, - and _")
    with held(f"{PERSISTENT}-{name}"):
        _up(name, spec, launchers, published, progress)


def _up(
    name: str,
    spec: FleetSpec,
    launchers: Mapping[str, Launcher],
    published: Mapping[str, int],
    progress: Progress,
) -> None:
    chosen = _container_launchers(spec, launchers)
    _refuse_taken(name, published)
    # Ryuk would remove the containers when this process ends, but they must keep running.
    testcontainers_config.ryuk_disabled = True
    spec.prepare(launchers, progress)
    root = Path(tempfile.mkdtemp(prefix=f"execgo-persistent-{name}-")).resolve()
    labels = {**leftovers.of_user(), PERSISTENT: name, ROOT: str(root)}
    try:
        for folder in ("work", "tmp"):
            (root / folder).mkdir()
        network = ContainerNetwork.create(f"execgo-persistent-{name}", labels, partitionable=True)
        urls: dict[str, str] = {}
        for service in ("fixtures", "runtime", "execgo"):
            launcher, target = chosen[service]
            site = LaunchSite(
                root=root,
                environment=dict(os.environ),
                watcher=Unwatched(),
                urls=dict(urls),
                network=network,
                ready_within_seconds=spec.ready_within_seconds,
            )
            began = monotonic()
            found = launcher.launch_labelled(service, target, site, labels, published.get(service))
            urls[service] = found.url
            progress(f"{service} ready in {monotonic() - began:.2f} s")
    except BaseException:
        _remove(labels)
        raise


def _container_launchers(
    spec: FleetSpec, launchers: Mapping[str, Launcher]
) -> dict[str, tuple[ContainerLauncher, str]]:
    """Launcher and target of each service; raises :class:`UsageError` for another launcher."""
    chosen = {}
    for service, (launcher, target) in spec.resolve(launchers).items():
        if not isinstance(launcher, ContainerLauncher):
            raise UsageError(
                f"{service}={launcher.kind}: a persistent fleet consists of containers; "
                f"use {service}=container[:TARGET]"
            )
        chosen[service] = (launcher, target)
    return chosen


def _refuse_taken(name: str, published: Mapping[str, int]) -> None:
    """Raise :class:`UsageError` if the name or a published port is in use."""
    if name in names():
        raise UsageError(
            f"fleet {name} is up already; see: python -m pytest_execgo harness status {name}"
        )
    for service, port in published.items():
        if not _is_free(port):
            raise UsageError(
                f"port {port} of 127.0.0.1, for {service}, is taken; choose another port, or end the "
                "program that uses it"
            )


def down(name: str) -> None:
    """Remove a persistent fleet in any state; raises :class:`UsageError` while a run uses it."""
    if name not in names():
        raise UsageError(_unknown(name))
    root = _labels_of(name)
    _refuse_in_use(name, Path(root[ROOT]))
    _remove(root)


def status(name: str | None = None) -> list[ServiceStatus]:
    """The state of every service of one persistent fleet, or of all."""
    if name is not None and name not in names():
        raise UsageError(_unknown(name))
    found = []
    for fleet in [name] if name else names():
        containers, network = _containers(fleet), None
        with suppress(HarnessError):
            network = _find_network(fleet)
        found += [
            _status(fleet, service, network, containers.get(service)) for service in SERVICE_NAMES
        ]
    return found


def _is_free(port: int) -> bool:
    with sockets.OwnSocket() as probe:
        # As for Docker, a port with connections in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _status(
    fleet: str, service: str, network: ContainerNetwork | None, container: Any
) -> ServiceStatus:
    if container is None:
        return ServiceStatus(fleet, service, "gone", "", "", "", "", "")
    attrs = container.attrs
    port = attrs["Config"]["Labels"][leftovers.PORT]
    url = f"http://{network.address(service)}:{port}" if network else ""
    health = probe_json(url + HEALTH[service]) if url and container.status == "running" else None
    state = "ready" if health else container.status
    if network is None:
        state = "without its network"
    elif container.status == "exited":
        state = f"exited with {attrs['State']['ExitCode']}"
    elif container.status == "running" and not health:
        state = "does not answer"
    bound = (attrs["NetworkSettings"].get("Ports") or {}).get(f"{port}/tcp") or []
    return ServiceStatus(
        fleet=fleet,
        service=service,
        state=state,
        url=url,
        published=", ".join(f"http://{one['HostIp']}:{one['HostPort']}" for one in bound),
        version=attrs["Config"]["Labels"][leftovers.VERSION]
        or str((health or {}).get("version", "")),
        image=_image_name(container),
        digest=str(attrs["Image"]).removeprefix("sha256:"),
    )


class PersistentNetwork(ContainerNetwork):
    """The network of a persistent fleet while a run uses it; holds the lock of the fleet."""

    def __init__(self, name: str) -> None:
        found = _find_network(name)
        super().__init__(found.private, found.outside)
        self.fleet = name
        self.root = Path(_labels_of(name)[ROOT])
        self._lock = self.root / _IN_USE
        try:
            self._file = self._lock.open("a+", encoding="utf-8")
        except OSError:
            raise HarnessError(
                f"fleet {name}: its folder {self.root} is missing; remove the fleet and start it again: "
                f"python -m pytest_execgo harness down {name}"
            ) from None
        if not taken(self._file):
            self._file.close()
            raise HarnessError(_in_use(name, self._lock))
        self._file.seek(0)
        self.abandoned = bool(self._file.read())
        """Whether the last run that used it was killed."""
        self._file.truncate(0)
        self._file.write(json.dumps({"pid": os.getpid()}))
        self._file.flush()

    def close(self) -> None:
        """Release the fleet for the next run; the network remains."""
        self._file.truncate(0)
        self._file.close()


def attach(service: str, site: LaunchSite) -> ContainerService:
    """A service of a persistent fleet, with all faults of earlier runs healed."""
    network = site.network
    assert isinstance(network, PersistentNetwork)
    container = _containers(network.fleet).get(service)
    if container is None:
        raise HarnessError(
            f"fleet {network.fleet} has no container for {service} any more; remove the fleet and start "
            f"it again: python -m pytest_execgo harness down {network.fleet}"
        )
    labels = container.attrs["Config"]["Labels"]
    found = ContainerService(
        service,
        network,
        int(labels[leftovers.PORT]),
        site.watcher,
        site.log_path(service),
        hint=f"see: python -m pytest_execgo harness status {network.fleet}",
        ready_within_seconds=site.ready_within_seconds,
    )
    found.attach(container, renew=site.renew or network.abandoned)
    found.identify(
        version=labels[leftovers.VERSION],
        image=_image_name(container),
        path=labels[leftovers.PATH] or None,
        digest=str(container.attrs["Image"]).removeprefix("sha256:"),
    )
    return found


def check(name: str) -> None:
    """Raise :class:`UsageError` unless there is a persistent fleet of that name."""
    if name not in names():
        raise UsageError(_unknown(name))


def describe(name: str, service: str) -> str:
    """Fleet, image and digest of a service, for the header."""
    container = _containers(name).get(service)
    if container is None:
        return f"fleet {name}"
    return f"fleet {name} {_image_name(container)} sha256 {str(container.attrs['Image'])[7:19]}"


def _unknown(name: str) -> str:
    fix = "start one: python -m pytest_execgo harness up NAME"
    return f"{unknown_name('fleet', name, names())}; {fix}"


def _containers(name: str) -> dict[str, Any]:
    found = [
        leftovers.labels_of(one) | {"": one} for one in leftovers.labelled(f"{PERSISTENT}={name}")
    ]
    return {labels[SERVICE]: labels[""] for labels in found if SERVICE in labels}


def _find_network(name: str) -> ContainerNetwork:
    def get(full: str) -> Any:
        return engine().networks.get(full)

    try:
        return ContainerNetwork(
            get(f"execgo-persistent-{name}"), get(f"execgo-persistent-{name}.outside")
        )
    except NotFound:
        raise HarnessError(
            f"fleet {name} has lost a network; remove the fleet and start it again: "
            f"python -m pytest_execgo harness down {name}"
        ) from None


def _labels_of(name: str) -> dict[str, str]:
    return leftovers.labels_of(leftovers.labelled(f"{PERSISTENT}={name}")[0])


def _image_name(container: Any) -> str:
    return str(container.attrs["Config"]["Labels"][leftovers.IMAGE_NAME])


def _refuse_in_use(name: str, root: Path) -> None:
    lock = root / _IN_USE
    if not lock.exists():
        return
    with lock.open("a+", encoding="utf-8") as file:
        if not taken(file):
            raise UsageError(_in_use(name, lock))


def _in_use(name: str, lock: Path) -> str:
    who = "a run"
    with suppress(OSError, ValueError):
        who = f"process {json.loads(lock.read_text(encoding='utf-8'))['pid']}"
    return (
        f"fleet {name} is in use by {who}; wait for its end, or start another fleet: a persistent "
        "fleet serves one run at a time, without -n"
    )


def _remove(labels: dict[str, str]) -> None:
    label = f"{PERSISTENT}={labels[PERSISTENT]}"
    try:
        leftovers.remove_labelled(label)
        # After an interruption, Docker may create a requested container a moment later.
        sleep(_FINISHED_WITHIN_SECONDS)
        leftovers.remove_labelled(label)
    finally:
        leftovers.remove_root(labels)
