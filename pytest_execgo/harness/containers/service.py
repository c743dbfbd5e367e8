"""A service that is a container: start, watch, kill, revive, pause, limit, sever, stop."""

from __future__ import annotations

import threading
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, time
from typing import Any

import requests
from docker.errors import APIError, DockerException
from docker.types import LogConfig
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from urllib3.exceptions import HTTPError

from pytest_execgo.errors import HarnessError
from pytest_execgo.harness.containers import limits as container_limits
from pytest_execgo.harness.containers.engine import (
    CLIENT_SETTINGS,
    DOCKER_ERRORS,
    explain,
    facts,
    raised_as,
)
from pytest_execgo.harness.containers.leftovers import SERVICE
from pytest_execgo.harness.containers.network import ContainerNetwork
from pytest_execgo.harness.proxy import FaultProxy
from pytest_execgo.harness.readiness import await_ready, probe_json
from pytest_execgo.harness.service import HEALTH, Watcher, refuse_other_version
from pytest_execgo.models.benchmark import ServiceInfo

END_TIMEOUT_SECONDS = 30.0
_ONE_AT_A_TIME = threading.Lock()
_LOGS_LATE_SECONDS = 2.0


@dataclass(frozen=True)
class ContainerSpec:
    """How the container of a service is made. ``image`` is its id; ``user`` is ``uid:gid``; ``mounts``
    maps folders of this machine to where the container sees them."""

    name: str
    image: str
    labels: dict[str, str]
    user: str
    environment: dict[str, str] = field(default_factory=dict)
    mounts: dict[str, str] = field(default_factory=dict)
    published: int | None = None


