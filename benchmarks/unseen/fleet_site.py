"""What a fault can reach."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.unseen.front import Front
from pytest_execgo.models.events import Event

Listener = Callable[[Event, Path], None]


@dataclass
class Site:
    """What a fault can reach. ``fronts`` and ``pids``: the front and the process of each service.
    ``disk``: a folder on a small disk, which holds the workspaces; ``None`` without one. ``listeners``
    are called with each event of the running trial, and its workspace."""

    fronts: dict[str, Front]
    pids: dict[str, int]
    disk: Path | None
    listeners: list[Listener]


Inject = Callable[[Site], AbstractContextManager[None]]
