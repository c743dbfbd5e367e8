"""Launcher ``embedded``: the services of this package, each in its own process."""

from __future__ import annotations

import sys
from typing import Any

from pytest_execgo.errors import HarnessError
from pytest_execgo.harness import embedded_programs
from pytest_execgo.harness.embedded_programs import MODULES, digest
from pytest_execgo.harness.processes.service import ProcessService, Program
from pytest_execgo.harness.readiness import probe_json, ready_line
from pytest_execgo.harness.service import HEALTH, Launcher, LaunchSite, Service
from pytest_execgo.models.environment import ServiceInfo
from pytest_execgo.system import child

# As in pytest_execgo/emulators/guard.py, which this package does not import.
ACCESS_HEADER = "x-execgo-token"
OWN_TOKEN = "EXECGO_ACCESS_TOKEN"
RUNTIME_TOKEN = "EXECGO_RUNTIME_ACCESS_TOKEN"


class EmbeddedLauncher(Launcher):
    """Takes no target, and needs only Python."""

    kind = "embedded"
    services = frozenset(MODULES)
    takes_token = True

    def describe(self, service: str, target: str) -> str:
        """Version, version of the contract, module and digest."""
        name = MODULES[service]
        return f"embedded {embedded_programs.version(service)} {name} sha256 {digest(name)[:12]}"

    def launch(self, service: str, target: str, site: LaunchSite) -> Service:
        """Start ``python -m <module>`` and wait for its ready line."""
        module = MODULES[service]
        log_path, data = site.log_path(service), site.data_dir(service)

        def command(address: str) -> list[str]:
            host, _, port = address.rpartition(":")
            flags = {
                "execgo": ["-addr", address, "-data-dir", str(data)],
                "runtime": ["--listen-addr", address, "--data-dir", str(data)],
                "fixtures": ["--host", host, "--port", port, "--data-dir", str(data)],
            }[service]
            return child.of_module(module, *flags, "--exit-with-stdin")

        def info(seen: dict[str, Any]) -> ServiceInfo:
            health = probe_json(seen["url"] + HEALTH[service])
            if health is None or "version" not in health:
                raise HarnessError(
                    f"{service} reported that it is ready, but {seen['url']} does not answer"
                )
            spoken = f" (speaks {health['version']})" if service != "fixtures" else ""
            return ServiceInfo(
                launcher="embedded",
                version=f"{seen['version']}{spoken}",
                path=module,
                digest=digest(module),
            )

        program = Program(
            command=command,
            look=lambda offset, url: ready_line(log_path, offset),
            awaited="its ready line",
            health=HEALTH[service],
            environment=lambda address: _environment(service, site),
            headers=_headers(service, site),
            info=info,
            hint=f"try it alone: {sys.executable} -m {module}",
            picks_port=True,
        )
        process = ProcessService(service, program, site)
        process.start()
        return process


def _environment(service: str, site: LaunchSite) -> dict[str, str]:
    found = {OWN_TOKEN: site.access_tokens.get(service, "")}
    if service == "execgo":
        found["EXECGO_RUNTIME_URL"] = site.urls["runtime"]
        found[RUNTIME_TOKEN] = site.access_tokens.get("runtime", "")
    return found


def _headers(service: str, site: LaunchSite) -> dict[str, str]:
    token = site.access_tokens.get(service)
    return {ACCESS_HEADER: token} if token else {}
