"""A service as a container: start, watch, kill, revive, pause, limit, partition, stop."""

from __future__ import annotations

import threading
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
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
from pytest_execgo.harness.containers.limits import FREE
from pytest_execgo.harness.containers.network import ContainerNetwork
from pytest_execgo.harness.proxy import FaultProxy
from pytest_execgo.harness.readiness import await_ready, probe_json
from pytest_execgo.harness.service import HEALTH, Watcher, refuse_other_version
from pytest_execgo.models.environment import ServiceInfo
from pytest_execgo.models.events import ServiceExited
from pytest_execgo.system.clock import monotonic, wall

END_TIMEOUT_SECONDS = 30.0
_ONE_AT_A_TIME = threading.Lock()
_DIES_WITHIN_SECONDS = 3.0
_LOGS_LATE_SECONDS = 2.0


@dataclass(frozen=True)
class ContainerSpec:
    """How to create the container of a service.

    ``image`` is an image id, ``user`` is ``uid:gid``. ``mounts`` maps folders of this machine to
    paths in the container. ``published`` is a loopback port of this machine that leads to the
    service.
    """

    name: str
    image: str
    labels: dict[str, str]
    user: str
    environment: dict[str, str] = field(default_factory=dict)
    mounts: dict[str, str] = field(default_factory=dict)
    published: int | None = None


