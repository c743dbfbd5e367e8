"""Launcher ``persistent``: the services of a fleet that ``harness up NAME`` started.

``--execgo-fleet NAME`` means ``--execgo-harness persistent:NAME``.
"""

from __future__ import annotations

from pathlib import Path

from pytest_execgo.errors import HarnessError, UsageError
from pytest_execgo.harness.service import Launcher, LaunchSite, Service, ServiceNetwork

KIND = "persistent"


class PersistentLauncher(Launcher):
    """Target: the name of the persistent fleet."""

    kind = KIND
    needs_target = True
    whole_fleet = True

    def check(self, service: str, target: str) -> None:
        from pytest_execgo.harness.containers import persistent
        from pytest_execgo.harness.containers.engine import raised_as

        with raised_as(UsageError, f"fleet {target}"):
            persistent.check(target)

    def describe(self, service: str, target: str) -> str:
        from pytest_execgo.harness.containers import persistent

        return f"{KIND} {persistent.describe(target, service)}"

    def open_network(
        self, target: str, token: str, root: Path, *, partitionable: bool
    ) -> ServiceNetwork:
        """The fleet's network; raises :class:`HarnessError` while another run uses the fleet."""
        from pytest_execgo.harness.containers import persistent
        from pytest_execgo.harness.containers.engine import raised_as

        with raised_as(HarnessError, f"fleet {target}"):
            return persistent.PersistentNetwork(target)

    def launch(self, service: str, target: str, site: LaunchSite) -> Service:
        """Use the container until the end of the run."""
        from pytest_execgo.harness.containers import persistent
        from pytest_execgo.harness.containers.engine import raised_as

        with raised_as(HarnessError, f"{service} of fleet {target} cannot be used"):
            return persistent.attach(service, site)
