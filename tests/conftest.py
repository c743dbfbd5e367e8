"""What the tests share: scenarios made on the spot, and sessions that run them on real services."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_execgo.cli.scaffold import new_scenario
from pytest_execgo.extensions.registry import Registry
from pytest_execgo.models.request import BenchmarkRunRequest
from pytest_execgo.run.matrix import Matrix
from pytest_execgo.run.session import RunSession
from pytest_execgo.run.settings import Run
from pytest_execgo.scenario.library import Library

Edit = Callable[[dict[str, Any]], object]


class ScenarioMaker:
    """Makes the scenario that ``scenario new`` makes, changed by the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(
        self, name: str = "demo", *, manifest: Edit | None = None, plan: Edit | None = None
    ) -> Path:
        new_scenario(argparse.Namespace(name=name, scenarios=str(self.folder)))
        for file, edit in (("scenario.yaml", manifest), ("plan.yaml", plan)):
            if edit:
                path = self.folder / name / file
                data = yaml.safe_load(path.read_text())
                edit(data)
                path.write_text(yaml.safe_dump(data, sort_keys=False))
        return self.folder / name

    def chaos(self, name: str, **profile: object) -> Path:
        """Write a chaos profile."""
        path = self.folder / "chaos" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump({"schema_version": "1", "id": name, **profile}))
        return path


@pytest.fixture
def make_scenario(tmp_path: Path) -> ScenarioMaker:
    return ScenarioMaker(tmp_path / "scenarios")


@pytest.fixture
def make_session(
    tmp_path: Path, make_scenario: ScenarioMaker
) -> Iterator[Callable[..., RunSession]]:
    """``make_session()`` after the scenarios are made; the fleet is taken down at the end."""
    sessions = []

    def make(seed: int = 7, run_id: str = "run") -> RunSession:
        request = BenchmarkRunRequest(seed=seed)
        matrix = Matrix(Library(make_scenario.folder), Registry.build(), request)
        run = Run(request, tmp_path, tmp_path / "reports", run_id)
        sessions.append(RunSession(run, matrix))
        return sessions[-1]

    yield make
    for session in sessions:
        session.close()