class ContainerService:
    """A :class:`Service` and :class:`LogSource` with the capabilities of :class:`ProcessService`.

    It can also be cut off from its network.
    """

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
        """Base URL, the same for containers and this machine; it stays the same when revived."""
        return f"http://{self._network.address(self.name)}:{self._port}"

    @property
    def health_url(self) -> str:
        """The URL that answers 200 while the service is healthy, also during a partition."""
        return self._health_url

    @property
    def pid(self) -> int | None:
        """The id of its first process on this machine."""
        return self._pid

    @property
    def container_id(self) -> str:
        return str(self._container.id)

    # -- life

    def create(self, spec: ContainerSpec) -> None:
        """Create and start the container, and wait until the service is ready.

        On failure, remove the container and raise :class:`HarnessError`.
        """
        wrapped = DockerContainer(
            spec.image, env=spec.environment, name=spec.name, docker_client_kw=CLIENT_SETTINGS
        )
        # The image is given by id, to which Testcontainers must not add its registry prefix.
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
            # Calls between services must bypass an HTTP proxy of this machine's Docker settings.
            use_config_proxy=False,
            **_user_namespace(),
        )
        self._wrapped = wrapped
        try:
            # Testcontainers starts Ryuk with the first container, which is not thread-safe.
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
        """Use an existing container, and heal it; :meth:`stop` then leaves it running.

        ``renew``: restart it, so that no work of an earlier run continues.
        """
        self._container = container
        with raised_as(HarnessError, f"{self.name} cannot be made ready"):
            self._make_ready(renew=renew)

    def _make_ready(self, *, renew: bool) -> None:
        container = self._container
        container.reload()
        if container.status == "paused":
            container.unpause()
        for resource, limit in container_limits.seen(container.attrs["HostConfig"]).items():
            if limit != FREE:
                container_limits.remove(container, resource)
        self._network.complete(container, self.name)
        since = wall()
        if renew:
            container.restart(timeout=int(END_TIMEOUT_SECONDS))
        else:
            container.start()
        self._follow(since)
        self._await_ready()

    def identify(self, *, version: str, image: str, path: str | None, digest: str) -> None:
        """Set version, image and digest; an empty ``version`` means the one that it reported."""
        if not version:
            version = self._reported_version
            refuse_other_version(self.name, f"image {image}", version)
        self.info = ServiceInfo(
            launcher="container", version=version, image=image, path=path, digest=digest
        )
        if self.name == "runtime":
            self.python = self._find_python()

    def running(self) -> bool:
        """Whether its first process is alive; once this is false, its end was reported to the
        watcher."""
        return self._watching is not None and self._watching.is_alive()

    def ready(self) -> bool:
        """Whether it is alive and answers."""
        return self.running() and probe_json(self._health_url) is not None

    def kill(self) -> int:
        """SIGKILL all of its processes and wait for the end; returns the exit status."""
        return self._end("SIGKILL")

    def end(self) -> int:
        """SIGTERM its first process and wait for the end; returns the exit status.

        The watcher gets the exit. SIGKILL if the process does not end within 30 s.
        """
        # A paused process receives the signal only when it continues.
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
            raise RuntimeError(f"Docker cannot end the container of {self.name}")
        return -1 if self._ended is None else self._ended

    def _signal(self, signal: str) -> None:
        try:
            self._container.kill(signal)
        except APIError:
            # The container may have ended by itself, which is the intended result.
            self._container.reload()
            if self._container.attrs["State"]["Running"]:
                raise

    def revive(self) -> None:
        """Start the same container again, with the same files."""
        if self.running():
            return
        self._heal_all()
        since = wall()
        with raised_as(HarnessError, f"{self.name} could not be started"):
            self._container.start()
        self._follow(since)
        self._await_ready()

    def stop(self) -> None:
        """Remove the container in any state; one that was attached keeps running."""
        self._expected_end = True
        if self._wrapped is None:
            self._detach()
            return
        with suppress(*DOCKER_ERRORS):
            # If the engine does not answer, the next start removes the container.
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
        """The path of Python in the image; ``None`` if it has none."""
        done = self._container.exec_run(["python3", "-c", "import sys; print(sys.executable)"])
        return done.output.decode().strip() if done.exit_code == 0 else None

    def reaches(self, host: str, port: int) -> bool:
        """Whether the container can connect to the address; true for an image without Python."""
        script = f"import socket; socket.create_connection(({host!r}, {port}), 3).close()"
        done = self._container.exec_run(["python3", "-c", script])
        return int(done.exit_code) != 1

    # -- faults

    def pause(self) -> None:
        """Freeze all of its processes: connections stay open, and no request is answered."""
        self._refuse_twice("pause")
        self._container.pause()
        self._in_force["pause"] = self._unpause

    def _unpause(self) -> None:
        try:
            self._container.unpause()
        except APIError:
            # The container may have ended meanwhile.
            self._container.reload()
            if self._container.attrs["State"]["Paused"]:
                raise

    def resume(self) -> None:
        """Let its processes continue."""
        self._heal("pause")

    def cannot_limit(self, resource: str) -> str | None:
        """Why a resource cannot be limited here; ``None`` if it can."""
        return container_limits.unsupported(resource, facts())

    def limit(self, resource: str, amount: float) -> None:
        """Limit all of its processes together.

        ``resource`` and ``amount``: ``cpu`` (share of one processor's time), ``memory`` (MB, at least
        the memory in use) or ``pids`` (number of further processes and threads).
        """
        self._refuse_twice(resource)
        container_limits.put(self._container, resource, amount)
        self._in_force[resource] = lambda: self._remove_limit(resource)

    def _remove_limit(self, resource: str) -> None:
        try:
            container_limits.remove(self._container, resource)
        except APIError:
            # Docker cannot change a container that is just dying of its limit, but one that has ended.
            watching = self._watching
            if watching is not None:
                watching.join(_DIES_WITHIN_SECONDS)
            if self.running():
                raise
            container_limits.remove(self._container, resource)

    def unlimit(self, resource: str) -> None:
        """Remove the limit."""
        self._heal(resource)

    def partition(self) -> None:
        """Cut it off from the private network: no service reaches it, and its tasks reach no service."""
        self._refuse_twice("partition")
        self._network.partition(self._container)
        self._in_force["partition"] = lambda: self._network.heal_partition(
            self._container, self.name
        )

    def heal_partition(self) -> None:
        """Connect it again, under the same address."""
        self._heal("partition")

    def active_faults(self) -> str | None:
        """One sentence with the faults in force; ``None`` if there are none."""
        return f"{self.name} is still under {', '.join(self._in_force)}" if self._in_force else None

    def state(self) -> tuple[bool, dict[str, str]]:
        """Whether it is paused, and its limits, as Docker reports them."""
        try:
            seen = self._container.client.api.inspect_container(self._container.id)
        except DOCKER_ERRORS:
            return False, {}
        return bool(seen["State"]["Paused"]), container_limits.seen(seen["HostConfig"])

    def _refuse_twice(self, name: str) -> None:
        if name in self._in_force:
            raise RuntimeError(f"{self.name} is under {name} already")

    def _heal(self, name: str) -> None:
        heal = self._in_force.get(name)
        if heal is not None:
            heal()
            del self._in_force[name]

    def _heal_all(self) -> None:
        for name in list(self._in_force):
            with suppress(DockerException):
                # Docker refuses to unpause a container that ended. Heal the other faults in any case.
                self._heal(name)
        self._in_force.clear()

    # -- watching

    def _follow(self, since: float) -> None:
        """Start one thread that waits for its end, and one that copies its log to a file."""
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
            self._report_end(pid or 0, status)

    def _report_end(self, pid: int, status: int) -> None:
        """Docker often reports an end much later than it happened. A limit that lasted for a short time
        may have been missed by every health check by then, but Docker still knows it."""
        end, at = ServiceExited(service=self.name, pid=pid, exit_status=status), None
        with suppress(*DOCKER_ERRORS):
            seen = self._container.client.api.inspect_container(self._container.id)
            limits = container_limits.seen(seen["HostConfig"])
            known = {
                "limits": {name: text for name, text in limits.items() if text != FREE},
                "out_of_memory": bool(seen["State"]["OOMKilled"]),
            }
            end, at = end.model_copy(update=known), _finished(seen["State"])
        self._watcher.service_exited(end, at)

    def _await_end(self) -> int | None:
        """The exit status; ``None`` if the container was removed or the engine does not answer."""
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
        # If the engine ends or the disk is full, the log stops and the service continues.
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
        """Set the health URL of a running container; its address may differ after each start."""
        self._container.reload()
        address = self._network.address_outside(self._container, self.name)
        if address:
            self._health_url = f"http://{address}:{self._port}{HEALTH[self.name]}"
        return bool(address)


def _finished(state: dict[str, Any]) -> float | None:
    """When a container ended, in seconds since the epoch; ``None`` if Docker does not say it."""
    try:
        return datetime.fromisoformat(state["FinishedAt"]).timestamp()
    except (KeyError, ValueError):
        return None


def _user_namespace() -> dict[str, str]:
    """The option that switches user namespaces off, if the engine uses them.

    Files that a container writes must belong to the user who runs pytest.
    """
    options = facts().get("SecurityOptions") or []
    return {"userns_mode": "host"} if any("name=userns" in one for one in options) else {}
