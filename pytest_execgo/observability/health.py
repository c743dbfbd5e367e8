"""Turns what happens to services during a trial into events."""

from __future__ import annotations

from pytest_execgo.models.timeline import ServiceExited, ServiceReady
from pytest_execgo.observability.recorder import Recorder


class ServiceMonitor:
    """Watches a fleet on behalf of one trial; the fleet calls it from its own threads."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def service_exited(self, service: str, pid: int, exit_status: int) -> None:
        """A process ended that nobody had told to stop."""
        self._recorder.add(ServiceExited(service=service, pid=pid, exit_status=exit_status))

    def service_ready(self, service: str, pid: int | None) -> None:
        """A service answers (again)."""
        self._recorder.add(ServiceReady(service=service, pid=pid))
