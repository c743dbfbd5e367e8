"""Launcher ``external``: a service that somebody else runs, by its URL. It is used, never touched."""

from __future__ import annotations

import sys
from urllib.parse import urlsplit

import requests

from pytest_execgo.errors import HarnessError, UsageError
from pytest_execgo.harness.proxy import FaultProxy
from pytest_execgo.harness.service import (
    HEALTH,
    Launcher,
    LaunchSite,
    Service,
    refuse_other_version,
)
from pytest_execgo.models.benchmark import ServiceInfo
from pytest_execgo.transport.local import request

_TIMEOUT_SECONDS = 5.0


class ExternalService:
    """See :class:`Service`. Cannot be killed, limited or paused, and has no log that we can read."""

    def __init__(self, name: str, url: str, version: str) -> None:
        self.name, self.url = name, url
        self.info = ServiceInfo(launcher="external", version=version, url=url)
        self.link: FaultProxy | None = None
        self.pid = None
        self.python = sys.executable
        self.health_url = url + HEALTH[name]

    def state(self) -> tuple[bool, dict[str, str]]:
        """Nothing is known of its process."""
        return False, {}

    def running(self) -> bool:
        """Nobody here knows its process; it counts as running."""
        return True

    def ready(self) -> bool:
        """Whether it answers its health check now."""
        try:
            _version(self.name, self.url)
        except HarnessError:
            return False
        return True

    def stop(self) -> None:
        """It is not ours to stop."""


class ExternalLauncher(Launcher):
    """Target: the base URL."""

    kind = "external"
    services = frozenset(HEALTH)
    needs_target = True

    def check(self, service: str, target: str) -> None:
        """The target must be an HTTP URL."""
        parts = urlsplit(target)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise UsageError(
                f"{service}=external:{target}: expected a URL, as in "
                f"{service}=external:http://127.0.0.1:8080"
            )

    def describe(self, service: str, target: str) -> str:
        """It is asked for its version."""
        try:
            return f"external {_version(service, target.rstrip('/'))} {target}"
        except HarnessError:
            return f"external {target}"

    def launch(self, service: str, target: str, site: LaunchSite) -> Service:
        """Ask it for its health; raises :class:`HarnessError` with what it answered instead."""
        url = target.rstrip("/")
        external = ExternalService(service, url, _version(service, url))
        site.watcher.service_ready(service, None)
        return external


def _version(service: str, url: str) -> str:
    health = url + HEALTH[service]
    try:
        reply = request("GET", health, timeout=_TIMEOUT_SECONDS)
    except requests.RequestException as error:
        reason = "connection refused" if "refused" in str(error) else type(error).__name__
        raise HarnessError(
            f"{service} at {url} does not answer ({reason}); is it running, and is the URL right?"
        ) from None
    try:
        found = reply.json()
        version = str(found["version"])
    except (ValueError, KeyError, TypeError):
        kind = reply.headers.get("Content-Type", "no content type")
        raise HarnessError(
            f"{service} at {url}: GET {HEALTH[service]} answered {reply.status_code} ({kind}), "
            f"not the health of {service}; is this another program?"
        ) from None
    refuse_other_version(service, url, version)
    return version
