"""pytester projects with a scenario in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ScenarioMaker


@pytest.fixture
def project(pytester: pytest.Pytester) -> ScenarioMaker:
    """A project folder; ``project("name")`` makes a scenario in it."""
    return ScenarioMaker(pytester.path / "scenarios")


def latest(path: Path) -> dict[str, Any]:
    """``benchmark.json`` of the newest run below ``path``."""
    result: dict[str, Any] = json.loads((path / "reports/latest/benchmark.json").read_text())
    return result
