"""What the runner works with. Each member is a protocol, so that tests can replace it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pytest_execgo.models.task import EngineTask
from pytest_execgo.ports import Chaos, Clock, FleetView, Recorder
from pytest_execgo.runner.client import EngineClient


@dataclass(frozen=True)
class Collaborators:
    """The parts that a trial and its stages share."""

    client: EngineClient
    recorder: Recorder
    fleet: FleetView
    chaos: Chaos
    clock: Clock


@dataclass
class TrialTasks:
    """The tasks of one trial on ExecGo.

    ``prefix`` begins each of their engine ids. ``results`` maps plan task ids to tasks as ExecGo last
    returned them. ``submitted`` maps every engine id that was ever sent to the last known state of the
    task, ``None`` if it was never seen. ``sizes`` maps plan task ids to the bytes of their results.
    ``workspace``: the folder that the record calls ``${workspace}``.
    """

    prefix: str
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    submitted: dict[str, EngineTask | None] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    workspace: str = ""
