"""Where and how one run takes place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pytest_execgo.errors import HarnessError
from pytest_execgo.harness.fleet import FleetSpec
from pytest_execgo.models.benchmark import BenchmarkRunRequest, Environment, ServiceInfo
from pytest_execgo.models.chaos import ChaosProfile
from pytest_execgo.observability.artifacts import point_latest, write_model
from pytest_execgo.observability.environment import describe_environment

DEFAULT_SEED = 7


@dataclass(frozen=True)
class RunSettings:
    """Where and how one run takes place. ``options`` is what a rerun must repeat, ``live_options`` what
    one of a trial that asks a model must repeat as well."""

    root: Path
    reports: Path
    run_id: str
    seed: int = DEFAULT_SEED
    fleet: FleetSpec = field(default_factory=FleetSpec)
    workers: int = 1
    options: tuple[str, ...] = ()
    live_options: tuple[str, ...] = ()
    record: bool = False
    """Whether what models say is kept beside the scenario."""
    repeats: bool = False
    """Whether recorded trials are repeated: then no model is asked."""
    api_key: str | None = field(default=None, repr=False)
    plans: Mapping[str, Path] = field(default_factory=dict)
    """Recorded plans by trial id: what a replay submits instead of asking an adapter."""

    def environment(self, services: dict[str, ServiceInfo]) -> Environment:
        """Where this run takes place."""
        return describe_environment(self.root, self.seed, self.workers, services)

    def chaos_seed(self, profile: ChaosProfile) -> str:
        """What the dice of a profile are thrown from in this run."""
        return f"{self.seed}:{profile.seed}"

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.reports / self.run_id

    def trial_folder(self, trial_id: str) -> Path:
        """The folder of one trial."""
        return self.folder / "trials" / trial_id


def open_run(settings: RunSettings, request: BenchmarkRunRequest) -> None:
    """Make the run's folder with its ``request.json``, and ``latest`` lead to it: also for a run that
    comes to nothing. Calling it twice is harmless."""
    try:
        settings.folder.mkdir(parents=True, exist_ok=True)
        if not (settings.folder / "request.json").exists():
            write_model(settings.folder / "request.json", request)
        point_latest(settings.reports, settings.run_id)
    except OSError as error:
        raise HarnessError(f"the run's folder {settings.folder} cannot be made: {error}") from None
