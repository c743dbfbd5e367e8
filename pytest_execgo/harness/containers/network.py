"""The private network of a fleet of containers.

Every service has a fixed address on it, the same for containers and for this machine, also after a
restart or a partition. Docker assigns fixed addresses only on a subnet that the client requested. So
a first network finds a free subnet, and a second one is created with that subnet.

During a partition, health checks must still reach the service. Otherwise a dead connection would look
like a dead service. If faults may partition services, containers have a second network, used only for
health checks. It has no route to other networks, and containers cannot reach each other on it.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

from docker.errors import APIError, NotFound
from docker.types import EndpointConfig, IPAMConfig, IPAMPool

from pytest_execgo.errors import HarnessError
from pytest_execgo.harness.containers.engine import DOCKER_ERRORS, engine, explain, raised_as
from pytest_execgo.harness.service import SERVICE_NAMES
from pytest_execgo.system import sockets

_ATTEMPTS = 20
# Docker assigns automatic addresses from 2 upwards; fixed ones start here to avoid a conflict.
_FIRST_HOST = 10


class ContainerNetwork:
    """A :class:`pytest_execgo.harness.service.ServiceNetwork` of the Docker engine."""

    def __init__(self, private: Any, outside: Any | None) -> None:
        self.private, self.outside = private, outside
        self.root: Path | None = None
        pool = private.attrs["IPAM"]["Config"][0]
        self._subnet = ipaddress.ip_network(pool["Subnet"])
        self.gateway: str = pool["Gateway"]

    @classmethod
    def create(cls, name: str, labels: dict[str, str], *, partitionable: bool) -> ContainerNetwork:
        """Create it; on failure remove what was created and raise :class:`HarnessError`."""
        with raised_as(HarnessError, "the network of the fleet cannot be created"):
            private = _with_own_subnet(name, labels)
            try:
                outside = _create_outside(f"{name}.outside", labels) if partitionable else None
                made = cls(private, outside)
                made.check_reach()
            except BaseException:
                private.remove()
                raise
        return made

    def check_reach(self) -> None:
        """Raise :class:`HarnessError` if this process cannot reach the engine's networks.

        One cause is a pytest in a container that has the engine's socket mounted.
        """
        with sockets.OwnSocket() as probe:
            try:
                probe.bind((self.gateway, 0))
            except OSError:
                raise HarnessError(
                    f"the Docker engine's networks ({self.gateway}) are not on this machine; is this a "
                    "container with the engine's socket? run pytest on the engine's machine, or "
                    "use --execgo-harness=embedded"
                ) from None

    @property
    def name(self) -> str:
        """The name in ``docker network ls``."""
        return str(self.private.name)

    @property
    def subnet(self) -> str:
        """The addresses of its containers, such as ``172.20.0.0/16``."""
        return str(self._subnet)

    @property
    def device(self) -> str:
        """The name of its bridge on this machine."""
        return f"br-{self.private.id[:12]}"

    def address(self, service: str) -> str:
        """The fixed address of a service, also while it does not run."""
        return str(self._subnet[_FIRST_HOST + SERVICE_NAMES.index(service)])

    def endpoint(self, service: str) -> dict[str, Any]:
        """The ``networking_config`` for creating a service's container."""
        version = engine().api.api_version
        config = EndpointConfig(version, ipv4_address=self.address(service), aliases=[service])
        return {self.name: config}

    def connect_outside(self, container: Any) -> None:
        """Connect a container to the network of health checks, if there is one."""
        if self.outside is not None:
            self.outside.connect(container)

    def address_outside(self, container: Any, service: str) -> str:
        """The address of a running container for health checks; reload its ``attrs`` before."""
        if self.outside is None:
            return self.address(service)
        networks = container.attrs["NetworkSettings"]["Networks"]
        return str(networks[self.outside.name]["IPAddress"])

    def partition(self, container: Any) -> None:
        """Disconnect a container from the private network."""
        self.private.disconnect(container)

    def heal_partition(self, container: Any, service: str) -> None:
        """Connect it again, under the same address."""
        self.private.connect(container, ipv4_address=self.address(service), aliases=[service])

    def complete(self, container: Any, service: str) -> None:
        """Connect a container to the networks that it misses; reload its ``attrs`` before."""
        known = container.attrs["NetworkSettings"]["Networks"]
        if self.name not in known:
            self.heal_partition(container, service)
        if self.outside is not None and self.outside.name not in known:
            self.outside.connect(container)

    def close(self) -> None:
        """Remove both networks; raises :class:`HarnessError` if one remains."""
        left = []
        for network in (self.private, self.outside):
            if network is not None:
                try:
                    network.remove()
                except NotFound:
                    continue
                except DOCKER_ERRORS as error:
                    left.append(f"network {network.name}: {explain(error)}")
        if left:
            raise HarnessError("; ".join(left))


def _with_own_subnet(name: str, labels: dict[str, str]) -> Any:
    for attempt in range(_ATTEMPTS):
        chosen = _create(name, labels)
        pool = chosen.attrs["IPAM"]["Config"][0]
        chosen.remove()
        pools = [IPAMPool(subnet=pool["Subnet"], gateway=pool["Gateway"])]
        try:
            return _create(name, labels, ipam=IPAMConfig(pool_configs=pools))
        except APIError as error:
            # Another fleet took the subnet in between.
            if attempt == _ATTEMPTS - 1 or "overlap" not in str(error):
                raise
    raise AssertionError("unreachable")


def _create_outside(name: str, labels: dict[str, str]) -> Any:
    alone = {"com.docker.network.bridge.enable_icc": "false"}
    return _create(name, labels, internal=True, options=alone)


def _create(name: str, labels: dict[str, str], **options: Any) -> Any:
    network = engine().networks.create(name, driver="bridge", labels=labels, **options)
    network.reload()
    return network
