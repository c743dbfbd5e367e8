"""A service as a child process: start, watch, kill, revive, stop."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from pytest_execgo.errors import HarnessError
from pytest_execgo.harness.processes import limits
from pytest_execgo.harness.processes.limits import Heal
from pytest_execgo.harness.proxy import FaultProxy
from pytest_execgo.harness.readiness import DEFAULT_TIMEOUT_SECONDS, await_ready, probe_json
from pytest_execgo.harness.service import LaunchSite
from pytest_execgo.models.environment import ServiceInfo
from pytest_execgo.models.events import ServiceExited
from pytest_execgo.system import child, sockets, tree

STOP_TIMEOUT_SECONDS = 5.0
END_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class Program:
    """How to run one kind of service.

    ``command`` returns the arguments for an address ``host:port`` (port 0: the service picks one).
    ``look`` takes a log offset and a URL or ``None``, and returns ``{"url", "version"}`` once the
    service is ready. ``health`` is the path that answers 200 while the service is healthy.
    """

    command: Callable[[str], list[str]]
    look: Callable[[int, str | None], dict[str, Any] | None]
    awaited: str
    health: str
    environment: Callable[[str], dict[str, str]]
    info: Callable[[dict[str, Any]], ServiceInfo]
    hint: str
    picks_port: bool
    host: str = "127.0.0.1"
    headers: dict[str, str] = field(default_factory=dict)
    ready_within_seconds: float = DEFAULT_TIMEOUT_SECONDS


class ProcessService:
    """A :class:`Service` and :class:`LogSource` that can be killed, ended, revived, paused and
    limited."""

    def __init__(self, name: str, program: Program, site: LaunchSite) -> None:
        self.name = name
        self.log_path: Path = site.log_path(name)
        self._program, self._site = program, site
        self._process: child.Process | None = None
        self._expected_end = False
        self._watching: threading.Thread | None = None
        self._url = ""
        self._info: ServiceInfo | None = None
        self._in_force: dict[str, Heal] = {}
        # What was below a process when it was ended: nothing leads to it any more.
        self._orphans: list[psutil.Process] = []
        self.link: FaultProxy | None = None
        self.python = sys.executable

    @property
    def url(self) -> str:
        """Base URL; it stays the same when the service is revived."""
        return self._url

    @property
    def health_url(self) -> str:
        """The URL that answers 200 while the service is healthy."""
        return self._url + self._program.health

    @property
    def headers(self) -> dict[str, str]:
        """The headers that its requests need."""
        return self._program.headers

    @property
    def info(self) -> ServiceInfo:
        """Launcher, version and digest; raises :class:`HarnessError` before the service was first
        ready."""
        if self._info is None:
            raise HarnessError(f"{self.name} was never ready")
        return self._info

    @property
    def pid(self) -> int | None:
        """The id of the current or last process; ``None`` before the first start."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start and wait until ready; raises :class:`HarnessError` and leaves no process behind."""
        known = self._url.removeprefix("http://")
        host = self._program.host
        address = known or f"{host}:{0 if self._program.picks_port else free_port(host)}"
        offset = self.log_path.stat().st_size if self.log_path.exists() else 0
        command = self._program.command(address)
        try:
            with self.log_path.open("ab") as log:
                process = child.start(
                    command,
                    folder=self._site.data_dir(self.name),
                    environment={**self._site.environment, **self._program.environment(address)},
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
        except OSError as error:
            raise HarnessError(
                f"{self.name} could not be started: {command[0]}: {error.strerror}; "
                f"{self._program.hint}"
            ) from None
        self._process, self._expected_end = process, False
        self._watching = threading.Thread(target=self._watch, args=(process,), daemon=True)
        self._watching.start()
        url = None if self._program.picks_port else f"http://{address}"
        try:
            seen = await_ready(
                self.name,
                lambda: self._program.look(offset, url),
                awaited=self._program.awaited,
                ended=process.poll,
                log_path=self.log_path,
                hint=self._program.hint,
                timeout=self._program.ready_within_seconds,
            )
            self._info = self._program.info(seen)
        except HarnessError:
            self.stop()
            raise
        self._url = seen["url"]
        self._site.watcher.service_ready(self.name, process.pid)

    def running(self) -> bool:
        """Whether the process is alive; once this is false, its end was reported to the watcher."""
        return self._watching is not None and self._watching.is_alive()

    def ready(self) -> bool:
        """Whether it is alive and answers."""
        return self.running() and probe_json(self.health_url) is not None

    def kill(self) -> int:
        """SIGKILL the process and wait for its end; returns the exit status. The watcher gets the
        exit."""
        process = self._require()
        self._orphans += tree.descendants(process.pid)
        process.kill()
        status = process.wait()
        if self._watching:
            self._watching.join()
        return status

    def terminate(self) -> int:
        """SIGTERM and wait for the end without a time limit; returns the exit status."""
        process = self._require()
        self._expected_end = True
        process.terminate()
        return process.wait()

    def end(self) -> int:
        """SIGTERM and wait for the end; returns the exit status. The watcher gets the exit.

        SIGKILL if the process does not end within 30 s.
        """
        process = self._require()
        # A paused process receives the signal only when it continues.
        self._heal("pause")
        self._orphans += tree.descendants(process.pid)
        process.terminate()
        if self.await_exit(END_TIMEOUT_SECONDS) is None:
            process.kill()
        status = process.wait()
        if self._watching:
            self._watching.join()
        return status

    def pause(self) -> None:
        """SIGSTOP: connections stay open, and no request is answered."""
        self._refuse_twice("pause")
        self._require().send_signal(signal.SIGSTOP)
        self._in_force["pause"] = self._continue

    def resume(self) -> None:
        """Continue with SIGCONT."""
        self._heal("pause")

    def state(self) -> tuple[bool, dict[str, str]]:
        """Whether the process is stopped, and its limits, as the operating system reports them."""
        return limits.state_of(self.pid)

    def has_process(self, pid: int) -> bool:
        """Whether a process of this machine exists and has not ended; a defunct one has."""
        try:
            return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False
        except psutil.Error:
            return True

    def cannot_limit(self, resource: str) -> str | None:
        """Why a resource cannot be limited here; ``None`` if it can."""
        return limits.unsupported(resource, self._require().pid)

    def limit(self, resource: str, amount: float) -> None:
        """Limit the process and its descendants.

        ``resource`` and ``amount``: ``cpu`` (share of the time, 0 to 1), ``memory`` (MB) or ``pids``
        (number of further processes and threads).
        """
        self._refuse_twice(resource)
        pid = self._require().pid
        if resource == "cpu":
            self._in_force["cpu"] = limits.throttle(pid, amount)
        elif resource == "memory":
            self._in_force["memory"] = limits.limit_memory(pid, int(amount))
        else:
            self._in_force["pids"] = limits.limit_pids(pid, int(amount))

    def unlimit(self, resource: str) -> None:
        """Remove the limit."""
        self._heal(resource)

    def active_faults(self) -> str | None:
        """One sentence with the faults in force; ``None`` if there are none."""
        return f"{self.name} is still under {', '.join(self._in_force)}" if self._in_force else None

    def _refuse_twice(self, name: str) -> None:
        """Raise :class:`RuntimeError` for a fault that conflicts with one in force.

        A second limit of the same kind would replace the way to heal the first. The cpu limit sends
        SIGCONT, so it would end a pause.
        """
        rivals = {"pause", "cpu"} if name in ("pause", "cpu") else {name}
        for rival in rivals & set(self._in_force):
            raise RuntimeError(f"{self.name} is under {rival} already")

    def _heal_all(self) -> None:
        for name in list(self._in_force):
            with suppress(Exception):
                # An error while healing must not prevent the stop of the process.
                self._heal(name)
        self._in_force.clear()

    def _heal(self, name: str) -> None:
        heal = self._in_force.get(name)
        if heal is not None:
            heal()
            del self._in_force[name]

    def _continue(self) -> None:
        process = self._require()
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)

    def leftovers(self, seconds: float) -> list[psutil.Process]:
        """What tasks have left below this service after at most ``seconds``, also below a process of it
        that was killed or ended; returns at once if nothing is left. Call it when no task runs."""
        below = self.pid if self.pid is not None and self.running() else None
        found = tree.remaining(below, seconds, self._orphans)
        self._orphans = []
        return found

    def await_exit(self, seconds: float) -> int | None:
        """The exit status if the process ends within the time, else ``None``."""
        process = self._require()
        # Not wait(seconds): where a test froze the time, it would never end.
        if self._watching:
            self._watching.join(seconds)
        return process.poll()

    def revive(self) -> None:
        """Start again on the same address."""
        if not self.running():
            self._heal_all()
            self._close_stdin()
            self.start()

    def stop(self) -> None:
        """End the process with SIGTERM, after five seconds with SIGKILL, and all processes below it."""
        self._expected_end = True
        process = self._process
        if process is None:
            return
        self._heal_all()
        below = [*tree.descendants(process.pid), *self._orphans]
        if process.poll() is None:
            process.terminate()
            if self.await_exit(STOP_TIMEOUT_SECONDS) is None:
                process.kill()
                process.wait()
        tree.kill(below)
        self._close_stdin()

    def _close_stdin(self) -> None:
        if self._process and self._process.stdin:
            self._process.stdin.close()

    def _require(self) -> child.Process:
        if self._process is None:
            raise HarnessError(f"{self.name} has no process")
        return self._process

    def _watch(self, process: child.Process) -> None:
        status = process.wait()
        if not self._expected_end:
            end = ServiceExited(service=self.name, pid=process.pid, exit_status=status)
            self._site.watcher.service_exited(end)


def free_port(host: str = "127.0.0.1") -> int:
    """A port that is free now, for programs that cannot choose one themselves."""
    with sockets.listening(host) as probe:
        port: int = probe.getsockname()[1]
        return port
