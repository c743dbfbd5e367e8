"""Where a run took place: ``environment.json``."""

from __future__ import annotations

from pytest_execgo.models.document import Document, VersionedDocument


class ServiceInfo(Document):
    """One service of the fleet; ``digest`` is the sha256 of the binary or of the program's files.
    ``arguments``: those that the user added to the binary's command line.
    ``proxied``: its clients reach it through a fault proxy, which slows each request down a little."""

    launcher: str
    version: str
    path: str | None = None
    image: str | None = None
    url: str | None = None
    digest: str | None = None
    arguments: tuple[str, ...] = ()
    proxied: bool = False


class Environment(VersionedDocument):
    """The machine, the versions and the services of a run: ``environment.json``."""

    pytest_execgo: str
    python: str
    platform: str
    cpu_count: int
    git_commit: str | None
    seed: int
    workers: int
    services: dict[str, ServiceInfo]
    packages: dict[str, str]
