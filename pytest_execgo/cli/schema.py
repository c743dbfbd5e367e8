"""``schema export``: the JSON Schema of every document that we read or write."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from pytest_execgo.files.writing import make_folder, write_json
from pytest_execgo.models.benchmark import BenchmarkResult
from pytest_execgo.models.chaos import ChaosProfile
from pytest_execgo.models.comparison import Comparison
from pytest_execgo.models.environment import Environment
from pytest_execgo.models.events import EVENT
from pytest_execgo.models.finding import FindingsBook
from pytest_execgo.models.fixture_routes import FixtureRoutes
from pytest_execgo.models.plan import StandardPlan
from pytest_execgo.models.project import ProjectDescription, RunEstimate
from pytest_execgo.models.request import BenchmarkRunRequest
from pytest_execgo.models.run_record import RunRecord
from pytest_execgo.models.stream import STREAM_LINE
from pytest_execgo.models.trial_result import TrialResult
from pytest_execgo.models.viewer import ViewerDocuments
from pytest_execgo.scenario.manifest import ScenarioManifest

_READ: dict[str, type[BaseModel]] = {
    "scenario": ScenarioManifest,
    "standard_plan": StandardPlan,
    "chaos_profile": ChaosProfile,
    "benchmark_run_request": BenchmarkRunRequest,
    "findings": FindingsBook,
    "fixture_routes": FixtureRoutes,
}
_WRITTEN: dict[str, type[BaseModel]] = {
    "benchmark_result": BenchmarkResult,
    "trial_result": TrialResult,
    "environment": Environment,
    "run_record": RunRecord,
    "comparison": Comparison,
    "project_description": ProjectDescription,
    "run_estimate": RunEstimate,
    "viewer": ViewerDocuments,
}


def schemas() -> dict[str, dict[str, Any]]:
    """The schema of every document, by file name."""
    found = {name: model.model_json_schema(mode="validation") for name, model in _READ.items()}
    found |= {
        name: model.model_json_schema(mode="serialization") for name, model in _WRITTEN.items()
    }
    found["timeline_event"] = EVENT.json_schema(mode="validation")
    found["stream_line"] = STREAM_LINE.json_schema(mode="serialization")
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {f"{name}.schema.json": dialect | schema for name, schema in sorted(found.items())}


def write_for_editors(folder: Path) -> None:
    """Write the schemas of the documents that people write; raises :class:`HarnessError`."""
    make_folder(folder)
    for name, schema in schemas().items():
        if name.partition(".")[0] in _READ:
            write_json(folder / name, schema)


def export(options: argparse.Namespace) -> int:
    """Write one file per schema into a folder; raises :class:`HarnessError`."""
    make_folder(options.folder)
    for name, schema in schemas().items():
        write_json(options.folder / name, schema)
    print(f"{len(schemas())} schemas in {options.folder}")
    return 0
