"""The Docker engine: how it is reached, what it must be able to do, and what its errors mean.

``docker`` and ``testcontainers`` are imported only here and in what imports this module, so that a run
without containers does not pay for them.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import docker
import requests
from docker.errors import DockerException
from testcontainers.core.config import testcontainers_config
from testcontainers.core.docker_client import DockerClient

from pytest_execgo.errors import ExecgoError, UsageError

# Each service keeps a wait and a log open, and is looked at all the time.
CLIENT_SETTINGS = {"timeout": 120, "max_pool_size": 32}


@lru_cache
def engine() -> docker.DockerClient:
    """A client of the engine, the same for the whole process; raises :class:`UsageError` where there is
    none that will do."""
    try:
        client = DockerClient(**CLIENT_SETTINGS).client
        facts = client.info()
    except (*DOCKER_ERRORS, ValueError) as error:
        raise UsageError(explain(error)) from None
    why_not = _unfit(facts)
    if why_not:
        raise UsageError(why_not)
    # Ryuk clears up after a process that was killed, as our own reaper does; where its image is not
    # here already it is not worth a pull, which without a network takes a minute to fail.
    if not testcontainers_config.ryuk_disabled:
        testcontainers_config.ryuk_disabled = not _has_image(
            client, testcontainers_config.ryuk_image
        )
    return client


@lru_cache
def facts() -> dict[str, Any]:
    """What the engine says of itself."""
    found: dict[str, Any] = engine().info()
    return found


def address() -> str:
    """Where the engine is looked for."""
    return os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"


def _has_image(client: docker.DockerClient, name: str) -> bool:
    try:
        client.images.get(name)
    except docker.errors.ImageNotFound:
        return False
    return True


def _unfit(found: dict[str, Any]) -> str | None:
    """Why containers of this engine cannot be reached under their own addresses; ``None`` if they can.

    Docker Desktop, rootless engines and engines of other machines keep bridge networks to themselves.
    """
    security = " ".join(found.get("SecurityOptions") or [])
    what = ""
    if not sys.platform.startswith("linux"):
        what = "this machine does not run Linux itself"
    elif "Docker Desktop" in str(found.get("OperatingSystem")):
        what = "Docker Desktop keeps the addresses of containers in its own machine"
    elif "rootless" in security:
        what = "a rootless engine keeps the addresses of containers to itself"
    elif not address().startswith(("unix:", "/")):
        what = f"{address()} is the engine of another machine"
    if not what:
        return None
    return (
        f"the container harness needs a Docker engine of this Linux machine: {what}; "
        "use --execgo-harness=embedded, or point DOCKER_HOST to such an engine"
    )


DOCKER_ERRORS = (DockerException, requests.RequestException)
"""What the SDK raises; for some of it, what lies beneath."""


@contextmanager
def raised_as(kind: type[ExecgoError], what: str) -> Iterator[None]:
    """Raise the engine's trouble as one line of our own: what was to be done, and why it failed."""
    try:
        yield
    except DOCKER_ERRORS as error:
        raise kind(f"{what}: {explain(error)}") from None


def explain(error: BaseException) -> str:
    """One line for what the engine or the way to it said: what, and what to do next."""
    text = " ".join(str(getattr(error, "explanation", None) or error).split())
    numbers = set(_errnos(error))
    if numbers & {errno.ENOENT, errno.ECONNREFUSED} or "Connection refused" in text:
        return (
            f"no Docker engine at {address()}: start one (sudo systemctl start docker), "
            "or name another in DOCKER_HOST"
        )
    if numbers & {errno.EACCES, errno.EPERM} or "Permission denied" in text:
        return (
            f"no permission on {address()}: join the group that may use Docker "
            "(sudo usermod -aG docker $USER, then log in again), or name another engine in DOCKER_HOST"
        )
    if "no space left on device" in text:
        return f"the disk of Docker is full: {text[-300:]}; make room: docker system prune"
    if "port is already allocated" in text or "address already in use" in text:
        return f"a port is taken: {text[-300:]}; publish another, or end what holds it"
    if "all predefined address pools" in text:
        return (
            "Docker has no address left for another network; use fewer workers (-n), or remove unused "
            "networks: docker network prune"
        )
    host = f" (DOCKER_HOST={os.environ['DOCKER_HOST']})" if os.environ.get("DOCKER_HOST") else ""
    return f"Docker{host}: {text[-500:]}"


def _errnos(error: BaseException) -> Iterator[int]:
    """The numbers of all operating system errors that an error was made of."""
    if isinstance(error, OSError) and isinstance(error.errno, int):
        yield error.errno
    for part in error.args:
        if isinstance(part, BaseException):
            yield from _errnos(part)
    if error.__context__ is not None:
        yield from _errnos(error.__context__)
