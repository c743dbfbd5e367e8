"""Launcher ``external``: a service that already runs at a URL. It is never started, changed or
stopped."""

from __future__ import annotations

import sys
from urllib.parse import urlsplit

from pytest_execgo.errors import HarnessError, UsageError
from pytest_execgo.harness.proxy import FaultProxy
from pytest_execgo.harness.service import (
    HEALTH,
    Launcher,
    LaunchSite,
    Service,
    refuse_other_version,
)
from pytest_execgo.models.environment import ServiceInfo
from pytest_execgo.transport.bounded import BadAnswer, ExchangeError, NoAnswer, fetch

_TIMEOUT_SECONDS = 5.0


class ExternalService:
    """A :class:`Service` without further capabilities: no kill, limits, pause or log."""

    def __init__(self, name: str, url: str, version: str) -> None:
        self.name, self.url = name, url
        self.info = ServiceInfo(launcher="external", version=version, url=url)
        self.link: FaultProxy | None = None
        self.pid = None
        self.python = sys.executable
        self.health_url = url + HEALTH[name]

    def state(self) -> tuple[bool, dict[str, str]]:
        """Not stopped, and without limits: its process is not visible."""
        return False, {}

    def running(self) -> bool:
        """Always true: its process is not visible."""
        return True

    def ready(self) -> bool:
        try:
            _version(self.name, self.url)
        except HarnessError:
            return False
        return True

    def stop(self) -> None:
        """Do nothing: the service belongs to its user."""


class ExternalLauncher(Launcher):
    """Target: the base URL of the service."""

    kind = "external"
    services = frozenset(HEALTH)
    needs_target = True

    def check(self, service: str, target: str) -> None:
        parts = urlsplit(target)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise UsageError(
                f"{service}=external:{target}: expected a URL, as in "
                f"{service}=external:http://127.0.0.1:8080"
            )

    def describe(self, service: str, target: str) -> str:
        """Include the version, if the service answers."""
        try:
            return f"external {_version(service, target.rstrip('/'))} {target}"
        except HarnessError:
            return f"external {target}"

    def launch(self, service: str, target: str, site: LaunchSite) -> Service:
        """Check health and version; raises :class:`HarnessError` for any other answer."""
        url = target.rstrip("/")
        external = ExternalService(service, url, _version(service, url))
        site.watcher.service_ready(service, None)
        return external


def _version(service: str, url: str) -> str:
    health = url + HEALTH[service]
    try:
        reply = fetch("GET", health, timeout=_TIMEOUT_SECONDS)
    except ExchangeError as error:
        refused = isinstance(error, NoAnswer) and error.refused
        reason = "connection refused" if refused else str(error)
        raise HarnessError(
            f"{service} at {url} does not answer ({reason}); is it running, and is the URL right?"
        ) from None
    try:
        version = str(reply.object()["version"])[:100]
    except (BadAnswer, KeyError):
        kind = reply.content_type or "no content type"
        raise HarnessError(
            f"{service} at {url}: GET {HEALTH[service]} answered {reply.status} ({kind}), "
            f"not the health of {service}; is this another program?"
        ) from None
    refuse_other_version(service, url, version)
    return version
