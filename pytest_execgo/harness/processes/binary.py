"""Launcher ``binary``: a real ``execgo`` or ``execgo-runtime`` executable."""

from __future__ import annotations

import hashlib
import os
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_execgo.errors import HarnessError, UsageError
from pytest_execgo.harness.environment import service_environment
from pytest_execgo.harness.processes.service import ProcessService, Program
from pytest_execgo.harness.readiness import DEFAULT_TIMEOUT_SECONDS, probe_json
from pytest_execgo.harness.service import (
    ARGUMENTS_OPTION,
    HEALTH,
    Launcher,
    LaunchSite,
    Service,
    Unwatched,
    absolute,
    refuse_other_version,
)
from pytest_execgo.models.environment import ServiceInfo
from pytest_execgo.system import child, sockets

_DESCRIBE_SECONDS = 3.0
_ADDRESS = "chooses a free port on loopback"
_FOLDER = "gives each fleet its own folder"
_OWN_FLAGS = {
    "execgo": {"addr": _ADDRESS, "grpc-addr": _ADDRESS, "data-dir": _FOLDER},
    "runtime": {"listen-addr": _ADDRESS, "data-dir": _FOLDER},
}


class BinaryLauncher(Launcher):
    """Target: the path of the executable."""

    kind = "binary"
    services = frozenset({"execgo", "runtime"})
    needs_target = True

    def located(self, service: str, target: str, base: Path) -> str:
        return absolute(f"{service}=binary:{target}", target, base)

    def check(self, service: str, target: str) -> None:
        """Raise :class:`UsageError` unless the target is a readable, executable file."""
        path = Path(target).expanduser()
        if not path.is_file():
            raise UsageError(
                f"{service}=binary:{target}: no such file; build it, or correct the path"
            )
        if not os.access(path, os.R_OK):
            raise UsageError(f"{service}=binary:{target}: not readable; try: chmod +r {target}")
        if not os.access(path, os.X_OK):
            raise UsageError(f"{service}=binary:{target}: not executable; try: chmod +x {target}")

    def check_arguments(self, service: str, arguments: Sequence[str]) -> None:
        """Refuse arguments that this launcher sets itself, and those that no command line can hold."""
        for argument in arguments:
            flag = argument.partition("=")[0]
            reason = _OWN_FLAGS[service].get(flag.lstrip("-")) if flag.startswith("-") else None
            if reason is not None:
                raise UsageError(
                    f"{ARGUMENTS_OPTION} {service}: {flag} is set by the launcher, which {reason}; "
                    "leave it out"
                )
            try:
                encoded = os.fsencode(argument)
            except UnicodeEncodeError:
                encoded = b"\0"
            if b"\0" in encoded:
                raise UsageError(
                    f"{ARGUMENTS_OPTION} {service}: {argument!r} holds a character that no command "
                    "line can hold; leave it out"
                )

    def describe(self, service: str, target: str) -> str:
        """Start it once and ask for its version: not every binary prints it on the command line."""
        path = _path(target)
        known = f"{target} sha256 {_digest(path)[:12]}"
        with tempfile.TemporaryDirectory(prefix="execgo-version-") as root:
            site = LaunchSite(
                Path(root), service_environment(), Unwatched(), {"runtime": "http://127.0.0.1:1"}
            )
            program = _program(service, path, site, _DESCRIBE_SECONDS)
            process = ProcessService(service, program, site)
            try:
                process.start()
            except HarnessError:
                return f"binary {known}"
            try:
                return f"binary {process.info.version} {known}"
            finally:
                process.stop()

    def launch(self, service: str, target: str, site: LaunchSite) -> Service:
        """Start it on a free loopback port and wait for its health check."""
        process = ProcessService(service, _program(service, _path(target), site), site)
        process.start()
        return process


def _path(target: str) -> Path:
    return Path(target).expanduser().resolve()


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _program(
    service: str,
    path: Path,
    site: LaunchSite,
    ready_within_seconds: float = DEFAULT_TIMEOUT_SECONDS,
) -> Program:
    data = site.data_dir(service)
    subcommand = ["serve"] if service == "runtime" else []

    def command(address: str) -> list[str]:
        own = ["--listen-addr", address, "--data-dir", str(data)] if subcommand else []
        words = [str(path), *subcommand, *own, *site.arguments]
        return child.of_program(words, site.environment)

    def environment(address: str) -> dict[str, str]:
        if service != "execgo":
            return {}
        return {
            "EXECGO_ADDR": address,
            "EXECGO_DATA_DIR": str(data),
            "EXECGO_RUNTIME_URL": site.url_with_token("runtime"),
            "EXECGO_GRPC_ADDR": f"{address.rpartition(':')[0]}:0",
        }

    def look(offset: int, url: str | None) -> dict[str, Any] | None:
        health = probe_json(f"{url}{HEALTH[service]}")
        return None if health is None else {"url": url, "version": health.get("version")}

    def info(seen: dict[str, Any]) -> ServiceInfo:
        version = str(seen["version"])
        refuse_other_version(service, f"binary {path}", version)
        return ServiceInfo(
            launcher="binary",
            version=version,
            path=str(path),
            digest=_digest(path),
            arguments=site.arguments,
        )

    return Program(
        command=command,
        look=look,
        awaited=f"200 from {HEALTH[service]}",
        health=HEALTH[service],
        environment=environment,
        info=info,
        hint=f"try it alone: {shlex.join([str(path), *subcommand, *site.arguments])}",
        picks_port=False,
        host=sockets.random_loopback_host(),
        ready_within_seconds=ready_within_seconds,
    )
