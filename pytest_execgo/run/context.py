"""What belongs to one trial."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pytest_execgo.chaos.loaded_profile import LoadedProfile
from pytest_execgo.harness.fleet import Fleet
from pytest_execgo.models.trial import Trial
from pytest_execgo.run.baseline import Baseline
from pytest_execgo.run.matrix import Matrix
from pytest_execgo.run.settings import Run
from pytest_execgo.scenario.manifest import Scenario


@dataclass(frozen=True)
class TrialContext:
    """One trial: what is run, on what fleet, and where its record goes.

    ``prefix`` begins its ids on ExecGo. ``node_id`` names it on pytest's command line; ``None`` for
    trials that are not pytest items. ``attempt`` counts from 1. ``baseline``: clean trials to compare
    with. ``plan``: a recorded plan to submit instead of asking an adapter. ``rerun``: the command that
    repeats the trial, if it is not one of the matrix.
    """

    run: Run
    matrix: Matrix
    trial: Trial
    scenario: Scenario
    profile: LoadedProfile
    fleet: Fleet
    folder: Path
    prefix: str
    node_id: str | None = None
    attempt: int = 1
    baseline: Baseline | None = None
    plan: Path | None = None
    rerun: str = ""

    def placeholders(self, workspace: Path) -> dict[str, str]:
        """The values of ``${name}`` in its plan."""
        known = {
            "workspace": str(workspace),
            "fixtures_url": f"{self.fleet.url('fixtures')}/t/{self.trial.trial_id}",
            "run_id": self.run.run_id,
            "trial_id": self.trial.trial_id,
            "python": self.fleet.python,
        }
        return {name: value for name, value in known.items() if value is not None}

    def addresses(self) -> dict[str, tuple[str, ...]]:
        """Hosts and ports at which clients reach each service: itself, and through its link."""
        return {
            name: tuple(
                urlsplit(url).netloc.rpartition("@")[2]
                for url in (self.fleet.url(name), service.url)
            )
            for name, service in self.fleet.services.items()
        }

    def rerun_command(self) -> str:
        """The command that repeats just this trial."""
        if self.rerun:
            return self.rerun
        run, cell = self.run, self.trial.cell
        options = run.options + (run.live_options if cell.mode == "live" else ())
        seed = ["--execgo-seed", str(run.seed)]
        if self.trial.caller:
            return shlex.join(["pytest", self._argument(self.trial.caller), *seed, *options])
        node_id = self.node_id
        if node_id is None:
            node_id = self._argument(f"{self.scenario.path}::{self.trial.item_name}")
        words = ["pytest", node_id]
        if cell.mode != "replay":
            words += ["--execgo-mode", cell.mode]
        if cell.chaos != "none":
            words += ["--execgo-chaos", cell.chaos]
        if self.trial.repetition:
            words += ["--execgo-repetitions", str(self.trial.repetition + 1)]
        return shlex.join([*words, *seed, *options])

    def _argument(self, node_id: str) -> str:
        """The argument of pytest for a node id; its path is relative to the root folder, or absolute."""
        path, sign, name = node_id.partition("::")
        called = self.run.called or self.run.root
        return f"{Path(os.path.relpath(self.run.root / path, called)).as_posix()}{sign}{name}"
