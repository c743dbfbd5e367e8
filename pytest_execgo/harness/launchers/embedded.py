"""Launcher ``embedded``: the services of this package, each in a process of its own."""

from __future__ import annotations

import hashlib
import sys
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pytest_execgo.errors import HarnessError, UsageError
from pytest_execgo.harness.process import ProcessService, Program
from pytest_execgo.harness.readiness import probe_json, ready_line
from pytest_execgo.harness.service import Service, Site
from pytest_execgo.models.benchmark import ServiceInfo

_MODULES = {
    "execgo": "pytest_execgo.services.execgo",
    "runtime": "pytest_execgo.services.runtime",
    "fixtures": "fixtures_server",
}
_HEALTH = {"execgo": "/health", "runtime": "/readyz", "fixtures": "/healthz"}


class EmbeddedLauncher:
    """Needs nothing but Python."""

    kind = "embedded"
    services = frozenset(_MODULES)
    needs_target = False

    def check(self, service: str, target: str) -> None:
        """There is nothing to choose."""
        if target:
            raise UsageError(f"{service}=embedded takes no target, got {target!r}")

    def describe(self, service: str, target: str) -> str:
        """Version, the contract it speaks, module and digest."""
        name = _MODULES[service]
        module = import_module(name)
        spoken = f" (speaks {module.SPEAKS})" if hasattr(module, "SPEAKS") else ""
        return f"embedded {module.VERSION}{spoken} {name} sha256 {digest(name)[:12]}"

    def launch(self, service: str, target: str, site: Site) -> Service:
        """Start ``python -m <module>`` and wait for its ready line."""
        module = _MODULES[service]
        log_path, data = site.log_path(service), site.data_dir(service)

        def command(address: str) -> list[str]:
            host, _, port = address.rpartition(":")
            flags = {
                "execgo": ["-addr", address, "-data-dir", str(data)],
                "runtime": ["--listen-addr", address, "--data-dir", str(data)],
                "fixtures": ["--host", host, "--port", port, "--data-dir", str(data)],
            }[service]
            return [sys.executable, "-m", module, *flags, "--exit-with-stdin"]

        def info(seen: dict[str, Any]) -> ServiceInfo:
            health = probe_json(seen["url"] + _HEALTH[service])
            if health is None or "version" not in health:
                raise HarnessError(
                    f"{service} said it was ready, but does not answer {seen['url']}"
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
            health=_HEALTH[service],
            environment=lambda address: (
                {"EXECGO_RUNTIME_URL": site.urls["runtime"]} if service == "execgo" else {}
            ),
            info=info,
            hint=f"try it alone: {sys.executable} -m {module}",
            picks_port=True,
        )
        process = ProcessService(service, program, site)
        process.start()
        return process


@lru_cache
def digest(module: str) -> str:
    """The sha256 over all files of a module's folder, in order of their names."""
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in (".py", ".json"):
            total.update(path.relative_to(folder).as_posix().encode() + b"\0")
            total.update(path.read_bytes())
    return total.hexdigest()
