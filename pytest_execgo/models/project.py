"""What ``describe`` and ``estimate`` print for programs that let a user compose a run."""

from __future__ import annotations

from typing import Literal

from pytest_execgo.models.document import Document, VersionedDocument
from pytest_execgo.models.plan import Mode
from pytest_execgo.models.run_record import NotApplicable


class ScenarioEntry(Document):
    """A scenario. ``problem`` is why it cannot be read, in one line; then its other facts are empty.
    ``stages`` and ``tasks`` are those of the reference plan, null without one."""

    id: str
    path: str
    description: str = ""
    stages: int | None = None
    tasks: int | None = None
    checks: int = 0
    problem: str | None = None


class ProfileEntry(Document):
    """A chaos profile; ``faults`` holds ``action target`` of each. ``problem`` as in
    :class:`ScenarioEntry`."""

    id: str
    path: str
    builtin: bool
    description: str = ""
    expectation: str = ""
    faults: tuple[str, ...] = ()
    targets_model: bool = False
    problem: str | None = None


class FrameworkEntry(Document):
    """An agent framework. ``install`` is the command that installs it, null if it is installed."""

    name: str
    modes: tuple[Mode, ...]
    asks_model: bool
    install: str | None = None


class LauncherEntry(Document):
    """A way of bringing up services: ``NAME=kind`` or, with a target, ``NAME=kind:TARGET``."""

    kind: str
    services: tuple[str, ...]
    needs_target: bool


class OptionEntry(Document):
    """An option of ``run``: ``--word VALUE``. ``field`` is its place in a request file, or null."""

    word: str
    kind: Literal["one", "many", "flag"]
    metavar: str
    help: str
    default: str
    field: str | None
    live_only: bool


class ProjectDescription(VersionedDocument):
    """What can be run in a project. Paths are absolute; ``scenarios_folder`` may be that of the built-in
    scenarios. ``protocol`` is that of the lines of ``events.ndjson``."""

    pytest_execgo: str
    python: str
    protocol: int
    root: str
    scenarios_folder: str
    builtin_scenarios: bool
    reports_folder: str
    scenarios: tuple[ScenarioEntry, ...]
    profiles: tuple[ProfileEntry, ...]
    frameworks: tuple[FrameworkEntry, ...]
    launchers: tuple[LauncherEntry, ...]
    harnesses: tuple[str, ...]
    providers: tuple[str, ...]
    options: tuple[OptionEntry, ...]


class RunEstimate(VersionedDocument):
    """How large a run would be. ``seconds`` is the sum of the times of its trials, divided by the number
    of workers. The times are those of an earlier run, ``measured_in``; both are null without one.
    ``measured`` counts the trials whose cell is in that run; the others count as the median of its
    cells. Control trials are not counted."""

    trials: int
    not_applicable: tuple[NotApplicable, ...]
    seconds: float | None
    measured: int
    measured_in: str | None
