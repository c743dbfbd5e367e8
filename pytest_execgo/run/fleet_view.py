"""What the runner may ask about the fleet of its trial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pytest_execgo.chaos.controller import ChaosController
from pytest_execgo.harness.fleet import Fleet
from pytest_execgo.harness.service import Service
from pytest_execgo.observability.health import LINK_TIMEOUT_SECONDS, ask
from pytest_execgo.ports import TaskHost
from pytest_execgo.runner.runtime_client import cancel_task, task_answer, task_status


@dataclass(frozen=True)
class TrialFleet:
    """Implements :class:`pytest_execgo.ports.FleetView` from outside, as health checks do."""

    fleet: Fleet
    chaos: ChaosController

    def will_return(self, service: str) -> bool:
        found = self.fleet.services[service]
        fault = found.link.fault if found.link is not None else None
        # A slow link answers; one that lets nothing through works again only if that is planned.
        cut = fault is not None and fault.kind != "latency"
        return (found.running() and not cut) or self.chaos.returning(service)

    def unready(self) -> list[str]:
        away = self.fleet.unready()
        others = [service for name, service in self.fleet.services.items() if name not in away]
        return away + [service.name for service in others if not _link_works(service)]

    def processes_ended(self, pids: Sequence[int]) -> bool:
        engine, host = self.fleet.services["execgo"], self.fleet.services["runtime"]
        # The runtime of an ExecGo that this fleet did not start may be on another machine.
        if not (isinstance(engine, TaskHost) and isinstance(host, TaskHost)):
            return False
        return not any(host.has_process(pid) for pid in pids)

    def cancel(self, handle_id: str) -> str:
        runtime = self._own_runtime()
        if runtime is None:
            return "not asked: the runtime of an external ExecGo is not known"
        return cancel_task(runtime.url, self.fleet.headers("runtime"), handle_id)

    def task_status(self, handle_id: str) -> str | None:
        runtime = self._own_runtime()
        if runtime is None:
            return None
        return task_status(runtime.url, self.fleet.headers("runtime"), handle_id)

    def runtime_answers(self, handle_id: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """What the runtime answers about a task, directly and over the connection that ExecGo uses;
        ``None`` if one of them gives no answer."""
        runtime = self._own_runtime()
        if runtime is None:
            return None
        headers = self.fleet.headers("runtime")
        urls = (runtime.url, self.fleet.url("runtime"))
        direct, linked = (task_answer(url, headers, handle_id) for url in urls)
        return None if direct is None or linked is None else (direct, linked)

    def _own_runtime(self) -> Service | None:
        """The runtime that ExecGo uses, if that is known."""
        engine, runtime = self.fleet.services["execgo"], self.fleet.services["runtime"]
        known = not (engine.info.launcher == "external" != runtime.info.launcher)
        return runtime if known else None

    def identity(self, service: str) -> int | None:
        return self.fleet.services[service].pid


def _link_works(service: Service) -> bool:
    """Whether a health check over the link of a service is answered; true without a link."""
    if service.link is None:
        return True
    path = urlsplit(service.health_url).path
    return ask(service.link.probe_url + path, LINK_TIMEOUT_SECONDS).ms is not None
