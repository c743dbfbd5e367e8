"""One run: what was asked for, where it is recorded, on what fleet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pytest_execgo.adapter.key_filter import KeyFilter
from pytest_execgo.files.writing import write_model, writing
from pytest_execgo.harness.fleet import FleetSpec
from pytest_execgo.models.chaos import ChaosProfile
from pytest_execgo.models.environment import Environment, ServiceInfo
from pytest_execgo.models.request import BenchmarkRunRequest
from pytest_execgo.observability.artifacts import point_latest
from pytest_execgo.observability.environment import describe_environment

DEFAULT_SEED = 7


@dataclass(frozen=True)
class Run:
    """One run, the same for all of its processes. ``root`` is pytest's root folder, ``called`` the one
    in which the user called pytest (``None``: the root folder); commands are for that folder.

    ``options`` are the words that a rerun command must repeat, ``live_options`` those that it must
    repeat as well for a trial that asks a model. ``record``: keep what models answer beside the
    scenario. ``share``: other users may read the run's folder, as the umask allows. ``repeats``:
    recorded trials are repeated, and no model is asked; ``plans`` maps their
    trial ids to the recorded plans, which are submitted instead of asking an adapter.
    ``update_expected``: keep what the checks with ``equals_file`` would accept.
    """

    request: BenchmarkRunRequest
    root: Path
    reports: Path
    run_id: str
    called: Path | None = None
    fleet: FleetSpec = field(default_factory=FleetSpec)
    workers: int = 1
    api_key: str | None = field(default=None, repr=False)
    options: tuple[str, ...] = ()
    live_options: tuple[str, ...] = ()
    record: bool = False
    share: bool = False
    update_expected: bool = False
    repeats: bool = False
    plans: Mapping[str, Path] = field(default_factory=dict)

    @cached_property
    def hide(self) -> KeyFilter:
        """Removes the user's key from everything that is recorded."""
        return KeyFilter(self.api_key)

    @property
    def seed(self) -> int:
        """The seed of the random draws."""
        return DEFAULT_SEED if self.request.seed is None else self.request.seed

    @property
    def folder(self) -> Path:
        """``reports/<run_id>``."""
        return self.reports / self.run_id

    def trial_folder(self, trial_id: str) -> Path:
        """``reports/<run_id>/trials/<trial_id>``."""
        return self.folder / "trials" / trial_id

    def chaos_seed(self, profile: ChaosProfile) -> str:
        """The seed of a profile's random draws in this run."""
        return f"{self.seed}:{profile.seed}"

    def environment(self, services: dict[str, ServiceInfo]) -> Environment:
        """Machine, versions and services, for ``environment.json``."""
        return describe_environment(self.root, self.seed, self.workers, services)

    def open(self, used: BenchmarkRunRequest | None = None) -> Path | None:
        """Make the run's folder with its ``request.json`` (``used``, or the request of the run), and
        point ``reports/latest`` to it. Calling it twice is harmless; raises :class:`HarnessError`.

        Returns the new path of a real folder ``reports/latest`` that had to be renamed.
        """
        with writing(self.folder):
            self.reports.mkdir(parents=True, exist_ok=True)
            # Records hold prompts, plans and output: no other user of this machine may read them, unless
            # the user shares them.
            self.folder.mkdir(mode=0o777 if self.share else 0o700, exist_ok=True)
        if not (self.folder / "request.json").exists():
            write_model(self.folder / "request.json", used or self.request)
        return point_latest(self.reports, self.run_id)
