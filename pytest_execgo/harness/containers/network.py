"""The private network of a fleet of containers.

Every service has an address of its own choosing on it, the same inside and outside, also after a restart
or a partition. Docker gives fixed addresses only on subnets that were asked for, so Docker is let
choose a free subnet first, and then asked for just that one.

A service that is cut off its network must still be seen from outside, or a dead link could not be told
from a dead service: where faults may do that, containers stand on a second network as well, by which
only health checks go: it leads nowhere, and containers do not see each other on it.
"""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path
from typing import Any

from docker.errors import APIError, NotFound
from docker.types import EndpointConfig, IPAMConfig, IPAMPool

from pytest_execgo.errors import HarnessError
from pytest_execgo.harness.containers.engine import DOCKER_ERRORS, engine, explain, raised_as
from pytest_execgo.harness.service import SERVICE_NAMES

_ATTEMPTS = 20
# Docker numbers containers from 2 on; those that are not given an address keep clear of ours.
_FIRST_HOST = 10


class ContainerNetwork:
    """See :class:`pytest_execgo.harness.service.Network`."""

    def __init__(self, private: Any, outside: Any | None) -> None:
        self.private, self.outside = private, outside
        self.root: Path | None = None
        pool = private.attrs["IPAM"]["Config"][0]
        self._subnet = ipaddress.ip_network(pool["Subnet"])
        self.gateway: str = pool["Gateway"]

    @classmethod
    def create(cls, name: str, labels: dict[str, str], *, partitionable: bool) -> ContainerNetwork:
        """A new one; raises :class:`HarnessError`, and leaves nothing behind."""
        with raised_as(HarnessError, "the network of the fleet cannot be made"):
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
        """Raise :class:`HarnessError` if this process is not on the machine of the engine: in a
        container beside, say, with the engine's socket mounted."""
        with socket.socket() as probe:
            try:
                probe.bind((self.gateway, 0))
            except OSError:
                raise HarnessError(
                    f"the Docker engine's networks ({self.gateway}) are not of this machine; is this a "
                    "container that was given the engine's socket? run pytest beside the engine, or "
                    "use --execgo-harness=embedded"
                ) from None

    @property
    def name(self) -> str:
        """As ``docker network ls`` shows it."""
        return str(self.private.name)

    @property
    def subnet(self) -> str:
        """Where its containers come from."""
        return str(self._subnet)

    @property
    def device(self) -> str:
        """The bridge, as Docker names it."""
        return f"br-{self.private.id[:12]}"

    def address(self, service: str) -> str:
        """The address of a service, whether it is up or not."""
        return str(self._subnet[_FIRST_HOST + SERVICE_NAMES.index(service)])

    def endpoint(self, service: str) -> dict[str, Any]:
        """How a service's container is to be connected when it is made."""
        version = engine().api.api_version
        config = EndpointConfig(version, ipv4_address=self.address(service), aliases=[service])
        return {self.name: config}

    def connect_outside(self, container: Any) -> None:
        """Connect a container to the network of health checks, if there is one."""
        if self.outside is not None:
            self.outside.connect(container)

    def address_outside(self, container: Any, service: str) -> str:
        """Where health checks reach a running container (of which ``attrs`` are fresh)."""
        if self.outside is None:
            return self.address(service)
        networks = container.attrs["NetworkSettings"]["Networks"]
        return str(networks[self.outside.name]["IPAddress"])

    def partition(self, container: Any) -> None:
        """Take a container off the private network."""
        self.private.disconnect(container)

    def heal_partition(self, container: Any, service: str) -> None:
        """Back on it, under the same address."""
        self.private.connect(container, ipv4_address=self.address(service), aliases=[service])

    def complete(self, container: Any, service: str) -> None:
        """Connect a container (of which ``attrs`` are fresh) to what it has been cut off."""
        known = container.attrs["NetworkSettings"]["Networks"]
        if self.name not in known:
            self.heal_partition(container, service)
        if self.outside is not None and self.outside.name not in known:
            self.outside.connect(container)

    def close(self) -> None:
        """Remove both networks; raises :class:`HarnessError` if one stays."""
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
            # Another fleet has been given it in between.
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