class ContainerService:
    """See :class:`Service`, :class:`LogSource`; what :class:`ProcessService` can do, by Docker's means.
    It can also be cut off its network."""

    def __init__(
        self,
        name: str,
        network: ContainerNetwork,
        port: int,
        watcher: Watcher,
        log_path: Path,
        *,
        hint: str,
        ready_within_seconds: float,
    ) -> None:
        self.name, self.log_path = name, log_path
        self.link: FaultProxy | None = None
        self.python: str | None = None
        self.info = ServiceInfo(launcher="container", version="")
        self._network, self._port, self._watcher = network, port, watcher
        self._hint, self._ready_within = hint, ready_within_seconds
        self._wrapped: DockerContainer | None = None
        self._container: Any = None
        self._pid: int | None = None
        self._health_url = ""
        self._reported_version = ""
        self.ready_after_seconds = 0.0
        self._expected_end = False
        self._ended: int | None = None
        self._watching: threading.Thread | None = None
        self._logging: threading.Thread | None = None
        self._in_force: dict[str, Any] = {}

    @property
    def url(self) -> str:
        """Base URL; the same inside and outside, and after a revival."""
        return f"http://{self._network.address(self.name)}:{self._port}"

    @property
    def health_url(self) -> str:
        """What answers 200 while it is well, also while it is cut off its network."""
        return self._health_url

    @property
    def pid(self) -> int | None:
        """Its first process, as this machine numbers it."""
        return self._pid

    @property
    def container_id(self) -> str:
        """The id of its container."""
        return str(self._container.id)

    # -- life

    def create(self, spec: ContainerSpec) -> None:
        """Make and start it, and wait until it is ready; raises :class:`HarnessError` and leaves no
        container behind."""
        wrapped = DockerContainer(
            spec.image, env=spec.environment, name=spec.name, docker_client_kw=CLIENT_SETTINGS
        )
        # Our images are named by their ids; a prefix for a hub would name others.
        wrapped.image = spec.image
        for folder, seen in spec.mounts.items():
            wrapped.with_volume_mapping(folder, seen, "rw,z")
        if spec.published:
            wrapped.ports[f"{self._port}/tcp"] = ("127.0.0.1", spec.published)  # type: ignore[assignment]
        wrapped.with_kwargs(
            labels={**spec.labels, SERVICE: self.name},
            user=spec.user,
            network=self._network.name,
            networking_config=self._network.endpoint(self.name),
            log_config=LogConfig(type=LogConfig.types.JSON, config={"max-size": "20m"}),
            # The proxies of this machine's Docker settings are not for services beside each other.
            use_config_proxy=False,
            **_user_namespace(),
        )
        self._wrapped = wrapped
        try:
            # Testcontainers starts Ryuk with the first container, and not safely from two threads.
            with nullcontext() if testcontainers_config.ryuk_disabled else _ONE_AT_A_TIME:
                wrapped.start()
            self._container = wrapped.get_wrapped_container()
            self._network.connect_outside(self._container)
            self._follow(since=0.0)
            self._await_ready()
        except DOCKER_ERRORS as error:
            self.stop()
            raise HarnessError(f"{self.name} could not be started: {explain(error)}") from None
        except BaseException:
            self.stop()
            raise

    def attach(self, container: Any, *, renew: bool) -> None:
        """Take over a container that is there already, and make it well; :meth:`stop` then leaves it
        running. ``renew``: its processes are started anew, so that nothing goes on that was going on."""
        self._container = container
        with raised_as(HarnessError, f"{self.name} cannot be made well"):
            self._make_well(renew=renew)

    def _make_well(self, *, renew: bool) -> None:
        container = self._container
        container.reload()
        if container.status == "paused":
            container.unpause()
        for resource, limit in container_limits.seen(container.attrs["HostConfig"]).items():
            if limit != container_limits.FREE:
                container_limits.lift(container, resource)
        self._network.complete(container, self.name)
        since = time()
        if renew:
            container.restart(timeout=int(END_TIMEOUT_SECONDS))
        else:
            container.start()
        self._follow(since)
        self._await_ready()

    def identify(self, *, version: str, image: str, path: str | None, digest: str) -> None:
        """Who it is; without ``version``, by what it says itself."""
        if not version:
            version = self._reported_version
            refuse_other_version(self.name, f"image {image}", version)
        self.info = ServiceInfo(
            launcher="container", version=version, image=image, path=path, digest=digest
        )
        if self.name == "runtime":
            self.python = self._find_python()

    def running(self) -> bool:
        """Whether its first process is alive; once this is false, the watcher has been told its end."""
        return self._watching is not None and self._watching.is_alive()

    def ready(self) -> bool:
        """Whether it is alive and answers."""
        return self.running() and probe_json(self._health_url) is not None

    def kill(self) -> int:
        """SIGKILL all of its processes, and wait for the end; the exit status."""
        return self._end("SIGKILL")

    def end(self) -> int:
        """SIGTERM its first process, and wait for the end, which is told to the watcher. SIGKILL for one
        that does not end within 30 s."""
        # A frozen process would receive the signal only when it goes on.
        self._heal("pause")
        return self._end("SIGTERM")

    def _end(self, signal: str) -> int:
        assert self._watching is not None
        self._signal(signal)
        self._watching.join(END_TIMEOUT_SECONDS)
        if self._watching.is_alive():
            self._signal("SIGKILL")
            self._watching.join(END_TIMEOUT_SECONDS)
        if self._watching.is_alive():
            raise RuntimeError(f"Docker does not end the container of {self.name}")
        return -1 if self._ended is None else self._ended

    def _signal(self, signal: str) -> None:
        try:
            self._container.kill(signal)
        except APIError:
            # It may have ended by itself just now, which is all that was wanted.
            self._container.reload()
            if self._container.attrs["State"]["Running"]:
                raise

    def revive(self) -> None:
        """Start the same container again; it has kept its files."""
        if self.running():
            return
        self._heal_all()
        since = time()
        with raised_as(HarnessError, f"{self.name} could not be started"):
            self._container.start()
        self._follow(since)
        self._await_ready()

    def stop(self) -> None:
        """Remove the container, whatever state it is in; one that was attached to is left running."""
        self._expected_end = True
        if self._wrapped is None:
            self._detach()
            return
        with suppress(*DOCKER_ERRORS):
            # Gone already, or the engine is: then the next start clears it away.
            self._wrapped.stop()
        for thread in (self._watching, self._logging):
            if thread is not None:
                thread.join(_LOGS_LATE_SECONDS)

    def _detach(self) -> None:
        with suppress(*DOCKER_ERRORS, HarnessError):
            self._heal_all()
            self._container.reload()
            if self._container.status != "running":
                self._container.start()

    def _find_python(self) -> str | None:
        """The Python of the image, if it has one."""
        done = self._container.exec_run(["python3", "-c", "import sys; print(sys.executable)"])
        return done.output.decode().strip() if done.exit_code == 0 else None

    def reaches(self, host: str, port: int) -> bool:
        """Whether a connection can be made from inside; an image without Python is taken at its word."""
        script = f"import socket; socket.create_connection(({host!r}, {port}), 3).close()"
        done = self._container.exec_run(["python3", "-c", script])
        return int(done.exit_code) != 1

    # -- what can be done to it

    def pause(self) -> None:
        """Freeze all of its processes: it is there, and answers nothing."""
        self._refuse_twice("pause")
        self._container.pause()
        self._in_force["pause"] = self._unpause

    def _unpause(self) -> None:
        try:
            self._container.unpause()
        except APIError:
            # It may have ended meanwhile.
            self._container.reload()
            if self._container.attrs["State"]["Paused"]:
                raise

    def resume(self) -> None:
        """They go on."""
        self._heal("pause")

    def cannot_limit(self, resource: str) -> str | None:
        """Why a resource cannot be limited here; ``None`` if it can."""
        return container_limits.unsupported(resource, facts())

    def limit(self, resource: str, amount: float) -> None:
        """``cpu`` (share of one processor's time), ``memory`` (MB, at least what it holds already) or
        ``pids`` (further ones) for all of its processes."""
        self._refuse_twice(resource)
        container_limits.put(self._container, resource, amount)
        self._in_force[resource] = lambda: container_limits.lift(self._container, resource)

    def unlimit(self, resource: str) -> None:
        """As it was before."""
        self._heal(resource)

    def partition(self) -> None:
        """Off the private network: nobody reaches it, and its tasks reach nobody."""
        self._refuse_twice("partition")
        self._network.partition(self._container)
        self._in_force["partition"] = lambda: self._network.heal_partition(
            self._container, self.name
        )

    def heal_partition(self) -> None:
        """Back under the same address."""
        self._heal("partition")

    def active_faults(self) -> str | None:
        """What is still done to it; ``None`` if nothing."""
        return f"{self.name} is still under {', '.join(self._in_force)}" if self._in_force else None

    def state(self) -> tuple[bool, dict[str, str]]:
        """Whether it is paused, and its limits, as Docker tells them."""
        try:
            seen = self._container.client.api.inspect_container(self._container.id)
        except DOCKER_ERRORS:
            return False, {}
        return bool(seen["State"]["Paused"]), container_limits.seen(seen["HostConfig"])

    def _refuse_twice(self, name: str) -> None:
        if name in self._in_force:
            raise RuntimeError(f"{self.name} is under {name} already")

    def _heal(self, name: str) -> None:
        lift = self._in_force.get(name)
        if lift is not None:
            lift()
            del self._in_force[name]

    def _heal_all(self) -> None:
        for name in list(self._in_force):
            with suppress(DockerException):
                # What is paused cannot be paused once it has ended; the rest is lifted all the same.
                self._heal(name)
        self._in_force.clear()

    # -- watching

    def _follow(self, since: float) -> None:
        """Watch for its end, and copy its log to a file; both until it ends."""
        self._ended, self._expected_end = None, False
        self._container.reload()
        self._pid = self._container.attrs["State"]["Pid"] or self._pid
        self._logging = threading.Thread(target=self._copy_log, args=(since,), daemon=True)
        self._logging.start()
        self._watching = threading.Thread(target=self._watch, args=(self._pid,), daemon=True)
        self._watching.start()

    def _watch(self, pid: int | None) -> None:
        status = self._await_end()
        if self._logging is not None:
            self._logging.join(_LOGS_LATE_SECONDS)
        self._ended = status
        if not self._expected_end and status is not None:
            self._watcher.service_exited(self.name, pid or 0, status)

    def _await_end(self) -> int | None:
        """The exit status; ``None`` for a container that is gone, or an engine that is."""
        while True:
            try:
                return int(self._container.wait()["StatusCode"])
            except requests.ReadTimeout:
                continue
            except requests.ConnectionError as error:
                if "Read timed out" not in str(error):
                    return None
            except DockerException:
                return None

    def _copy_log(self, since: float) -> None:
        # An engine that goes away, or a disk that is full: the log ends there, and the service goes on.
        with suppress(*DOCKER_ERRORS, OSError, HTTPError), self.log_path.open("ab") as log:
            for piece in self._container.logs(stream=True, follow=True, since=since or None):
                log.write(piece)
                log.flush()

    def _await_ready(self) -> None:
        began = monotonic()
        watching = self._watching
        assert watching is not None
        self._container.reload()

        def ended() -> int | None:
            return None if watching.is_alive() else (-1 if self._ended is None else self._ended)

        def look() -> dict[str, Any] | None:
            if not self._health_url and not self._find_health_url():
                return None
            return probe_json(self._health_url)

        self._health_url = ""
        health = await_ready(
            self.name,
            look,
            awaited=f"200 from {HEALTH[self.name]} on port {self._port}",
            ended=ended,
            log_path=self.log_path,
            hint=self._hint,
            timeout=self._ready_within,
        )
        self._reported_version = str(health.get("version"))
        self.ready_after_seconds = monotonic() - began
        self._watcher.service_ready(self.name, self._pid)

    def _find_health_url(self) -> bool:
        """Known once it runs; on the network of health checks it differs from start to start."""
        self._container.reload()
        address = self._network.address_outside(self._container, self.name)
        if address:
            self._health_url = f"http://{address}:{self._port}{HEALTH[self.name]}"
        return bool(address)


def _user_namespace() -> dict[str, str]:
    """Where Docker gives containers other users than this machine has, ours opt out: what they write
    must belong to who runs them."""
    options = facts().get("SecurityOptions") or []
    return {"userns_mode": "host"} if any("name=userns" in one for one in options) else {}
