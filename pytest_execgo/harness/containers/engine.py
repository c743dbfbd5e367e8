"""The client of the Docker engine, what an engine must support, and one line for each of its errors.

Only this module and its importers import ``docker`` and ``testcontainers``: a run without containers
does not load them.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import docker
import requests
from docker.context import ContextAPI
from docker.errors import DockerException
from docker.utils import parse_host
from testcontainers.core.config import testcontainers_config
from testcontainers.core.docker_client import DockerClient, get_docker_host

from pytest_execgo.errors import ExecgoError, UsageError
from pytest_execgo.system import sockets
from pytest_execgo.transport.client import shield

# Each service holds two connections open (for its end and for its log), and is inspected often.
CLIENT_SETTINGS = {"timeout": 120, "max_pool_size": 32}


DEFAULT_HOST = "unix:///var/run/docker.sock"
_UNIX = "http+unix://"
_CONNECT_SECONDS = 5.0

DOCKER_ERRORS = (DockerException, requests.RequestException)
"""What the SDK raises: its own errors, and those of the HTTP library that it uses."""


@lru_cache
def engine() -> docker.DockerClient:
    """The client of the engine, one per process.

    Raises :class:`UsageError` with one line if there is no engine, or if its containers cannot be
    reached from this machine.
    """
    try:
        _connect_once()
        client = DockerClient(**CLIENT_SETTINGS).client
        shield(client.api)
    except (*DOCKER_ERRORS, OSError, ValueError) as error:
        raise UsageError(explain(error)) from None
    try:
        _prepare(client)
    except BaseException:
        client.close()
        raise
    return client


def _connect_once() -> None:
    """Raise :class:`OSError` if the engine's Unix socket refuses a connection.

    The SDK leaves the socket of a failed connection open (``UnixHTTPConnection.connect``). It reaches
    no caller, so it cannot be closed later. Therefore the SDK is used only after one connection here
    was successful.
    """
    host = get_docker_host() or ContextAPI.kwargs_from_context().get("base_url")
    address = parse_host(host, sys.platform == "win32")
    if address.startswith(_UNIX):
        with sockets.OwnSocket(socket.AF_UNIX) as probe:
            probe.settimeout(_CONNECT_SECONDS)
            probe.connect(address.removeprefix(_UNIX))


def _prepare(client: docker.DockerClient) -> None:
    """Check the engine, and switch Ryuk off where it cannot run; raises :class:`UsageError`."""
    try:
        why_not = _unfit(client.info())
    except (*DOCKER_ERRORS, ValueError) as error:
        raise UsageError(explain(error)) from None
    if why_not:
        raise UsageError(why_not)
    # Ryuk removes the containers of a process that was killed. Our reaper does so too: if the image of
    # Ryuk is not present, do not pull it. Without a network, a pull takes a minute to fail.
    if not testcontainers_config.ryuk_disabled:
        testcontainers_config.ryuk_disabled = not _has_image(
            client, testcontainers_config.ryuk_image
        )


@lru_cache
def facts() -> dict[str, Any]:
    """The engine's answer to ``docker info``, asked once per process."""
    found: dict[str, Any] = engine().info()
    return found


def address() -> str:
    """The URL at which the SDK looks for the engine."""
    return os.environ.get("DOCKER_HOST") or get_docker_host() or DEFAULT_HOST


def _has_image(client: docker.DockerClient, name: str) -> bool:
    try:
        client.images.get(name)
    except docker.errors.ImageNotFound:
        return False
    return True


def _unfit(found: dict[str, Any]) -> str | None:
    """Why the addresses of this engine's containers cannot be reached; ``None`` if they can.

    With Docker Desktop, a rootless engine or an engine on another machine, this machine has no route to
    the bridge networks of containers. ``found`` is the answer to ``docker info``.
    """
    security = " ".join(found.get("SecurityOptions") or [])
    what = ""
    if not sys.platform.startswith("linux"):
        what = "this machine does not run Linux itself"
    elif "Docker Desktop" in str(found.get("OperatingSystem")):
        what = "Docker Desktop runs containers in a virtual machine"
    elif "rootless" in security:
        what = "the network of a rootless engine cannot be reached from outside"
    elif not address().startswith(("unix:", "/")):
        what = f"{address()} is not a Unix socket of this machine"
    if not what:
        return None
    return (
        f"the container harness needs a Docker engine on this Linux machine: {what}; "
        "use --execgo-harness=embedded, or set DOCKER_HOST to an engine on this machine"
    )


@contextmanager
def raised_as(kind: type[ExecgoError], what: str) -> Iterator[None]:
    """Turn errors of the engine into ``kind``, in one line: ``what`` failed, and why."""
    try:
        yield
    except DOCKER_ERRORS as error:
        raise kind(f"{what}: {explain(error)}") from None


def explain(error: BaseException) -> str:
    """One line for an error of the engine or of the connection to it: the problem and the next step."""
    text = " ".join(str(getattr(error, "explanation", None) or error).split())
    numbers = set(_errnos(error))
    if numbers & {errno.ENOENT, errno.ECONNREFUSED} or "Connection refused" in text:
        return (
            f"no Docker engine at {address()}: start one (sudo systemctl start docker), "
            "or set DOCKER_HOST to another"
        )
    if numbers & {errno.EACCES, errno.EPERM} or "Permission denied" in text:
        return (
            f"no permission on {address()}: join the group that may use Docker "
            "(sudo usermod -aG docker $USER, then log in again), or set DOCKER_HOST to another engine"
        )
    if "no space left on device" in text:
        return f"the disk of Docker is full: {text[-300:]}; free space with: docker system prune"
    if "port is already allocated" in text or "address already in use" in text:
        return (
            f"a port is taken: {text[-300:]}; choose another port, or end the program that uses it"
        )
    if "all predefined address pools" in text:
        return (
            "Docker has no address left for another network; use fewer workers (-n), or remove unused "
            "networks with: docker network prune"
        )
    host = f" (DOCKER_HOST={os.environ['DOCKER_HOST']})" if os.environ.get("DOCKER_HOST") else ""
    return f"Docker{host}: {text[-500:]}"


def _errnos(error: BaseException) -> Iterator[int]:
    """The numbers of the operating system errors in the arguments and contexts of ``error``."""
    if isinstance(error, OSError) and isinstance(error.errno, int):
        yield error.errno
    for part in error.args:
        if isinstance(part, BaseException):
            yield from _errnos(part)
    if error.__context__ is not None:
        yield from _errnos(error.__context__)
